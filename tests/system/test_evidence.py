"""Tamper evidence as a person meets it: a device that signs, an export, a verification."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import app, cli
from edge.adapters.clock import SystemClock
from edge.adapters.device_key import open_key
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.config import load, with_broker
from edge.heads import fingerprint, verify_head
from edge.messages import Health
from edge.months import month_of
from edge.records import parse_counts, verify_chain
from edge.sealing import genesis
from edge.station import Station
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

CLIP = Path("tests/data/vtest.mp4")
MONTH = month_of("2026-11")
QUARTER_MS = 900_000
DAY_MS = 86_400_000

CONFIG = """
device: {{tenant: t, id: {dev}, name: 大厅, clock: rtc}}
camera: {{source: {source}, fps: 10}}
lines: [{{id: door, name: 大门, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true}}
"""


def process(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def lobbycount(monkeypatch, capsys):
    """The command line in this process, which is started a dozen times here."""

    monkeypatch.setattr(cli, "log_to_stderr", lambda _: None)  # that is for a whole process

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lobbycount", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, ended.value.code, said.out, said.err)

    return run


def config(folder, *, source="clip.mp4", port=1, dev="dev-1"):
    path = folder / "lobby.yaml"
    path.write_text(CONFIG.format(source=source, folder=folder, port=port, dev=dev), "utf-8")
    return path


def bucket(index, line="door"):
    t0_ms = MONTH.t0_ms + index * QUARTER_MS
    counts = {Outcome.IN: 2, Outcome.OUT: 1}
    by = Provenance("c", "m")
    return CountBucket(
        line, t0_ms, t0_ms + QUARTER_MS, counts, 1.0, None, TimeQuality.NTP, by
    )  # fmt: skip


@pytest.fixture
def device(tmp_path):
    """A device with a key and ten intervals, of which two begin before the month."""
    (tmp_path / "data").mkdir()
    key = open_key(tmp_path / "data")
    with closing(SqliteOutbox(tmp_path / "data" / "outbox.sqlite", "dev-1")) as outbox:
        outbox.append([bucket(index) for index in range(-2, 8)])
        yield config(tmp_path), fingerprint(key.public_key), outbox


@pytest.fixture
def exported(lobbycount):
    def run(path, folder):
        out = folder / "export.ndjson"
        ran = lobbycount("export", "2026-11", "-c", path, "--out", out)
        assert ran.returncode == 0, ran.stderr
        return out, ran.stderr

    return run


@pytest.fixture
def verified(lobbycount):
    def run(*arguments):
        ran = lobbycount("verify", "2026-11", *arguments, "--json")
        assert ran.returncode in {0, 1}, ran.stderr
        shown = json.loads(ran.stdout)
        assert (shown["verdict"] == "intact") == (ran.returncode == 0)
        return shown

    return run


def test_an_export_beside_the_open_outbox_is_intact_and_has_the_month(
    device, tmp_path, exported, verified, lobbycount
):
    path, key, outbox = device
    out, said = exported(path, tmp_path)
    assert f"9 record(s), signed with the key {key}" in said
    lines = out.read_text("utf-8").splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [*range(2, 11), 10]
    assert lines[:9] == [record.body for record in outbox.pending(99)[1:]]
    shown = verified(out, "--key", key)
    (stream,) = shown["streams"]
    assert (stream["records"], stream["others"], stream["trusted"]) == (8, 1, None)
    assert (stream["signed"], stream["unsigned"], stream["key"]) == (10, 0, key)
    assert stream["sums"] == [{"line": "door", "records": 8, "unseen": 0, "in": 16, "out": 8}]
    table = lobbycount("verify", "2026-11", out)
    assert table.returncode == 0
    assert "2026-11: intact 完好" in table.stdout
    assert f"signed with the key {key}" in table.stdout


def test_an_export_goes_to_standard_output_too(device, lobbycount):
    path, _, _ = device
    run = lobbycount("export", "2026-11", "-c", path)
    assert [json.loads(line)["seq"] for line in run.stdout.splitlines()] == [*range(2, 11), 10]


def test_the_first_broken_record_is_named_with_file_and_line(
    device, tmp_path, exported, verified, lobbycount
):
    path, _, _ = device
    out, _ = exported(path, tmp_path)
    lines = out.read_text("utf-8").splitlines(keepends=True)
    lines[3] = lines[3].replace('"in":2', '"in":7')
    out.write_text("".join(lines), "utf-8")
    run = lobbycount("verify", "2026-11", out)
    assert run.returncode == 1
    assert "2026-11: broken 被破坏" in run.stdout
    assert f"record 5 ({out}:4): was changed after it was sealed" in run.stdout
    assert f"记录 5 ({out}:4)：封存后被改动" in run.stdout
    first = verified(out)["first_broken"]
    assert (first["dev"], first["seq"], first["fault"], first["line"]) == ("dev-1", 5, "changed", 4)


def test_several_files_hold_parts_of_several_streams(device, tmp_path, exported, verified):
    path, key, _ = device
    out, _ = exported(path, tmp_path)
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    with closing(SqliteOutbox(other / "data" / "outbox.sqlite", "dev-2")) as outbox:
        outbox.append([bucket(0), bucket(1)])
    second, said = exported(config(other, dev="dev-2"), other)
    assert "not signed" in said
    records = second.read_bytes() + out.read_bytes()
    (tmp_path / "both").write_bytes(records)
    halves = out.read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "a").write_text("".join(halves[:5]), "utf-8")
    (tmp_path / "b").write_text("\r\n".join(map(str.rstrip, halves[3:])) + "\n\n", "utf-8-sig")
    for files in ([tmp_path / "both"], [out, second], [tmp_path / "a", second, tmp_path / "b"]):
        shown = verified(*files)
        assert [(each["dev"], each["records"]) for each in shown["streams"]] == [
            ("dev-1", 8), ("dev-2", 2),
        ]  # fmt: skip
        assert shown["verdict"] == "intact"
    shown = verified(tmp_path / "both", "--key", key)
    assert shown["first_broken"]["fault"] == "not_signed"
    assert shown["first_broken"]["dev"] == "dev-2"
    shown = verified(tmp_path / "a")
    assert shown["verdict"] == "intact"
    assert shown["streams"][0]["trusted"] == 2


def test_a_damaged_first_line_belongs_to_the_stream_behind_it(device, tmp_path, exported, verified):
    path, _, _ = device
    out, _ = exported(path, tmp_path)
    text = out.read_text("utf-8")
    out.write_text("garbage" + text[text.index("\n") :], "utf-8")
    first = verified(out)["first_broken"]
    assert (first["seq"], first["fault"], first["line"]) == (2, "unreadable", 1)


def test_records_that_an_earlier_stream_left_are_exported_too(device, tmp_path, exported, verified):
    path, _, _ = device
    with closing(SqliteOutbox(tmp_path / "old.sqlite", "dev-1")) as old:
        old.append([bucket(0, "side"), bucket(1, "side")])
        bodies = [(r.stream, r.seq, r.body) for r in old.pending(9)]
    with sqlite3.connect(tmp_path / "data" / "outbox.sqlite") as db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS earlier (stream TEXT NOT NULL, seq INTEGER NOT NULL,"
            " body TEXT NOT NULL, crc INTEGER NOT NULL, retired_ms INTEGER, UNIQUE (stream, seq))"
        )
        db.executemany("INSERT INTO earlier VALUES (?, ?, ?, 0, NULL)", bodies)
    db.close()
    out, _ = exported(path, tmp_path)
    shown = verified(out)
    assert shown["verdict"] == "intact"
    assert sorted((s["records"], s["signed"]) for s in shown["streams"]) == [(2, 2), (8, 10)]


def test_a_month_by_local_clocks_is_another_one(device, tmp_path, verified, lobbycount):
    path, _, _ = device
    run = lobbycount("export", "2026-11", "-c", path, "--time-zone", "Asia/Shanghai")
    assert [json.loads(line)["seq"] for line in run.stdout.splitlines()] == [*range(1, 11), 10]
    local = tmp_path / "local"
    local.write_text(run.stdout, "utf-8")
    (stream,) = verified(local, "--time-zone", "Asia/Shanghai")["streams"]
    assert (stream["records"], stream["others"]) == (10, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "2026-13", "-c", "{config}"), "e.g. 2026-11"),
        (("export", "2026-10", "-c", "{empty}"), "is records.data_dir that of the device"),
        (("export", "2026-08", "-c", "{config}"), "holds no record that begins in 2026-08"),
        (("export", "2026-11", "-c", "{config}", "--out", "{folder}/no/x"), "cannot be written"),
        (("export", "2026-11", "-c", "{config}", "--time-zone", "Mars"), "e.g. Asia/Shanghai"),
        (("verify", "2026-11", "{folder}/none"), "No such file"),
        (("verify", "2026-11", "{config}"), "no line in it is a record"),
        (("verify", "2026-08", "{export}"), "no record in it begins in 2026-08"),
        (("verify", "2026-11", "{export}", "--key", "abc"), "64 hex digits"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(  # noqa: PLR0917  fixtures
    device, tmp_path, arguments, said, exported, lobbycount
):
    path, _, _ = device
    out, _ = exported(path, tmp_path)
    (tmp_path / "empty").mkdir()
    names = {
        "config": path, "empty": config(tmp_path / "empty"), "folder": tmp_path, "export": out,
    }  # fmt: skip
    run = lobbycount(*(argument.format(**names) for argument in arguments))
    assert (run.returncode, run.stderr.strip().count("\n")) == (2, 0), run.stderr
    assert said in run.stderr


@pytest.fixture
def short_clip(tmp_path):
    path = tmp_path / "short.mp4"
    capture = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (768, 576))
    for _ in range(15):
        writer.write(capture.read()[1])
    writer.release()
    capture.release()
    return path


@pytest.mark.skipif(not available_kinds(), reason="needs an MQTT broker")
def test_a_run_makes_a_key_signs_and_its_export_is_intact(
    tmp_path, short_clip, open_inbox, lobbycount
):
    with LabBroker() as broker:
        inbox = open_inbox(broker.port)
        path = config(tmp_path, source=short_clip, port=broker.port)
        for _ in range(2):
            run = process("run", "-c", path)
            assert run.returncode == 0, run.stderr
        inbox.wait_for(lambda messages: sum(b'"offline"' in m.payload for m in messages) == 2)
    records = [r for m in inbox.on("counts") for r in parse_counts(m.payload)]
    verify_chain(records)
    (key,) = {json.loads(message.payload)["key"] for message in inbox.on("info")}
    heads = [verify_head(message.payload, key) for message in inbox.on("head")]
    chains = {0: genesis("dev-1", records[0].stream)} | {r.seq: r.chain for r in records}
    assert all(head.chain == chains[head.seq] for head in heads)
    # At the start and the end of both runs; beside those when a day ended meanwhile.
    first_end = heads[1].seq
    assert [head.seq for head in heads] == [0, first_end, first_end, len(records)]
    assert 0 < first_end < len(records)
    month = records[0].raw["t0"][:7]
    out = tmp_path / "export.ndjson"
    assert process("export", month, "-c", path, "--out", out).returncode == 0
    assert lobbycount("verify", month, out, "--key", key).returncode == 0
    with out.open("a", encoding="utf-8") as file:
        file.writelines(message.payload.decode() + "\n" for message in inbox.on("head"))
    assert lobbycount("verify", month, out, "--key", key).returncode == 0
    text = out.read_text("utf-8")
    out.write_text(text.replace('"tq":"unsynced"', '"tq":"ntp"', 1), "utf-8")
    broken = process("verify", month, out)
    assert broken.returncode == 1
    assert "record 1 " in broken.stdout


def test_a_key_that_cannot_be_used_costs_the_heads_and_nothing_else(
    tmp_path, short_clip, lab_broker, open_inbox
):
    dev = f"keyless-{lab_broker.kind}"
    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    path = config(tmp_path, source=short_clip, port=lab_broker.port, dev=dev)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "device.key").write_bytes(b"damaged")
    run = process("run", "-c", path)
    assert run.returncode == 0
    assert "no heads are signed" in run.stderr
    inbox.wait_on("counts", b'"seq":1')
    inbox.wait_on("status", b'"offline"')
    assert inbox.on("head") == []
    assert "key" not in json.loads(inbox.on("info")[-1].payload)
    assert (tmp_path / "data" / "device.key").read_bytes() == b"damaged"


def station_of(outbox, key, port, dev):
    settings = load(Path("config/demo.yaml"))
    device = settings.device.model_copy(update={"id": dev, "tenant": "t"})
    settings = with_broker(
        settings.model_copy(update={"device": device}), f"mqtt://127.0.0.1:{port}"
    )
    return Station(
        settings,
        SystemClock(),
        outbox,
        Provenance("c", "m"),
        interval_s=900,
        health=lambda _: Health(0, 0),
        signer=key,
    )


def quarter(t1_ms):
    return CountBucket(
        "west", t1_ms - QUARTER_MS, t1_ms, {Outcome.IN: 1}, 1.0, None, TimeQuality.NTP,
        Provenance("c", "m"),
    )  # fmt: skip


def test_a_head_is_signed_with_the_last_interval_of_a_day(tmp_path, lab_broker, open_inbox):
    dev = f"daily-{lab_broker.kind}"
    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    key = open_key(tmp_path)
    midnight_ms = (round(SystemClock().utc() * 1000) // DAY_MS + 1) * DAY_MS
    with closing(SqliteOutbox(tmp_path / "outbox.sqlite", dev)) as outbox:
        station = station_of(outbox, key, lab_broker.port, dev)
        station.start()
        try:
            inbox.wait_on("health", b"queue")  # the first message after the births
            for t1_ms in (midnight_ms - QUARTER_MS, midnight_ms, midnight_ms + QUARTER_MS):
                buckets = [quarter(t1_ms)]
                outbox.append(buckets)
                station.stored(buckets)
            inbox.wait_on("head", b'"seq":2')
        finally:
            station.stop()
    inbox.wait_on("status", b'"offline"')
    heads = [verify_head(message.payload, key.public_key) for message in inbox.on("head")]
    assert [head.seq for head in heads] == [0, 2, 3]
    assert heads[1].at < heads[1].day + "T24"


@pytest.mark.skipif(not available_kinds(), reason="needs an MQTT broker")
def test_a_run_over_midnight_signs_a_head_for_the_day(tmp_path, monkeypatch, open_inbox):
    clip = tmp_path / "night.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    for _ in range(40):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    evening_s = MONTH.t0_ms / 1000 + 86_400 - 2
    began = []

    def utc(_):
        began.append(time.monotonic())
        return evening_s + began[-1] - began[0]

    monkeypatch.setattr(SystemClock, "utc", utc)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with LabBroker() as broker:
            inbox = open_inbox(broker.port)
            path = config(tmp_path, source=clip, port=broker.port)
            # An interval is closed when no U-turn can be booked into it any more.
            path.write_text(path.read_text("utf-8") + "counting: {uturn_s: 0}\n", "utf-8")
            app.run_device(load(path))
            inbox.wait_on("status", b'"offline"')
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    heads = [verify_head(message.payload) for message in inbox.on("head")]
    assert [head.seq for head in heads] == [0, 1, 2]
    (first, _) = [r for m in inbox.on("counts") for r in parse_counts(m.payload)]
    assert first.t1_ms % DAY_MS == 0
    assert heads[1].day == "2026-11-01"


class NoTip(SqliteOutbox):
    def tip(self):
        raise RuntimeError("no tip today")


def test_a_head_that_cannot_be_signed_stops_neither_counting_nor_delivery(
    tmp_path, lab_broker, open_inbox
):
    dev = f"tipless-{lab_broker.kind}"
    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    with closing(NoTip(tmp_path / "outbox.sqlite", dev)) as outbox:
        station = station_of(outbox, open_key(tmp_path), lab_broker.port, dev)
        station.start()
        try:
            inbox.wait_on("health", b"queue")
            buckets = [quarter(DAY_MS)]
            outbox.append(buckets)
            station.stored(buckets)
            station.relay.wake.set()
            inbox.wait_on("counts", b'"seq":1')
            assert station.relay.state.connected
        finally:
            station.stop()
    assert inbox.on("head") == []
