"""`lobbycount audit` as an auditor runs it: real processes, a real terminal, real footage."""

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import pytest

from edge.adapters.model_catalog import load_catalog
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.adapters.record_reader import read_records
from edge.config import load
from edge.errors import BadInputError, OutboxError
from edge.sealing import iso_utc
from edge.tally import parse_tally
from edge.tally_times import utc_ms
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

CLIP = Path("tests/data/vtest.mp4")
TRUTH = Path("tests/data/vtest.demo-truth.json")
START = "2026-03-02T01:15:00"
T0 = utc_ms(START + "Z")
WAIT_S = 60.0

CONFIG = """
device: {{tenant: t, id: dev-1}}
camera: {{source: {source}, fps: 10}}
lines:
  - {{id: door, points: [[{x}, 0.32], [{x}, 0.70]], in: right}}
  - {{id: east, points: [[0.72, 0.27], [0.72, 0.78]], in: left}}
records: {{data_dir: data}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
"""


def lobbycount(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def config(folder, source, x=0.52):
    path = folder / "lobby.yaml"
    path.write_text(CONFIG.format(source=source, x=x), "utf-8")
    return path


def cut(path, pictures):
    capture = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (768, 576))
    for _ in range(pictures):
        writer.write(capture.read()[1])
    writer.release()
    capture.release()
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """The beginning of the bundled clip: three seconds, ten, and twenty."""
    folder = tmp_path_factory.mktemp("clips")
    return tuple(cut(folder / f"{seconds}s.mp4", 10 * seconds) for seconds in (3, 10, 20))


def write_tally(path, crossings):
    rows = [f"{iso_utc(T0 + round(1000 * at))},{line},{way}" for at, line, way in crossings]
    path.write_text("\n".join(["time,line,direction", *rows]) + "\n", "utf-8")
    return path


def records(folder):
    return read_records(folder / "data" / "outbox.sqlite", "t", "dev-1")


# --- a recording, event by event


def test_a_recording_is_compared_event_by_event(tmp_path, clips):
    demo = tmp_path / "demo.yaml"
    text = Path("config/demo.yaml").read_text("utf-8")
    demo.write_text(text.replace("../out/demo/data", str(tmp_path / "data")), "utf-8")
    (tmp_path / "data").mkdir()
    crossings = [
        (c["at_s"], c["line"], c["direction"])
        for c in json.loads(TRUTH.read_text("utf-8"))["crossings"]
        if c["at_s"] < 20
    ]
    truth = tmp_path / "truth.json"
    listed = [{"at_s": at, "line": line, "direction": way} for at, line, way in crossings]
    truth.write_text(json.dumps({"crossings": listed}), "utf-8")
    replayed = lobbycount("replay", clips[2], "-c", demo, "--truth", truth, "--json")
    scores = json.loads(replayed.stdout)["truth"]
    misses = sum(s["true_in"] + s["true_out"] - s["matched"] for s in scores)
    false = sum(s["counted_in"] + s["counted_out"] - s["matched"] for s in scores)

    # The auditor overlooks one (so its count looks false) and dreams of another one.
    lonely = next(
        c
        for c in crossings
        if [o for o in crossings if o[1] == c[1] and abs(o[0] - c[0]) < 3] == [c]
    )
    crossings.remove(lonely)
    way = {"in": "out", "out": "in"}[lonely[2]]
    tally = write_tally(tmp_path / "tally.csv", [*crossings, (lonely[0], lonely[1], way)])
    command = ("audit", tally, "-c", demo, "--clip", clips[2], "--start", START + "Z")
    run = lobbycount(*command, "--by", "王芳", "--json")
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert (found["mode"], found["at_least"]) == ("events", False)
    assert list(found["lines"]) == ["west", "middle", "east"]
    by_line = found["lines"].values()
    assert sum(line["n"] for line in by_line) == len(crossings) + 1
    assert sum(line["misses"] for line in by_line) == misses + 1
    assert sum(line["false"] for line in by_line) == false + 1
    # What was decided is written down, and nothing else.
    decided = {k: v for k, v in found["lines"].items() if v["verdict"] != "open"}
    kept = {p.name: json.loads(p.read_text("utf-8")) for p in (tmp_path / "data").iterdir()}
    assert kept == {f"calibration-{k}.json": v["calibration"] for k, v in decided.items()}
    for record in kept.values():
        assert (record["by"], set(record["evidence"])) == ("王芳", {"tallies", "clip"})


def test_a_person_reads_the_verdict_the_scope_and_the_disputed_events(tmp_path, clips):
    path = config(tmp_path, clips[0])
    tally = write_tally(tmp_path / "tally.csv", [(2.0, "door", "out"), (600.0, "door", "in")])
    run = lobbycount("audit", tally, "-c", path, "--clip", clips[0], "--start", START + "Z")
    assert run.returncode == 0, run.stderr
    assert "1 crossings, 1 missed" in run.stdout
    assert "2.0 s into the clip: door out missed" in run.stdout
    assert "Cannot show other hours" in run.stdout
    assert "note: 1 tallied crossings outside the recording are left out" in run.stdout
    assert "No calibration record was written" in run.stdout
    assert not (tmp_path / "data").exists()


def test_a_tally_of_another_day_says_when_the_recording_was(tmp_path, clips):
    tally = write_tally(tmp_path / "tally.csv", [(0.0, "door", "in")])
    run = lobbycount("audit", tally, "-c", config(tmp_path, clips[0]), "--clip", clips[0])
    assert run.returncode == 2
    assert "lies in the recording, 2026-01-01T00:00:00Z to 2026-01-01T00:00:0" in run.stderr
    assert f"e.g. --start {START}Z\n" in run.stderr


# --- the records of the device, interval by interval


def quarter(k, line, entered, left, *, uturn=0, provenance):
    counts = {Outcome.IN: entered, Outcome.OUT: left, Outcome.UTURN: uturn}
    t0 = T0 + k * 900_000
    quality = TimeQuality.NTP
    return CountBucket(line, t0, t0 + 900_000, counts, 1.0, None, quality, provenance)


def store(path, *, delivered=0):
    """An hour of a device: 12 + 12 crossings at the door in every quarter, 1 U-turn in one."""
    running = load(path)
    outbox = SqliteOutbox(path.parent / "data" / "outbox.sqlite", "dev-1")
    provenance = Provenance(running.hash(), load_catalog().entry().hash)
    for k in range(4):
        outbox.append(
            [
                quarter(k, "door", 12, 12, uturn=int(k == 1), provenance=provenance),
                quarter(k, "east", 5, 0, provenance=provenance),
            ]
        )
    outbox.retire(outbox.stream, delivered)
    return outbox


def hour_of_crossings(skip=()):
    """What somebody at the door saw: 12 each way per quarter, and a U-turn in the second."""
    seen = [
        (900 * k + 30 + 60 * n + (way == "out") * 20, "door", way)
        for k in range(4)
        for n in range(12)
        for way in ("in", "out")
    ]
    return [c for c in [*seen, (950.0, "door", "in"), (952.0, "door", "out")] if c not in skip]


def test_records_are_compared_by_whole_intervals(tmp_path):
    path = config(tmp_path, CLIP)
    store(path, delivered=5).close()
    tally = write_tally(tmp_path / "tally.csv", hour_of_crossings())
    hour = ("--from", START + "Z", "--to", "2026-03-02T10:15:00+08:00")
    run = lobbycount("audit", tally, "-c", path, *hour, "--by", "w", "--json")
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    door = found["lines"]["door"]
    assert (found["mode"], found["at_least"], list(found["lines"])) == ("intervals", True, ["door"])
    assert (door["intervals"], door["n"], door["verdict"]) == (4, 98, "under_limit")
    assert (door["misses"], door["false"]) == (0, 0)
    assert (door["from"], door["calibration"]["from"]) == ("2026-03-02T01:15:00Z",) * 2
    kept = json.loads((tmp_path / "data" / "calibration-door.json").read_text("utf-8"))
    assert kept == door["calibration"]
    assert (kept["by"], kept["n"], kept["line"]) == ("w", 98, "door")

    # Without saying so, only the time between the first and the last key was watched. That
    # decides nothing, so what was decided before stays.
    run = lobbycount("audit", tally, "-c", path, "--by", "w", "--json")
    found = json.loads(run.stdout)
    door = found["lines"]["door"]
    assert (door["intervals"], door["n"], door["verdict"]) == (2, 50, "open")
    assert "48 tallied crossings outside these intervals are left out" in found["notes"]
    assert (door["needed"], door["more_needed"], door["calibration"]) == (59, 9, None)
    assert json.loads((tmp_path / "data" / "calibration-door.json").read_text("utf-8")) == kept


def watched(path, k, crossings):
    """Write the part of a tally that somebody made who watched the k-th quarter only."""
    inside = [c for c in crossings if 900 * k <= c[0] < 900 * (k + 1)]
    edges = [(900.0 * k, "door", "begin")], [(900.0 * (k + 1), "door", "end")]
    return write_tally(path, [*edges[0], *sorted(inside), *edges[1]])


def test_tallies_that_decide_nothing_are_added_up(tmp_path):
    path = config(tmp_path, CLIP)
    store(path).close()
    tallies = [watched(tmp_path / f"{k}.csv", k, hour_of_crossings()) for k in (0, 1, 3)]
    run = lobbycount("audit", tallies[0], "-c", path, "--by", "w")
    assert run.returncode == 0, run.stderr
    assert (
        "door: nothing may be claimed yet (with 0 errors n ≥ 59 is needed, n is 24)" in run.stdout
    )
    assert "it takes 35 more crossings" in run.stdout
    assert "Nothing is decided, so no calibration record was written" in run.stdout
    assert not (tmp_path / "data" / "calibration-door.json").exists()

    run = lobbycount("audit", *tallies, "-c", path, "--by", "w", "--json")
    assert run.returncode == 0, run.stderr
    door = json.loads(run.stdout)["lines"]["door"]
    assert (door["intervals"], door["n"], door["verdict"]) == (3, 74, "under_limit")
    assert len(set(door["calibration"]["evidence"]["tallies"])) == 3


def test_an_audit_that_failed_is_kept_and_said(tmp_path):
    path = config(tmp_path, CLIP)
    store(path).close()
    tally = watched(tmp_path / "t.csv", 0, [(30.0, "door", "in"), (90.0, "door", "in")])
    run = lobbycount("audit", tally, "-c", path, "--by", "w")
    assert run.returncode == 0, run.stderr
    assert "door: the error is over 5 % with 95 % confidence" in run.stdout
    assert "the records of this line have no cal from the next interval on" in run.stdout
    kept = json.loads((tmp_path / "data" / "calibration-door.json").read_text("utf-8"))
    assert kept["verdict"] == "over_limit"


def test_a_watched_interval_without_a_record_is_named(tmp_path):
    path = config(tmp_path, CLIP)
    store(path).close()
    tally = write_tally(tmp_path / "t.csv", [(2700.0, "door", "begin"), (2730.0, "door", "in")])
    until = ("--from", START + "Z", "--to", "2026-03-02T10:45:00")
    run = lobbycount("audit", tally, "-c", path, *until)
    assert run.returncode == 0, run.stderr
    gap = "door 2026-03-02T02:15:00Z to 2026-03-02T02:45:00Z has no record; either the device was"
    assert f"note: left out: {gap} off, or it was not stored yet" in run.stdout

    # The same when it is all there is: q was pressed at once after the end of the interval.
    until = ("--from", "2026-03-02T10:14:00", "--to", "2026-03-02T10:30:02")
    run = lobbycount("audit", tally, "-c", path, *until)
    assert run.returncode == 2
    assert "door 2026-03-02T02:15:00Z to 2026-03-02T02:30:00Z has no record" in run.stderr
    assert "try again in 10 s" in run.stderr


def test_the_difference_of_sums_is_signed_and_its_meaning_is_told(tmp_path):
    path = config(tmp_path, CLIP)
    store(path).close()
    skipped = [c for c in hour_of_crossings() if c[0] < 200 and c[2] == "in"]
    extra = [(1000.0, "door", "in")]
    tally = write_tally(tmp_path / "tally.csv", hour_of_crossings(skip=skipped) + extra)
    hour = ("--from", START + "Z", "--to", "2026-03-02T02:15:00Z")
    run = lobbycount("audit", tally, "-c", path, *hour)
    assert run.returncode == 0, run.stderr
    cells = [line.split("│")[1:-1] for line in run.stdout.splitlines() if "door" in line]
    assert [cell.strip() for cell in cells[0]] == ["door", "in", "47", "49", "+2", "≥ 1", "≥ 3"]
    assert "cancel, so the errors given are the least possible" in run.stdout
    assert "door: 96 crossings, at least 1 missed and at least 3 false" in run.stdout


def test_reading_does_not_disturb_the_device(tmp_path):
    path = config(tmp_path, CLIP)
    outbox = store(path)
    tally = write_tally(tmp_path / "tally.csv", hour_of_crossings())
    assert lobbycount("audit", tally, "-c", path).returncode == 0
    assert outbox.depth() == 8
    outbox.append([quarter(4, "door", 1, 1, provenance=Provenance("c", "m"))])
    outbox.close()
    assert [r.seq for r in records(tmp_path)] == list(range(1, 10))


def test_a_changed_record_is_no_evidence(tmp_path):
    path = config(tmp_path, CLIP)
    outbox = store(path)
    outbox.close()
    with closing(sqlite3.connect(tmp_path / "data" / "outbox.sqlite")) as db, db:
        db.execute("UPDATE records SET body = replace(body, '\"in\":12', '\"in\":13')")
    with pytest.raises(OutboxError, match="cannot be used as evidence: record 1 of stream"):
        records(tmp_path)


def test_the_records_of_another_device_are_refused(tmp_path):
    path = config(tmp_path, CLIP)
    store(path).close()
    with pytest.raises(BadInputError, match="holds the records of device 'dev-1', not 'dev-2'"):
        read_records(tmp_path / "data" / "outbox.sqlite", "t", "dev-2")


def test_something_else_is_no_outbox(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "outbox.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(OutboxError, match="the records cannot be read"):
        records(tmp_path)


# --- cal in the records


def test_cal_appears_after_an_audit_and_disappears_after_a_change(tmp_path, clips):
    path = config(tmp_path, clips[0])
    store(path).close()
    tally = write_tally(tmp_path / "tally.csv", hour_of_crossings())
    hour = ("--from", START + "Z", "--to", "2026-03-02T02:15:00Z")
    audit = lobbycount("audit", tally, "-c", path, *hour, "--by", "王芳")
    assert audit.returncode == 0, audit.stderr
    kept = json.loads((tmp_path / "data" / "calibration-door.json").read_text("utf-8"))
    assert kept["hash"] in audit.stdout

    second = lobbycount("run", "-c", path)
    assert second.returncode == 0, second.stderr
    assert "calibration.valid" in second.stderr
    assert "this line was never audited" in second.stderr  # east

    third = lobbycount("run", "-c", config(tmp_path, clips[0], x=0.53))
    assert f"the config changed since the audit of {kept['when']}" in third.stderr

    cals = dict.fromkeys((r.line, r.cal) for r in records(tmp_path)[8:])  # a quarter may end here
    assert list(cals) == [("door", kept["hash"]), ("east", None), ("door", None)]


# --- counting by key press


class Terminal:
    """A terminal with `lobbycount audit --live` in it. Standard output is a file."""

    def __init__(self, arguments, stdout):
        self._master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.seen = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge", "audit", "--live", *map(str, arguments)],
            stdin=self.slave,
            stderr=self.slave,
            stdout=stdout,
            start_new_session=True,
            # Ctrl-C reaches only who has the terminal as its own.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )

    def pump(self, wait_s=0.1):
        if select.select([self._master], [], [], wait_s)[0]:
            self.seen += os.read(self._master, 4096).decode("utf-8", "replace")

    def until(self, condition, what):
        end = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < end, f"no {what} within {WAIT_S} s: {self.seen}"
            self.pump()

    def until_seen(self, text):
        """Wait for a text, and go on after it."""
        self.until(lambda: text in self.seen, repr(text))
        self.seen = self.seen.partition(text)[2]

    def press(self, keys, then):
        os.write(self._master, keys.encode())
        self.until_seen(then)

    def ended(self):
        self.until(lambda: self.process.poll() is not None, "end")
        for _ in range(3):
            self.pump()
        return self.process.returncode

    def settings(self):
        return termios.tcgetattr(self.slave)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self.slave)


@contextmanager
def live(*arguments, stdout=subprocess.DEVNULL):
    terminal = Terminal(arguments, stdout)
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture(scope="module")
def ran(tmp_path_factory, clips):
    """The data folder of a device that ran for three seconds."""
    folder = tmp_path_factory.mktemp("ran")
    assert lobbycount("run", "-c", config(folder, clips[0])).returncode == 0
    return folder / "data"


@pytest.fixture
def device(tmp_path, clips, ran):
    """A config whose device has just reported that it runs."""
    shutil.copytree(ran, tmp_path / "data")
    os.utime(tmp_path / "data" / "health.json")
    return config(tmp_path, clips[0])


def health(folder):
    return json.loads((folder / "data" / "health.json").read_text("utf-8"))


def tally_of(path):
    return [
        (m.line, str(m.direction)) for m in parse_tally(path, path.read_bytes(), ["door"]).marks
    ]


def test_keys_are_counted_beside_a_running_device_and_compared(tmp_path, clips, device):
    tally, printed = tmp_path / "tally.csv", tmp_path / "printed.json"
    command = (tally, "-c", device, "--line", "door", "--by", "王芳", "--json")
    with printed.open("wb") as stdout, live(*command, stdout=stdout) as terminal:
        terminal.until_seen("saved to")
        config(tmp_path, clips[1])
        run = [sys.executable, "-m", "edge", "run", "-c", str(device)]
        with subprocess.Popen(run, stderr=subprocess.DEVNULL) as running:
            terminal.until(lambda: health(tmp_path)["pid"] == running.pid, "report of the device")
            terminal.seen = ""
            for _ in range(3):  # seconds, so that the keys are not near the edge of the interval
                terminal.until_seen("完整时段")
            terminal.press("i", "进 in 1")
            terminal.press("o", "出 out 1")
            terminal.press("u", "已撤销 undone: 出 out")
            terminal.press("\x1bOA", "进 in 1  出 out 0")  # an arrow key contains an O
            terminal.press("x", "press i, o, u, q")
            terminal.press("I", "进 in 2")
            assert tally_of(tally) == [("door", "in")] * 2
        os.write(terminal._master, b"q")
        assert terminal.ended() == 0, terminal.seen
        assert f"lobbycount audit {tally} -c {device}" in terminal.seen
        assert terminal.settings() == terminal.before
    found = json.loads(printed.read_text("utf-8"))
    door = found["lines"]["door"]
    held = [
        record
        for record in records(tmp_path)[2:]
        if record.line == "door" and iso_utc(record.t0_ms) >= door["from"]
    ]  # one, or two when a quarter of an hour ended meanwhile
    assert (found["mode"], door["intervals"], door["n"]) == ("intervals", len(held), 2)
    assert door["from"] == iso_utc(held[0].t0_ms)
    by_way = {row["direction"]: row for row in found["rows"]}
    assert by_way["in"]["difference"] == sum(r.entered + r.uturn for r in held) - 2
    assert by_way["out"]["difference"] == sum(r.left + r.uturn for r in held)
    again = lobbycount("audit", tally, "-c", device, "--json")
    assert json.loads(again.stdout)["rows"] == found["rows"]


@pytest.mark.parametrize(
    "cut_off",
    [
        pytest.param(lambda terminal: os.write(terminal._master, b"\x03"), id="ctrl-c"),
        pytest.param(lambda terminal: terminal.process.send_signal(signal.SIGTERM), id="sigterm"),
        pytest.param(lambda terminal: terminal.process.send_signal(signal.SIGHUP), id="hang-up"),
    ],
)
def test_a_session_that_is_cut_off_keeps_its_tally_and_the_terminal(tmp_path, device, cut_off):
    tally = tmp_path / "tally.csv"
    with live(tally, "-c", device, "--line", "door") as terminal:
        terminal.until_seen("saved to")
        terminal.press("io", "出 out 1")
        assert terminal.settings() != terminal.before
        terminal.press("\x1a", "press i, o, u, q")  # Ctrl-Z would leave the terminal as it is
        cut_off(terminal)
        assert terminal.ended() == 1
        assert "2 crossings are kept there" in terminal.seen
        assert f"lobbycount audit {tally} -c {device}" in terminal.seen
        assert terminal.settings() == terminal.before
    assert tally_of(tally) == [("door", "in"), ("door", "out")]


def test_a_killed_session_has_every_key_on_the_disk(tmp_path, device):
    tally = tmp_path / "tally.csv"
    with live(tally, "-c", device, "--line", "door") as terminal:
        terminal.until_seen("saved to")
        terminal.press("ioi", "进 in 2")
        terminal.process.kill()
    assert tally_of(tally) == [("door", "in"), ("door", "out"), ("door", "in")]


def test_quitting_at_once_says_that_nothing_was_counted(tmp_path, device):
    with live(tmp_path / "tally.csv", "-c", device, "--line", "door") as terminal:
        terminal.until_seen("saved to")
        os.write(terminal._master, b"q")
        assert terminal.ended() == 2
        assert "the tally is empty" in terminal.seen


def test_without_a_terminal_there_are_no_keys(tmp_path, device):
    run = lobbycount("audit", "--live", tmp_path / "t.csv", "-c", device, "--line", "door")
    assert run.returncode == 2
    assert "ssh -t lobby-001 lobbycount audit --live" in run.stderr
    assert not (tmp_path / "t.csv").exists()


def test_beside_a_device_that_stopped_reporting_nobody_counts(tmp_path, device):
    report = tmp_path / "data" / "health.json"
    os.utime(report, (time.time() - 3600,) * 2)
    run = lobbycount("audit", "--live", "-c", device, "--line", "door")
    assert run.returncode == 2
    assert "the device last reported 36" in run.stderr
