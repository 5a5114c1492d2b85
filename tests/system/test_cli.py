"""The command line as a person runs it: real processes, real broker, real footage."""

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import pytest

from edge.adapters.clock import SystemClock
from edge.adapters.detectors import missing_provider
from edge.adapters.model_catalog import load_catalog
from edge.providers import Provider
from edge.records import parse_counts, verify_chain
from edge.vocabulary import TimeQuality

CLIP = Path("tests/data/vtest.mp4")
DEMO = "config/demo.yaml"

CONFIG = """
device: {{tenant: t, id: {dev}, name: 大厅, clock: {clock}}}
camera: {{source: {source}, fps: 10}}
{model}
lines: [{{id: door, name: 大门, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true}}
"""


def lobbycount(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def config(folder, source, *, port=1, dev="dev-1", model="", clock="rtc"):
    path = folder / "lobby.yaml"
    path.write_text(
        CONFIG.format(source=source, folder=folder, port=port, dev=dev, model=model, clock=clock),
        "utf-8",
    )
    return path


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory):
    """Three seconds of the bundled clip, as a file of its own."""
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    capture = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (768, 576))
    for _ in range(30):
        writer.write(capture.read()[1])
    writer.release()
    capture.release()
    return path


def test_replay_prints_records_that_repeat_byte_for_byte(short_clip):
    runs = [lobbycount("replay", short_clip, "-c", DEMO, "--json") for _ in range(2)]
    first, second = (json.loads(run.stdout) for run in runs)
    assert first["frames"] == 30
    assert [r["line"] for r in first["records"]] == ["west", "middle", "east"]
    assert first["records"] == second["records"]


def test_replay_sums_zones_beside_the_lines(short_clip, tmp_path):
    path = tmp_path / "lobby.yaml"
    zones = "zones: [{id: yard, polygon: [[0, 0.1], [1, 0.1], [1, 1], [0, 1]], kind: queue}]\n"
    path.write_text(config(tmp_path, short_clip).read_text("utf-8") + zones, "utf-8")
    run = lobbycount("replay", short_clip, "-c", path, "--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    line, zone = result["records"]
    assert (line["line"], zone["zone"], zone["kind"]) == ("door", "yard", "queue")
    # Three seconds of a busy yard; everybody was there before.
    assert zone["peak"] >= 3
    assert 2 * 1.0 < zone["presence_s"] < 20 * 3.0
    assert zone["wait_s"] is None
    assert result["zones"]["yard"]["presence_s"] == zone["presence_s"]
    shown = lobbycount("replay", short_clip, "-c", path).stdout
    assert "person-min" in shown
    assert "│ yard │ queue │" in shown


def test_replay_draws_a_video_of_every_frame(short_clip, tmp_path):
    drawn = tmp_path / "out.mp4"
    run = lobbycount("replay", short_clip, "-c", DEMO, "--annotate", drawn)
    assert run.returncode == 0, run.stderr
    capture = cv2.VideoCapture(str(drawn))
    count = 0
    while (read := capture.read())[0]:
        count += 1
        picture = read[1]
    assert (count, picture.shape) == (30, (576, 768, 3))
    original = cv2.VideoCapture(str(short_clip)).read()[1]
    assert cv2.absdiff(picture, original).mean() > 1


def test_a_text_file_is_no_video(tmp_path):
    text = tmp_path / "holiday.mp4"
    text.write_text("not a video at all\n" * 100)
    run = lobbycount("replay", text, "-c", DEMO)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "holiday.mp4" in run.stderr
    assert "MP4" in run.stderr


def test_a_clip_that_is_not_there(tmp_path):
    run = lobbycount("replay", tmp_path / "none.mp4", "-c", DEMO)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "No such file" in run.stderr


def test_a_video_cannot_be_drawn_into_a_missing_folder(short_clip, tmp_path):
    run = lobbycount("replay", short_clip, "-c", DEMO, "--annotate", tmp_path / "no" / "x.mp4")
    assert run.returncode == 2
    assert "cannot write a video there" in run.stderr


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "altered"])
def test_a_bad_model_is_one_sentence_and_exit_code_2(short_clip, tmp_path, damage):
    catalog = load_catalog()
    entry = catalog.entry()
    content = catalog.path(entry).read_bytes()
    (tmp_path / "models").mkdir()
    target = tmp_path / "models" / entry.file
    (tmp_path / "models" / "catalog.toml").write_bytes(
        (catalog.folder / "catalog.toml").read_bytes()
    )
    if damage != "missing":
        bad = {
            "empty": b"",
            "truncated": content[: len(content) // 2],
            "altered": content[:-1] + bytes([content[-1] ^ 1]),
        }
        target.write_bytes(bad[damage])
    path = config(tmp_path, short_clip, model=f"model: {{folder: {tmp_path}/models}}")
    run = lobbycount("run", "-c", path)
    assert (run.returncode, run.stderr.strip().count("\n")) == (2, 0), run.stderr
    assert entry.file in run.stderr


def test_a_missing_config_says_where_to_start(tmp_path):
    run = lobbycount("check", tmp_path / "none.yaml")
    assert run.returncode == 2
    assert "config/lobby.example.yaml" in run.stderr


def test_listen_without_a_broker_is_one_sentence():
    run = lobbycount("listen", "--broker", "mqtt://127.0.0.1:1")
    assert run.returncode == 1
    assert "127.0.0.1:1: connection refused" in run.stderr.replace("\n", " ")


def test_health_without_a_device_says_so(tmp_path):
    run = lobbycount("health", "-c", config(tmp_path, CLIP))
    assert run.returncode == 2
    assert "lobbycount run" in run.stderr


def test_a_device_without_broker_counts_and_a_later_run_delivers(
    short_clip, tmp_path, lab_broker, open_inbox
):
    dev = f"late-{lab_broker.kind}"
    first = lobbycount("run", "-c", config(tmp_path, short_clip, port=1, dev=dev))
    assert first.returncode == 0, first.stderr
    assert "connection refused" in first.stderr
    waiting = lobbycount("health", "-c", tmp_path / "lobby.yaml", "--json")
    state = json.loads(waiting.stdout)
    queued = state["queue"]
    assert queued >= 1  # two when a quarter of an hour ended meanwhile
    assert waiting.returncode == 1
    assert "nothing is being delivered" in state["problems"][0]

    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    path = config(tmp_path, short_clip, port=lab_broker.port, dev=dev)
    assert lobbycount("run", "-c", path).returncode == 0
    inbox.wait_on("status", b'"offline"')
    records = [r for m in inbox.on("counts") for r in parse_counts(m.payload)]
    assert [r.seq for r in records] == list(range(1, len(records) + 1))
    assert len(records) > queued
    assert all(r.entered is not None and r.cov == 1 for r in records)
    assert all(a.t1_ms <= b.t0_ms for a, b in pairwise(records))
    verify_chain(records)
    privacy = json.loads(inbox.on("privacy")[-1].payload)
    assert (privacy["transport"], privacy["insecure_lab"]) == ("plaintext", True)
    info = json.loads(inbox.on("info")[-1].payload)
    assert info["lines"] == [{"id": "door", "name": "大门"}]


def test_a_missing_camera_is_reported_and_never_counted_as_zero(tmp_path, lab_broker, open_inbox):
    dev = f"blind-{lab_broker.kind}"
    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    path = config(tmp_path, "/dev/video99", port=lab_broker.port, dev=dev)
    command = [sys.executable, "-m", "edge", "run", "-c", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as device:
        try:
            inbox.wait_on("health", b'"video":"no_camera"', 30)
        finally:
            device.send_signal(signal.SIGTERM)
        device.communicate(timeout=30)
    assert device.returncode == 0
    inbox.wait_on("status", b'"offline"')
    (record,) = [r for m in inbox.on("counts") for r in parse_counts(m.payload)]
    assert (record.entered, record.cov, record.cov_reason) == (None, 0, "no_camera")
    blind = lobbycount("health", "-c", path)
    assert blind.returncode == 1
    assert "no healthy picture: no_camera" in blind.stdout


@pytest.mark.skipif(
    SystemClock().quality() is TimeQuality.NTP, reason="this machine's clock is synchronised"
)
def test_what_is_counted_by_an_unset_clock_waits_and_is_dated_later(
    tmp_path, lab_broker, open_inbox
):
    dev = f"undated-{lab_broker.kind}"
    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    for clock in ("ntp", "rtc"):  # the second run knows the time, in the same boot
        path = config(tmp_path, "/dev/video99", port=lab_broker.port, dev=dev, clock=clock)
        command = [sys.executable, "-m", "edge", "run", "-c", str(path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as device:
            try:
                inbox.wait_on("health", b'"video":"no_camera"', 30)
            finally:
                device.send_signal(signal.SIGTERM)
            _, said = device.communicate(timeout=30)
            assert device.returncode == 0, said.decode()
        inbox.wait_on("status", b'"offline"')
        inbox.messages = [m for m in inbox.messages if m.topic.endswith("/counts")]
        if clock == "ntp":
            assert inbox.on("counts") == []
    redated, last = [r for m in inbox.on("counts") for r in parse_counts(m.payload)]
    assert (redated.tq, last.tq) == ("redated", "rtc")
    assert redated.t1_ms <= last.t0_ms
    assert abs(redated.t0_ms / 1000 - time.time()) < 120


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_pictures_flow_saves_and_sends_the_open_interval(
    tmp_path, lab_broker, open_inbox, number
):
    dev = f"stop-{lab_broker.kind}-{int(number)}"
    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    path = config(tmp_path, CLIP.absolute(), port=lab_broker.port, dev=dev)
    command = [sys.executable, "-m", "edge", "run", "-c", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as device:
        try:
            inbox.wait_on("health", b'"video":null', 30)
            second = lobbycount("run", "-c", path)
            device.send_signal(number)
            device.communicate(timeout=20)
        finally:
            device.kill()
    assert device.returncode == 0
    inbox.wait_on("status", b'"offline"')
    (record,) = [r for m in inbox.on("counts") for r in parse_counts(m.payload)]
    assert record.cov == 1
    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert "another lobbycount is running" in second.stderr


def test_a_full_log_stops_neither_counting_nor_delivery(
    short_clip, tmp_path, lab_broker, open_inbox
):
    dev = f"full-log-{lab_broker.kind}"
    inbox = open_inbox(lab_broker.port, f"pc/v1/t/{dev}/#")
    path = config(tmp_path, short_clip, port=lab_broker.port, dev=dev)
    command = [sys.executable, "-m", "edge", "run", "-c", str(path)]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(command, stderr=full, timeout=60, check=False)
    assert done.returncode == 0
    inbox.wait_on("counts", b'"seq":1')


def test_the_recording_itself_is_never_drawn_over(short_clip, tmp_path):
    copy = tmp_path / "in.mp4"
    copy.write_bytes(short_clip.read_bytes())
    run = lobbycount("replay", copy, "-c", DEMO, "--annotate", copy)
    assert run.returncode == 2
    assert copy.read_bytes() == short_clip.read_bytes()


def test_replay_publishes_what_listen_receives(short_clip, lab_broker):
    url = f"mqtt://{lab_broker.host}:{lab_broker.port}"
    command = [sys.executable, "-m", "edge", "listen", "--json", "--broker", url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listener:
        try:
            assert listener.stderr.readline().startswith("listening")
            run = lobbycount(
                "replay", short_clip, "-c", DEMO, "--publish", "--broker", url, "--json"
            )
            assert run.returncode == 0, run.stderr
            lines = json.loads(run.stdout)["lines"]
            received = [json.loads(listener.stdout.readline()) for _ in lines]
        finally:
            listener.terminate()
    assert {r["line"]: r["in"] for r in received} == {k: v["in"] for k, v in lines.items()}


def test_replay_that_cannot_publish_fails_and_says_why(short_clip):
    run = lobbycount(
        "replay", short_clip, "-c", DEMO, "--publish", "--broker", "mqtt://127.0.0.1:1"
    )
    assert run.returncode == 1
    assert "3 records could not be delivered" in run.stderr


def test_a_provider_that_is_not_there_is_told_by_check_and_stops_run(tmp_path, short_clip):
    wanted = next(p for p in Provider if missing_provider(p))
    path = config(tmp_path, short_clip.absolute(), model=f"model: {{provider: {wanted}}}")
    checked = lobbycount("check", path)
    assert checked.returncode == 0
    assert missing_provider(wanted) in checked.stdout
    started = lobbycount("run", "--config", path)
    assert started.returncode == 2
    assert missing_provider(wanted) in started.stderr
