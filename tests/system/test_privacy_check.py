"""`privacy-check` on a unit that really counts, and every promise broken on purpose.

Each break is done inside the running service or to what it has written, and only the promise
that it breaks may be called broken.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing

import cv2
import numpy as np
import pytest

from edge import privacy_check
from edge.adapters import proc
from edge.adapters.data_folder import OUTBOX_FILE
from edge.adapters.device_key import KEY_FILE
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.privacy_data import look_at_database, look_at_folder
from edge.privacy_promises import PROMISES
from edge.privacy_settings import look_at_software
from edge.privacy_verdicts import verdicts
from tests.system.privacy_unit import PASSWORD, Unit, broken

pytestmark = [
    pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the camera process"),
]

HAS_SWAP = bool(proc.disk_swap()) and proc.may_swap(os.getpid())


@pytest.fixture(scope="module")
def unit(tmp_path_factory, lab_ca):
    lines = [
        f"cafile {lab_ca}/ca.pem",
        f"certfile {lab_ca}/broker.pem",
        f"keyfile {lab_ca}/broker.key",
        "require_certificate true",
    ]
    with LabBroker("mosquitto", mosquitto_lines=lines) as broker:
        running = Unit(tmp_path_factory.mktemp("unit"), broker.port, lab_ca)
        try:
            yield running
        finally:
            running.stop()


@pytest.fixture(autouse=True)
def _no_swap(monkeypatch):
    """This machine may have swap; the service of these tests has no unit that forbids it."""
    monkeypatch.setattr(proc, "disk_swap", list)


def jpeg():
    rng = np.random.default_rng(1)
    return cv2.imencode(".jpg", rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))[1].tobytes()


def test_every_promise_is_kept_by_the_running_product(unit):
    command = [sys.executable, "-m", "edge", "privacy-check", "-c", str(unit.file), "--json"]
    done = subprocess.run(
        [*command, "--watch", "1"], capture_output=True, text=True, timeout=240, check=False
    )
    found = {verdict["promise"]: verdict for verdict in json.loads(done.stdout)}
    wanted = {each.id: "kept" for each in PROMISES}
    if HAS_SWAP:
        wanted["memory-not-written"] = "broken"
    assert {name: verdict["outcome"] for name, verdict in found.items()} == wanted, done.stdout
    assert done.returncode == int(HAS_SWAP), done.stderr
    assert all(look["at"]["zh"] for verdict in found.values() for look in verdict["looks"])


IN_MEMORY = {
    "pictures-not-stored": (
        # a name that means nothing: what is in it counts
        "import pathlib; pathlib.Path({data!r}, 'lock').write_bytes({jpeg!r})",
        "pathlib.Path({data!r}, 'lock').write_bytes(b'')",
        "lock is or holds a picture (JPEG)",
    ),
    "pictures-forgotten": (
        "import os; kept = os.memfd_create('frames')",
        "os.close(kept)",
        "shared memory that nobody knows: /memfd:frames",
    ),
    "memory-not-written": (
        "import pathlib; f = pathlib.Path('/proc/self/coredump_filter'); f.write_text('0x33')",
        "f.write_text('0')",
        "a dump would hold its memory",
    ),
    "nobody-recognised": (
        "import mmap, pathlib; p = pathlib.Path({folder!r}, 'libdlib.so');"
        " p.write_bytes(b'x' * 4096);"
        " m = mmap.mmap(os.open(p, os.O_RDONLY), 0, prot=mmap.PROT_READ)",
        "m.close(); [os.close(int(fd)) for fd in os.listdir('/proc/self/fd')"
        " if os.path.realpath('/proc/self/fd/' + fd) == str(p)]",
        "loaded: ",
    ),
    "tracks-stay": (
        "import sys, json; print(json.dumps({{'event': 'seen', 'track_id': 4711}}),"
        " file=sys.stderr, flush=True)",
        "os.truncate({log!r}, 0)",
        "track_id",
    ),
    "places-stay": (
        "import sys; print('somebody at position (0.31, 0.62)', file=sys.stderr, flush=True)",
        "os.truncate({log!r}, 0)",
        "position (0.31, 0.62)",
    ),
    "files-in-place": (
        "import pathlib; kept = pathlib.Path({folder!r}, 'notes').open('w')",
        "kept.close()",
        "open for writing: ",
    ),
    "connections-configured": (
        "import socket; kept = socket.create_connection(('127.0.0.1', {elsewhere}))",
        "kept.close()",
        "→ 127.0.0.1:{elsewhere}",
    ),
    "secrets-kept": (
        "import sys; print('password', {password!r}, file=sys.stderr, flush=True)",
        "os.truncate({log!r}, 0)",
        "a password is in the log",
    ),
    "setup-closed": (
        "import socket; kept = socket.create_server(('127.0.0.1', {setup}))",
        "kept.close()",
        "listens on tcp 127.0.0.1:{setup}",
    ),
}
"""What is run inside the service, what undoes it, and what the check has to say."""


@pytest.mark.parametrize("promise", IN_MEMORY)
def test_a_service_that_breaks_one_promise_is_found_out(unit, promise):
    setup = unit.config.setup_page.port
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        facts = {
            "data": str(unit.data), "folder": str(unit.folder), "log": str(unit.log),
            "jpeg": jpeg(), "password": PASSWORD, "setup": setup,
            "elsewhere": elsewhere.getsockname()[1],
        }  # fmt: skip
        act, repair, said = (text.format(**facts) for text in IN_MEMORY[promise])
        with unit.broken_by("import os; " + act, "import os; " + repair):
            guilty, text = unit.found()
    assert guilty == {promise}, text
    assert said in text


def test_memory_that_may_be_swapped_out_is_found_out(unit, monkeypatch):
    monkeypatch.setattr(proc, "disk_swap", lambda: ["/swapfile"])
    monkeypatch.setattr(proc, "may_swap", lambda _pid: True)
    guilty, text = unit.found()
    assert guilty == {"memory-not-written"}
    assert "may be swapped out to /swapfile" in text


def test_nothing_is_broken_once_it_is_undone(unit):
    assert unit.found() == (set(), "")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("kept = socket.create_server(('127.0.0.1', 0))", "listens on tcp 127.0.0.1:"),
        ("kept = socket.socket(type=socket.SOCK_DGRAM); kept.bind(('', 0))", "listens on udp"),
        ("kept = socket.socket(type=socket.SOCK_DGRAM); kept.connect(('127.0.0.1', 9))", "→"),
    ],
)
def test_any_other_socket_is_found_out(unit, code, said):
    with unit.broken_by("import socket; " + code, "kept.close()"):
        guilty, text = unit.found()
    assert guilty == {"connections-configured"}, text
    assert said in text


def test_a_key_that_others_may_read_is_found_out(unit):
    key = unit.data / KEY_FILE
    key.chmod(0o644)
    try:
        guilty, text = unit.found()
    finally:
        key.chmod(0o600)
    assert guilty == {"secrets-kept"}
    assert "device.key: others may use it, its mode is 644" in text


def test_a_file_that_nobody_knows_is_found_out(unit):
    stray = unit.data / "notes.db"
    stray.write_text("harmless", "utf-8")
    try:
        guilty, text = unit.found()
    finally:
        stray.unlink()
    assert (guilty, text) == ({"files-in-place"}, "unknown file notes.db")


@pytest.mark.parametrize(
    ("section", "change", "promise"),
    [
        ("privacy", {"contact": "021-0"}, "answered-for"),
        ("mqtt", {"tls": None}, "transport-safe"),
        ("mqtt", {"port": 9}, "connections-configured"),
    ],
)
def test_a_config_that_says_something_else_is_found_out(unit, section, change, promise):
    changed = getattr(unit.config, section).model_copy(update=change)
    config = unit.config.model_copy(update={section: changed})
    guilty, text = unit.found(config)
    assert guilty == {promise}, text


def test_a_unit_that_does_not_run_is_never_passed(unit, tmp_path):
    records = unit.config.records.model_copy(update={"data_dir": tmp_path})
    shutil.copytree(unit.data, tmp_path, dirs_exist_ok=True)
    report = json.loads((tmp_path / "health.json").read_text("utf-8")) | {"pid": 1}
    (tmp_path / "health.json").write_text(json.dumps(report), "utf-8")
    config = unit.config.model_copy(update={"records": records})
    looks = privacy_check.look_at_unit(config, watch_s=0)
    not_run = {look.promise for look in looks if look.not_run}
    assert {"pictures-forgotten", "memory-not-written", "connections-configured"} <= not_run
    assert {"tracks-stay", "secrets-kept"} <= not_run


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_who_may_not_look_into_it_is_told_so_and_passes_nothing(unit):
    """Root without the right to look into other processes is an ordinary user here."""
    rights = "-sys_ptrace,-sys_admin,-dac_override,-dac_read_search"
    command = ["setpriv", "--bounding-set", rights, "--inh-caps", rights, sys.executable, "-m"]
    command += ["edge", "privacy-check", "-c", str(unit.file), "--json", "--no-probe"]
    done = subprocess.run(
        [*command, "--watch", "0"], capture_output=True, text=True, timeout=120, check=False
    )
    outcomes = {v["promise"]: v["outcome"] for v in json.loads(done.stdout)}
    assert done.returncode in {2, 1 if HAS_SWAP else 2}, done.stderr
    assert {name for name, outcome in outcomes.items() if outcome == "kept"} == {"answered-for"}


def test_an_edit_that_nobody_confirmed_is_refused_while_counting_goes_on(unit):
    good = unit.file.read_text("utf-8")
    line = 1 + good[: good.index("privacy:")].count("\n")
    unit.file.write_text(good.replace("021-12345678", "021-87654321"), "utf-8")
    try:
        unit.process.send_signal(signal.SIGHUP)
        said = unit.wait_for_log("config.rejected")
        frames = unit.frames()
        unit.wait_for(lambda _: unit.frames() > frames)
    finally:
        unit.file.write_text(good, "utf-8")
        unit.process.send_signal(signal.SIGHUP)
    assert f"lobby.yaml:{line}: privacy.mode: production: changed since it was confirmed" in said
    assert "正式模式须先确认：确认之后已改动：联系方式" in said
    unit.wait_for_log("config.changed")


# --- What it has stored -----------------------------------------------------------------------


@pytest.fixture
def stored(unit, tmp_path):
    """A copy of the unit's data folder with a database that may be spoilt."""
    shutil.copytree(unit.data, tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / OUTBOX_FILE)) as database:
        yield database


def found_in(database):
    file = next(row[2] for row in database.execute("PRAGMA database_list"))
    return broken(verdicts(look_at_database(file, [PASSWORD])))


def insert(database, seq, **fields):
    body = json.dumps({"line": "door", "t0": "2026-01-01T00:00:00Z", **fields})
    with database:
        database.execute("INSERT INTO records VALUES (?, ?, 0, NULL)", (seq, body))


def test_a_picture_in_the_database_is_found_out(stored):
    with stored:
        stored.execute("CREATE TABLE thumbs (picture BLOB)")
        stored.execute("INSERT INTO thumbs VALUES (?)", (jpeg(),))
    guilty, text = found_in(stored)
    assert guilty == {"pictures-not-stored"}
    assert "thumbs.picture: JPEG" in text


@pytest.mark.parametrize(
    ("fields", "promise"),
    [
        ({"t1": "2026-01-01T00:15:00Z", "track": 5}, "tracks-stay"),
        ({"t1": "2026-01-01T00:15:00Z", "in": [0.1, 0.2]}, "places-stay"),
        ({"t1": "2026-01-01T00:15:00Z", "bbox": 1}, "places-stay"),
        ({"t1": "2026-01-01T00:15:00Z", "gender": "f"}, "nobody-recognised"),
        ({"t1": "2026-01-01T00:15:00Z", "cal": PASSWORD}, "secrets-kept"),
        ({"t1": "2026-01-01T00:15:00Z", "dwell_s": 9.0, "arrivals": 4, "departures": 9},
         "intervals-coarse"),
    ],
)  # fmt: skip
def test_a_record_that_says_too_much_is_found_out(stored, fields, promise):
    insert(stored, 10_000, **fields)
    guilty, text = found_in(stored)
    assert guilty == {promise}, text


def test_records_of_a_minute_are_found_out_and_a_split_interval_is_not(stored):
    for minute in range(6):
        insert(stored, 10_000 + minute, t1="2026-01-01T00:01:00Z")
    assert found_in(stored) == (set(), "")
    insert(stored, 10_100, t1="2026-01-01T00:01:00Z")
    guilty, text = found_in(stored)
    assert guilty == {"intervals-coarse"}
    assert "door: 7 records in 15 minutes" in text


def test_a_picture_that_was_deleted_from_the_database_is_found_in_its_file(stored, tmp_path):
    with stored:
        stored.execute("CREATE TABLE thumbs (picture BLOB)")
        stored.execute("INSERT INTO thumbs VALUES (?)", (jpeg(),))
    with stored:
        stored.execute("DROP TABLE thumbs")
    folder = tmp_path / "data"
    guilty, text = broken(verdicts(look_at_folder(folder, folder / OUTBOX_FILE, [])))
    assert guilty == {"pictures-not-stored"}, text


def test_a_new_version_on_its_way_is_known_and_a_picture_under_its_name_is_found(stored, tmp_path):
    folder = tmp_path / "data"
    (folder / "update").mkdir()
    for name in ("incoming.json", "report.json", "confirm.json", "confirm-front.json"):
        (folder / "update" / name).write_text("{}", "utf-8")
    (folder / "update" / "incoming.part").write_bytes(b"manifest.json".ljust(512, b"\0") + jpeg())
    looks = verdicts(look_at_folder(folder, folder / OUTBOX_FILE, []))
    assert broken(looks) == (set(), "")
    (folder / "update" / "incoming.lcu").write_bytes(jpeg())
    (folder / "update" / "other.bin").write_bytes(b"")
    guilty, text = broken(verdicts(look_at_folder(folder, folder / OUTBOX_FILE, [])))
    assert guilty == {"pictures-not-stored", "files-in-place"}, text


# --- What is installed ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def config(unit):
    return unit.config


def test_nothing_that_recognises_anybody_is_installed(config):
    assert broken(verdicts(look_at_software(config))) == (set(), "")


def test_a_denied_package_is_found_out(config, tmp_path, monkeypatch):
    (tmp_path / "Face_Recognition-1.3.0.dist-info").mkdir()
    (tmp_path / "Face_Recognition-1.3.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: Face_Recognition\nVersion: 1.3.0\n", "utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    guilty, text = broken(verdicts(look_at_software(config)))
    assert (guilty, text) == ({"nobody-recognised"}, "denied: face-recognition")


def test_a_model_for_faces_is_found_out(config, tmp_path):
    (tmp_path / "arcface_r50.onnx").write_bytes(b"x")
    model = config.model.model_copy(update={"folder": tmp_path})
    looks = look_at_software(config.model_copy(update={"model": model}))
    guilty, text = broken(verdicts(looks))
    assert (guilty, text) == ({"nobody-recognised"}, "denied: arcface_r50.onnx")
