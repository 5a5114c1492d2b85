"""The support bundle as an operator makes it: a real run, planted secrets, broken devices."""

import json
import os
import resource
import subprocess
import sys
import zipfile
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.clock import SystemClock
from edge.adapters.device_key import KEY_FILE, open_key
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

QUARTER_MS = 900_000
CONFIG = """\
# the camera before: rtsp://root:0ldCamera@10.9.8.7/live
device: {{tenant: t, id: lobby-a, name: 大厅, clock: rtc}}
camera: {{source: "rtsp://installer:Ca%24m/Pw77@192.168.1.64:554/ch/102?password=Query5ecret"}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: data}}
mqtt:
  host: broker.centre.example.cn
  tls: {{ca: {ca}/ca.pem, cert: {ca}/devices/lobby-a.pem, key: {ca}/devices/lobby-a.key}}
  username: mqttuser7
  password_file: mqtt.password
"""
KEPT = """\
camera: {source: "rtsp://installer:Last-week-5ecret@192.168.1.65:554/ch/101"}
mqtt: {username: mqttuser6}
"""
SECRETS = {
    "kept": ["Last-week", "192.168.1.65", "mqttuser6"],
    "camera": ["installer", "Ca%24m", "Ca$m/Pw77", "Query5ecret", "192.168.1.64", "10.9.8.7"],
    "comment": ["0ldCamera"],
    "broker": ["mqttuser7", "Mqtt-5ecret!", "centre.example"],
    "setup page": ["c2FsdHNhbHQ0Mg", "9b1c0ffee5ca1ab1e", "Zk3bQ8session", "482913"],
}
LOG = """\
2026-11-27T10:00:00+0800 lobbycount[77]: {"event": "started", "pid": 77}
2026-11-27T10:00:01+0800 lobbycount[77]: camera rtsp://installer:Ca%24m/Pw77@192.168.1.64:554/ch/102
2026-11-27T10:00:02+0800 lobbycount[77]: setup page on http://192.168.1.20:8090, PIN 482913
2026-11-27T10:00:03+0800 lobbycount[77]: refused by broker.centre.example.cn (mqttuser7)
2026-11-27T10:00:04+0800 lobbycount[77]: mqttuser6 is not Last-week-5ecret
"""


def bucket(t0_ms):
    counts = {Outcome.IN: 4711, Outcome.OUT: 1}
    by = Provenance("c", "m")
    return CountBucket(
        "door", t0_ms, t0_ms + QUARTER_MS, counts, 1.0, None, TimeQuality.NTP, by
    )  # fmt: skip


@pytest.fixture
def device(tmp_path, lab_ca):
    """A device's folder with three days of records and everything that must not leave it."""
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "lobby.yaml").write_text(CONFIG.format(ca=lab_ca), "utf-8")
    (tmp_path / "mqtt.password").write_text("Mqtt-5ecret!\n", "utf-8")
    open_key(data)
    now_ms = int(SystemClock().utc() * 1000) // QUARTER_MS * QUARTER_MS
    with closing(SqliteOutbox(data / "outbox.sqlite", "lobby-a")) as outbox:
        outbox.append([bucket(now_ms - age * QUARTER_MS) for age in range(4 * 72, 0, -1)])
        outbox.retire(outbox.stream, 100)
    cv2.imwrite(str(data / "still.jpg"), np.full((90, 120, 3), 99, np.uint8))
    pin = {"salt": "c2FsdHNhbHQ0Mg", "hash": "9b1c0ffee5ca1ab1e", "made_at": "2026-11-27T10:00:00Z"}
    (data / "setup-pin.json").write_text(json.dumps(pin), "utf-8")
    (data / "setup-sessions.json").write_text('[{"token": "Zk3bQ8session"}]', "utf-8")
    (data / "config.last-good.yaml").write_text(KEPT, "utf-8")
    (data / "setup-audit.jsonl").write_text('{"from": "192.168.1.33", "pin": "482913"}', "utf-8")
    return tmp_path


def bundle(folder, *options, journal=None, **popen):
    """Run the verb; return the process and the texts in its bundle, None where there is none."""
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    if journal is not None:  # stands in for systemd's, which test machines do not run
        tools = folder / "tools"
        tools.mkdir()
        (tools / "journalctl").write_text(f"#!/bin/sh\ncat <<'END'\n{journal}END\n", "utf-8")
        (tools / "journalctl").chmod(0o755)
        environment["PATH"] = f"{tools}:{environment['PATH']}"
    out = folder / "bundle.zip"
    command = [
        sys.executable,
        "-m",
        "edge",
        "support-bundle",
        "-c",
        "lobby.yaml",
        "--out",
        str(out),
    ]
    done = subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=120, check=False, **popen,
    )  # fmt: skip
    if not out.exists():
        return done, None
    with zipfile.ZipFile(out) as archive:
        return done, {name: archive.read(name).decode("utf-8") for name in archive.namelist()}


def leaked(texts, *, of=SECRETS):
    return [
        (name, value)
        for name, text in texts.items()
        for values in of.values()
        for value in values
        if value in text
    ]


def key_lines(*paths):
    return [line for path in paths for line in path.read_text().splitlines() if "-----" not in line]


def test_a_bundle_tells_how_the_device_is_and_holds_no_secret_picture_or_count(device, lab_ca):
    keys = key_lines(device / "data" / KEY_FILE, lab_ca / "devices" / "lobby-a.key")
    done, texts = bundle(device, journal=LOG + "\n".join(keys) + "\n")
    assert done.returncode == 0, done.stderr
    assert leaked(texts, of={**SECRETS, "keys": keys, "counts": ["4711"]}) == []
    assert list(texts)[:3] == ["MANIFEST.txt", "about.json", "check.txt"]
    assert "records.ndjson" not in texts

    assert "lobby.yaml: ok, 1 line(s)" in texts["check.txt"]
    assert json.loads(texts["about.json"])["lobbycount"]
    assert texts["config.yaml"].count("\n") == CONFIG.count("\n")  # the line numbers stay
    assert "<camera>:554/ch/102" in texts["config.yaml"]
    assert "<former-camera>:554/ch/101" in texts["config-last-good.yaml"]
    assert "refused by <broker> (***)" in texts["log.txt"]
    outbox = json.loads(texts["outbox.json"])
    assert outbox["quick_check"] == ["ok"]
    assert outbox["records"]["pending"]["rows"] == 4 * 72 - 100
    assert outbox["records"]["delivered"]["rows"] == 100
    assert outbox["head"]["seq"] == 4 * 72
    assert json.loads(texts["model.json"])["is_the_right_file"]
    certificates = json.loads(texts["certificates.json"])
    assert len(certificates["mqtt.tls.cert"]["certificates"][0]["sha256"]) == 64
    assert certificates["mqtt.tls.key"]["belongs_to_cert"] is True
    assert ": intact 完好" in texts["verify.txt"]
    assert "numpy==" in texts["packages.txt"]
    assert "still.jpg" in texts["data-folder.txt"]  # its name, so that somebody asks why
    told = texts["MANIFEST.txt"]
    assert "里面没有什么 · What is not in it" in told
    assert "health.json" in told
    assert "missing or not whole: FileNotFoundError" in told  # it never ran


def test_records_come_only_when_asked_for_and_only_of_two_days(device):
    done, texts = bundle(device, "--records", "--json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in texts["records.ndjson"].splitlines()]
    assert 4 * 48 - 1 <= len(records) <= 4 * 48 + 1
    assert records[-1]["seq"] == 4 * 72
    assert leaked(texts) == []
    named = [part["name"] for part in json.loads(done.stdout)["parts"]]
    assert named == list(texts)[1:]


def not_yaml(folder):
    path = folder / "lobby.yaml"
    path.write_text(path.read_text("utf-8") + "lines: [{{{\n\t%", "utf-8")


def one_setting_wrong(folder):
    path = folder / "lobby.yaml"
    path.write_text(path.read_text("utf-8").replace("in: right", "in: sideways"), "utf-8")


def no_config(folder):
    (folder / "lobby.yaml").unlink()


def no_data(folder):
    (folder / "data").rename(folder / "elsewhere")


def damaged_database(folder):
    path = folder / "data" / "outbox.sqlite"
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\x5a" * 3996
    path.write_bytes(content)


def not_a_database(folder):
    (folder / "data" / "outbox.sqlite").write_bytes(b"\xff\xd8\xff\xe0" * 999)
    (folder / "data" / "health.json").write_bytes(b"\xff\xd8\xff\xe0 half a rep")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ([not_yaml], {"check.txt": "not valid YAML"}),
        (
            [one_setting_wrong, damaged_database],
            {"check.txt": "lobby.yaml:4: lines[0].in: must be 'up'", "outbox.json": "malformed"},
        ),
        ([no_config], {"config.yaml": "cannot be read: No such file or directory"}),
        ([no_data], {"verify.txt": "there are no records", "data-folder.txt": "No such file"}),
        ([not_a_database], {"outbox.json": "file is not a database"}),
    ],
    ids=["not yaml", "setting and database", "no config", "no data", "no database"],
)
def test_what_is_broken_is_what_it_reports(device, broken, told):
    for break_it in broken:
        break_it(device)
    done, texts = bundle(device)
    assert done.returncode == 0, done.stderr
    assert {part: words in texts[part] for part, words in told.items()} == dict.fromkeys(told, True)
    assert leaked(texts) == []
    assert json.loads(texts["about.json"])["disks"]
    assert "Traceback" not in done.stderr
    if broken == [not_yaml]:
        assert json.loads(texts["outbox.json"])["quick_check"] == ["ok"]
        assert "support bundle: lobby-a, " in texts["MANIFEST.txt"]


def test_what_the_redaction_cannot_know_stops_it_and_names_the_part_not_the_secret(device):
    path = device / "lobby.yaml"
    encoded = b64encode(b"mqttuser7:Mqtt-5ecret!").decode()
    still = b64encode((device / "data" / "still.jpg").read_bytes()).decode()
    path.write_text(f"{path.read_text('utf-8')}# basic {encoded}\n# {still}\n", "utf-8")
    done, texts = bundle(device)
    assert done.returncode == 1
    assert texts is None
    assert "config.yaml: the secret of mqtt.password" in done.stderr
    assert "config.yaml: a picture in base64" in done.stderr
    assert leaked({"said": done.stdout + done.stderr}) == []
    assert "未生成诊断包" in done.stderr


def test_a_link_of_the_service_leads_nowhere(device):
    """It is made with sudo, and the service may write to its data folder."""
    other = device / "for-root-only"
    other.write_text("root:$6$another-secret\n", "utf-8")
    for name in ("health.json", "config.last-good.yaml"):
        path = device / "data" / name
        path.unlink(missing_ok=True)
        path.symlink_to(other)
    (device / "bundle.zip.part").symlink_to(other)
    done, texts = bundle(device)
    assert done.returncode == 0, done.stderr
    assert [name for name, text in texts.items() if "another-secret" in text] == []
    assert other.read_text("utf-8") == "root:$6$another-secret\n"


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def test_without_room_it_says_so_and_leaves_nothing_behind(device):
    done, texts = bundle(device, preexec_fn=limit_files)
    assert (done.returncode, texts) == (1, None)
    assert "bundle.zip: the bundle of" in done.stderr
    assert "cannot be written (File too large)" in done.stderr
    assert list(device.glob("bundle*")) == []


def test_a_full_disk_and_a_folder_that_is_not_there_are_named(device):
    full, _ = bundle(device, "--out", "/dev/full")
    assert full.returncode == 1
    assert "--out /dev/full: the bundle of" in full.stderr
    assert "(No space left on device); name a file where there is room" in full.stderr
    nowhere, _ = bundle(device, "--out", "not/there.zip")
    assert nowhere.returncode == 2
    assert "must be a file in a folder that is there" in nowhere.stderr
