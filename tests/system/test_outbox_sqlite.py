"""The outbox on disk: restarts, kills, damage, and files that are something else."""

import collections
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.outbox_confirmed import note_of, read_note
from edge.adapters.outbox_file import connect
from edge.adapters.outbox_salvage import salvage
from edge.adapters.outbox_schema import SCHEMA_VERSION, crc_of
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.bookkeeping import Bookkeeper
from edge.errors import OutboxError
from edge.intervals import moved
from edge.messages import counts_message
from edge.records import CountRecord, ZoneRecord, parse_counts, verify_chain
from edge.testing import ManualClock
from edge.timeline import Timeline
from edge.vocabulary import (
    CountBucket,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

DEV = "lobby-1"
NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
DAY_S = 86_400.0
KILLS = 4

# Appends for ever; says after each append how far it is known to be stored.
WRITER = """
import sys
from pathlib import Path
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

outbox = SqliteOutbox(Path(sys.argv[1]), "lobby-1")
count = int(sys.argv[2])
while True:
    bucket = CountBucket("door", count * 1000, (count + 1) * 1000, {Outcome.IN: 1, Outcome.OUT: 2},
                         1.0, None, TimeQuality.NTP, Provenance("c", "m"))
    outbox.append([bucket])
    count += 1
    print(count, flush=True)
"""


def bucket(index: int) -> CountBucket:
    return CountBucket(
        "door",
        index * 1000,
        (index + 1) * 1000,
        {Outcome.IN: 1, Outcome.OUT: 2},
        1.0,
        None,
        TimeQuality.NTP,
        Provenance("c", "m"),
    )


def test_everything_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    acknowledged = 0
    for kill in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(acknowledged)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            for _ in range(20 + 7 * kill):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            # What it still said before it died counts as acknowledged too.
            for line in writer.stdout.read().splitlines():
                acknowledged = int(line)
        outbox = SqliteOutbox(path, DEV)
        pending = outbox.pending(100_000)
        records = parse_counts(counts_message("t", DEV, outbox.stream, pending).payload)
        outbox.close()
        assert len(records) in {acknowledged, acknowledged + 1}
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert (records[-1].tot_in, records[-1].tot_out) == (len(records), 2 * len(records))
        verify_chain(records)
        acknowledged = len(records)


def test_file_keeps_stream_numbers_totals_and_chain_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "outbox.db"
    first = SqliteOutbox(path, DEV)
    first.append([bucket(0), bucket(1)])
    first.retire(first.stream, 1)
    first.close()
    second = SqliteOutbox(path, DEV)
    assert second.stream == first.stream
    second.append([bucket(2)])
    pending = second.pending(10)
    second.close()
    records = parse_counts(counts_message("t", DEV, first.stream, pending).payload)
    assert [(record.seq, record.tot_out) for record in records] == [(2, 4), (3, 6)]
    verify_chain(records)


FIRST_VERSION = Path(__file__).parents[1] / "data" / "outbox-schema-1.sql"


def first_version(path: Path) -> None:
    """Make the file that the program left behind which knew no zones."""
    with sqlite3.connect(path) as db:
        db.executescript(FIRST_VERSION.read_text("utf-8"))
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def test_file_of_the_first_version_goes_on_with_its_numbers_totals_and_chain(
    tmp_path: Path,
) -> None:
    """Two lines; five of eight records were delivered, and are gone."""
    path = tmp_path / "outbox.db"
    first_version(path)
    zone = ZoneBucket(
        "door-zone", ZoneKind.PLAIN, 0, 1000, ZoneSums(presence_ms=700, arrivals=2),
        1.0, None, TimeQuality.NTP, Provenance("c", "m"),
    )  # fmt: skip
    outbox = SqliteOutbox(path, DEV)
    assert outbox.stream == "0123456789abcdef"
    assert [record.seq for record in outbox.pending(10)] == [6, 7, 8]
    outbox.append([bucket(0), zone])
    outbox.close()
    outbox = SqliteOutbox(path, DEV)  # now of the present version
    outbox.append([bucket(1), replace(zone, t0_ms=1000, t1_ms=2000)])
    pending = outbox.pending(10)
    outbox.close()
    records = parse_counts(counts_message("t", DEV, outbox.stream, pending).payload)
    assert [record.seq for record in records] == [6, 7, 8, 9, 10, 11, 12]
    lines = [r for r in records if isinstance(r, CountRecord)]
    assert [(r.line, r.tot_in, r.tot_out) for r in lines] == [
        ("side-door", 3, 3),
        ("door", 25, 8),
        ("side-door", 6, 4),
        ("door", 26, 10),
        ("door", 27, 12),
    ]
    zones = [r for r in records if isinstance(r, ZoneRecord)]
    assert [(r.tot_presence_s, r.tot_arrivals) for r in zones] == [(0.7, 2), (1.4, 4)]
    verify_chain(records)


def aside(path: Path) -> Path:
    """Return the one file that was put aside."""
    (found,) = [each for each in path.parent.glob("*.damaged-*") if each.suffix != ".db-wal"]
    return found


def bodies(outbox: SqliteOutbox) -> dict[tuple[str, int], str]:
    return {
        (stream, record.seq): record.body
        for stream in outbox.streams()
        for record in outbox.pending(10_000, stream=stream)
    }


def test_a_migration_that_cannot_be_finished_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    first_version(path)
    with sqlite3.connect(path) as db:  # a row that cannot be taken over, after the new table
        db.execute("DROP TABLE totals")
        db.execute("CREATE TABLE totals (line TEXT, entered INTEGER, departed INTEGER)")
        db.execute("INSERT INTO totals VALUES ('door', 25, 8), ('side-door', NULL, 4)")
    db.close()
    outbox = SqliteOutbox(path, DEV)
    assert set(bodies(outbox)) == {("0123456789abcdef", seq) for seq in (6, 7, 8)}
    assert outbox.trouble is not None
    assert "NOT NULL" in outbox.trouble
    outbox.close()
    with sqlite3.connect(aside(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT line, entered, departed FROM totals").fetchall() == [
            ("door", 25, 8), ("side-door", None, 4),
        ]  # fmt: skip
    db.close()


def test_two_files_are_two_streams(tmp_path: Path) -> None:
    boxes = [SqliteOutbox(tmp_path / name, DEV) for name in ("a", "b")]
    assert boxes[0].stream != boxes[1].stream
    for box in boxes:
        box.close()


def test_retired_rows_stay_35_days_and_then_go(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV, utc=lambda: now)
    outbox.append([bucket(0), bucket(1), bucket(2)])
    outbox.retire(outbox.stream, 1)

    def kept() -> list[int]:
        with sqlite3.connect(path) as db:
            rows = [row[0] for row in db.execute("SELECT seq FROM records ORDER BY seq")]
        db.close()
        return rows

    now += 35 * DAY_S
    outbox.retire(outbox.stream, 2)
    assert kept() == [1, 2, 3]
    now += 1
    outbox.retire(outbox.stream, 2)
    assert kept() == [2, 3]
    now += 100 * DAY_S
    outbox.retire(outbox.stream, 2)
    assert kept() == [3]
    outbox.append([bucket(3)])
    assert [record.seq for record in outbox.pending(9)] == [3, 4]
    outbox.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_every_append_reaches_the_disk_before_it_returns(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with subprocess.Popen(
        [
            *("strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace)),
            *(sys.executable, "-c", WRITER, str(tmp_path / "outbox.db"), "0"),
        ],
        stdout=subprocess.PIPE,
    ) as traced:
        assert traced.stdout is not None
        appends = [traced.stdout.readline() for _ in range(20)]
        os.kill(int(re.match(r"\d+", trace.read_text())[0]), signal.SIGKILL)
    assert int(appends[-1]) == 20
    assert len(re.findall(r"sync\(\d+\) += 0", trace.read_text())) >= 20


def test_a_damaged_row_is_noticed_and_the_others_are_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0), bucket(1), bucket(2)])
    before, old = bodies(outbox), outbox.stream
    with sqlite3.connect(path) as db:
        db.execute("UPDATE records SET body = replace(body, '\"in\":1', '\"in\":9') WHERE seq = 2")
    db.close()
    assert len(outbox.pending(1)) == 1
    assert outbox.pending(2) == []  # found, and replaced by a new stream
    assert outbox.stream != old
    assert outbox.streams() == [old]
    # The log still has the row as it was written.
    assert bodies(outbox) == before
    assert outbox.trouble is not None
    assert "record 2" in outbox.trouble
    assert "3 records salvaged" in outbox.trouble
    outbox.append([bucket(3)])
    (new,) = outbox.pending(9)
    assert (new.stream, new.seq) == (outbox.stream, 1)
    outbox.retire(old, 3)
    assert outbox.streams() == [outbox.stream]
    outbox.close()
    outbox = SqliteOutbox(path, DEV)
    assert outbox.trouble is None
    assert [r.body for r in outbox.pending(9)] == [new.body]
    outbox.close()


def test_a_file_that_was_whole_is_salvaged_whole_with_what_was_delivered(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    for first in range(0, 90, 9):
        outbox.append([bucket(first + k) for k in range(9)])
        outbox.retire(outbox.stream, first)
    outbox.close()
    found = salvage(path, DEV)
    assert {seq for _, seq in found.bodies} == set(range(1, 91))
    assert {seq for _, seq in found.retired_ms} == set(range(1, 82))
    assert found.missing() == {outbox.stream: []}


# Opens a damaged outbox, and kills itself at the given step of what it does to files.
KILLED = """
import os, signal, sys
from pathlib import Path
from edge.adapters.outbox_sqlite import SqliteOutbox

left = int(sys.argv[2])

def counted(call):
    def step(*args, **named):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **named)
    return step

Path.replace, Path.unlink, os.fsync = map(counted, (Path.replace, Path.unlink, os.fsync))
os.pwrite = counted(os.pwrite)
SqliteOutbox(Path(sys.argv[1]), "lobby-1").close()
print("done")
"""


def test_a_kill_at_any_step_of_the_replacing_loses_nothing(tmp_path: Path) -> None:
    original = tmp_path / "original"
    outbox = SqliteOutbox(original / "outbox.db", DEV)
    outbox.append([bucket(n) for n in range(20)])
    outbox.retire(outbox.stream, 3)
    outbox.wait([bucket(20)], boot="this", guess_ms=5)
    before = bodies(outbox)
    with sqlite3.connect(original / "outbox.db") as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    shutil.copytree(original, tmp_path / "damaged")
    outbox.close()
    steps = 0
    for step in range(99):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "damaged", folder)
        command = [sys.executable, "-c", KILLED, str(folder / "outbox.db"), str(step)]
        done = subprocess.run(command, capture_output=True, check=False)
        outbox = SqliteOutbox(folder / "outbox.db", DEV)
        assert bodies(outbox) == before
        assert [w.bucket for w in outbox.waiting()] == [bucket(20)]
        outbox.append([bucket(21)])
        assert outbox.tip().seq == 1
        assert outbox.stream not in {stream for stream, _ in before}
        outbox.close()
        assert list(folder.glob("*.damaged-*"))
        if b"done" in done.stdout:
            break
        assert done.returncode == -signal.SIGKILL
        steps += 1
    assert steps >= 8


class Faulty:
    """A connection that raises where it is told to."""

    def __init__(self, path: Path, fails: Callable[[str], int | None], after: bool = False) -> None:
        self._db = connect(path)
        self._fails, self._after = fails, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        code = self._fails(sql)
        if code is not None and self._after:
            self._db.execute(sql, parameters)
        if code is not None:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = code
            raise error
        return self._db.execute(sql, parameters)


def test_a_commit_that_fails_and_is_there_all_the_same_is_not_counted_twice(
    tmp_path: Path,
) -> None:
    """As when the disk answers too late: the frames were written, and the sync failed."""
    failing = False

    def fails(sql: str) -> int | None:
        return sqlite3.SQLITE_IOERR_FSYNC if failing and sql == "COMMIT" else None

    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV, connect=lambda p: Faulty(p, fails, after=True))
    outbox.append([bucket(0), bucket(1)])
    before, old = bodies(outbox), outbox.stream
    failing = True
    with pytest.raises(OutboxError, match="I/O error"):
        outbox.append([bucket(2)])
    failing = False
    outbox.append([bucket(2), bucket(3)])
    assert outbox.trouble is not None
    assert before.items() < bodies(outbox).items()
    assert [(r.stream == old, r.seq) for r in outbox.pending(9)] == [(False, 1), (False, 2)]
    assert outbox.depth() == 4
    outbox.close()


def test_a_sector_that_cannot_be_read_is_damage_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    before = bodies(outbox)
    outbox.close()
    unreadable = [sqlite3.SQLITE_IOERR_READ]

    def fails(sql: str) -> int | None:
        return unreadable.pop() if unreadable and "integrity_check" in sql else None

    outbox = SqliteOutbox(path, DEV, connect=lambda p: Faulty(p, fails))
    assert bodies(outbox) == before
    assert aside(path).exists()
    outbox.close()


def test_a_disk_that_fails_while_writing_is_no_damage(tmp_path: Path) -> None:
    failing = False

    def fails(sql: str) -> int | None:
        return sqlite3.SQLITE_IOERR_WRITE if failing and sql.startswith("INSERT") else None

    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV, connect=lambda p: Faulty(p, fails))
    stream, failing = outbox.stream, True
    with pytest.raises(OutboxError):
        outbox.append([bucket(0)])
    failing = False
    outbox.append([bucket(0)])
    assert (outbox.stream, outbox.depth(), outbox.trouble) == (stream, 1, None)
    outbox.close()


def test_an_older_copy_that_was_put_back_does_not_number_anything_twice(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0), bucket(1)])
    outbox.close()
    copy = path.read_bytes()
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(2)])
    old = outbox.stream
    outbox.close()
    path.write_bytes(copy)
    outbox = SqliteOutbox(path, DEV)
    assert outbox.trouble is not None
    assert f"of stream {old} 1–2, missing: 3" in outbox.trouble
    outbox.append([bucket(3)])
    assert set(bodies(outbox)) == {(old, 1), (old, 2), (outbox.stream, 1)}
    assert outbox.stream != old
    outbox.close()


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0), bucket(1)])
    old = outbox.stream
    outbox.close()
    path.unlink()
    outbox = SqliteOutbox(path, DEV)
    assert f"of stream {old} none, missing: 1–2" in str(outbox.trouble)
    outbox.append([bucket(2)])
    outbox.close()


def test_the_file_of_another_device_that_was_moved_away_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, "lobby-2")
    outbox.append([bucket(0)])
    outbox.close()
    path.rename(tmp_path / "of lobby-2")
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    assert (outbox.trouble, outbox.depth()) == (None, 1)
    outbox.close()


def test_the_records_of_another_device_are_not_salvaged(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, "lobby-2")
    outbox.append([bucket(0)])
    outbox.close()
    with path.open("r+b") as file:
        file.write(b"no database")
    outbox = SqliteOutbox(path, DEV)
    assert outbox.depth() == 0
    assert "0 records salvaged" in str(outbox.trouble)
    outbox.close()


@pytest.mark.parametrize("note", [b"", b"\0" * 300, b"00000000 {}\n", b"\xff\xfe"])
def test_a_note_that_is_torn_is_none(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    stream = outbox.stream
    outbox.close()
    (tmp_path / "outbox.db.confirmed").write_bytes(note)
    outbox = SqliteOutbox(path, DEV)
    assert (outbox.stream, outbox.trouble, outbox.depth()) == (stream, None, 1)
    outbox.close()


def test_where_no_note_can_be_written_records_are(tmp_path: Path) -> None:
    (tmp_path / "outbox.db.confirmed").mkdir()
    outbox = SqliteOutbox(tmp_path / "outbox.db", DEV)
    outbox.append([bucket(0)])
    assert outbox.depth() == 1
    outbox.close()


def test_the_last_draft_survives_damage_found_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    outbox.wait([bucket(1)], draft=True)
    outbox.wait([bucket(2)], draft=True)
    outbox.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE head SET seq = 77")
    db.close()
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(3)])
    assert [w.bucket for w in outbox.waiting()] == [bucket(2)]
    outbox.close()


def test_intervals_that_were_settled_do_not_come_back_with_the_damage(tmp_path: Path) -> None:
    """The log still has them as they waited."""
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.wait([bucket(0), bucket(1)], boot="this", guess_ms=5)
    first, second = outbox.waiting()
    outbox.append([bucket(0)], settled=[first.id])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE records SET crc = 1")
    db.close()
    assert outbox.pending(9) == []
    assert outbox.trouble is not None
    assert outbox.waiting() == [second]
    outbox.close()


@pytest.mark.parametrize("note", ["missing", "one commit behind"])
@pytest.mark.parametrize("boot", [None, "this"])
def test_what_waited_does_not_come_back_beside_its_record(
    tmp_path: Path, note: str, boot: str | None
) -> None:
    """The power went between the commit and its note, and the file is damaged too."""
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    shift_ms = 0 if boot is None else 5_000_000
    open_ = [replace(bucket(n), t1_ms=bucket(n).t0_ms + 700) for n in (0, 1)]
    outbox.wait(open_, boot=boot, guess_ms=shift_ms, draft=boot is None)
    before = note_of(path).read_bytes()
    settled = [] if boot is None else [outbox.waiting()[0].id]
    mark = TimeQuality.NTP if boot is None else TimeQuality.REDATED
    whole = bucket(0) if boot is None else moved(open_[0], shift_ms)
    outbox.append([replace(whole, time_quality=mark)], settled=settled)
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / path.name
    for part in tmp_path.glob("outbox.db*"):
        shutil.copy(part, tmp_path / "copy" / part.name)  # as the power left it
    outbox.close()
    if note == "missing":
        note_of(copy).unlink()
    else:
        note_of(copy).write_bytes(before)
    data = bytearray(copy.read_bytes())
    data[:100] = bytes(100)
    copy.write_bytes(data)
    found = SqliteOutbox(copy, DEV)
    assert len(bodies(found)) == 1
    assert [w.bucket for w in found.waiting()] == [open_[1]]
    found.close()


def test_an_interval_that_cannot_be_read_is_left_behind_once(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.wait([bucket(0), bucket(1)])
    outbox.close()
    text = '{"boot":null,"bucket":{"counts":{}},"guess_ms":0,"id":1,"mark":2}'
    with sqlite3.connect(path) as db:
        db.execute("UPDATE waiting SET body = ?, crc = ? WHERE id = 1", (text, crc_of(text)))
    db.close()
    outbox = SqliteOutbox(path, DEV)
    assert [w.bucket for w in outbox.waiting()] == [bucket(1)]
    assert "1 of 2 waiting intervals" in str(outbox.trouble)
    outbox.close()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_a_new_stream_needs_no_room_for_a_second_copy(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db", DEV, quota_mb=0.3)
    outbox.append([bucket(n) for n in range(400)])  # more than half of it
    before = bodies(outbox)
    outbox.begin_stream()
    assert bodies(outbox) == before
    outbox.append([bucket(400)])
    assert outbox.tip().seq == 1
    outbox.close()


def test_only_the_last_damaged_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    for _ in range(4):
        path.write_bytes(b"no database " * 1000)
        SqliteOutbox(path, DEV).close()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 2


def test_intervals_that_wait_survive_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    outbox.wait([bucket(1)], boot="this", guess_ms=5)
    outbox.wait([bucket(2)], boot="this", guess_ms=5, draft=True)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE head SET seq = 77")
    db.close()
    outbox.append([])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE records SET crc = 1")
    db.close()
    assert outbox.pending(5) == []
    waiting = outbox.waiting()  # without the draft, whose interval is still open
    assert [(w.boot, w.guess_ms, w.bucket) for w in waiting] == [("this", 5, bucket(1))]
    outbox.close()
    outbox = SqliteOutbox(path, DEV)
    assert [w.bucket for w in outbox.waiting()] == [bucket(1), bucket(2)]
    outbox.close()


def refusal(path: Path, dev: str = DEV) -> str:
    with pytest.raises(OutboxError) as caught:
        SqliteOutbox(path, dev)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_path_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    assert "cannot be opened" in refusal(tmp_path)
    (tmp_path / "file").write_text("")
    assert "cannot be opened" in refusal(tmp_path / "file" / "outbox.db")


@pytest.mark.parametrize("text", ["minutes of the meeting " * 100, ""])
def test_a_file_that_is_no_database_is_put_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "outbox.db"
    path.write_text(text)
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    assert [record.seq for record in outbox.pending(9)] == [1]
    outbox.close()
    if text:
        assert aside(path).read_text() == text


def test_a_database_of_something_else_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE photos (x)")
    db.close()
    outbox = SqliteOutbox(path, DEV)
    assert outbox.trouble is not None
    outbox.append([bucket(0)])
    outbox.close()
    with sqlite3.connect(aside(path)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("photos",)]
    db.close()


def test_a_newer_schema_is_put_aside_and_its_records_are_read(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    before = bodies(outbox)
    outbox.close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    outbox = SqliteOutbox(path, DEV)
    assert bodies(outbox) == before
    outbox.close()


def test_outbox_of_another_device_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path, DEV).close()
    assert "'lobby-1', not 'lobby-2'" in refusal(path, "lobby-2")


def test_at_the_quota_delivered_records_make_room(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db", DEV, quota_mb=0.3)
    for first in range(0, 4000, 100):
        outbox.append([bucket(first + k) for k in range(100)])
        outbox.retire(outbox.stream, first + 50)
    pending = outbox.pending(9999)
    assert [record.seq for record in pending] == list(range(3951, 4001))
    assert json.loads(pending[-1].body)["tot_in"] == 4000
    outbox.close()
    assert (tmp_path / "outbox.db").stat().st_size <= 300_000 + 64 * 4096


def test_at_the_quota_nothing_undelivered_goes_and_what_comes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV, quota_mb=0.3)
    with pytest.raises(OutboxError, match="full"):
        outbox.append([bucket(n) for n in range(9999)])
    assert outbox.depth() == 0
    with pytest.raises(OutboxError, match="full"):
        collections.deque((outbox.append([bucket(n)]) for n in range(9999)), maxlen=0)
    stored = outbox.depth()
    assert [r.seq for r in outbox.pending(9999)] == list(range(1, stored + 1))
    outbox.retire(outbox.stream, 100)
    outbox.append([bucket(stored)])
    assert json.loads(outbox.pending(9999)[-1].body)["tot_in"] == stored + 1
    outbox.close()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 1 MB."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("mounting needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_stops_nothing_and_costs_nothing(tmp_path: Path) -> None:
    """1 MB: appends until it is full, goes on in memory, has room again, and is exact."""
    with small_disk(tmp_path) as disk:
        path, clock = disk / "data" / "outbox.db", ManualClock(NOON)
        outbox = SqliteOutbox(path, DEV)
        books = Bookkeeper(outbox, Timeline(clock))
        ballast, made = disk / "other", 0
        ballast.write_bytes(b"x" * 300_000)
        while books.unsaved < 50:
            books.keep([bucket(made)], made * 10.0)
            made += 1
        with pytest.raises(OutboxError, match="full"):
            outbox.append([bucket(made)])
        outbox.close()
        # A restart on the full disk: what was on it is there, what comes waits in memory.
        outbox = SqliteOutbox(path, DEV)
        stored = outbox.depth()
        assert stored == made - 50
        books = Bookkeeper(outbox, Timeline(clock))
        books.keep([bucket(stored)], 0.0)
        assert books.unsaved == 1
        ballast.unlink()
        books.keep([bucket(stored + 1)], 100.0)
        assert books.unsaved == 0
        last = json.loads(outbox.pending(9999)[-1].body)
        assert (last["seq"], last["tot_in"], last["tot_out"]) == (
            stored + 2, stored + 2, 2 * stored + 4,
        )  # fmt: skip
        outbox.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_damage_on_a_full_disk_waits_for_room_and_can_do_without_what_was_delivered(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path) as disk:
        path, ballast = disk / "outbox.db", disk / "other"
        outbox = SqliteOutbox(path, DEV)
        outbox.append([bucket(n) for n in range(600)])
        outbox.retire(outbox.stream, 590)
        before = bodies(outbox)
        outbox.close()
        with sqlite3.connect(path) as db:
            db.execute("UPDATE head SET seq = 77")
        db.close()
        ballast.write_bytes(b"x" * (shutil.disk_usage(disk).free - 8192))
        outbox = SqliteOutbox(path, DEV)
        with pytest.raises(OutboxError, match="full"):
            outbox.append([bucket(600)])
        ballast.write_bytes(ballast.read_bytes()[: -240 * 1024])
        outbox.append([bucket(600)])
        assert before.items() < bodies(outbox).items()
        assert outbox.depth() == 11
        assert "600 records salvaged" in str(outbox.trouble)
        outbox.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_full_from_the_beginning_is_used_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        ballast = disk / "other"
        ballast.write_bytes(b"x" * 1_048_576)
        outbox = SqliteOutbox(disk / "outbox.db", DEV)
        with pytest.raises(OutboxError):
            outbox.append([bucket(0)])
        with pytest.raises(OutboxError):
            outbox.stream  # noqa: B018
        ballast.unlink()
        outbox.append([bucket(0)])
        assert [r.stream for r in outbox.pending(9)] == [outbox.stream]
        outbox.close()


def test_closed_outbox_says_so(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db", DEV)
    outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        outbox.append([bucket(0)])


def test_the_note_is_read_when_the_end_of_a_longer_one_was_left_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    outbox.close()
    before = read_note(path, DEV)
    with note_of(path).open("ab") as note:
        note.write(b'ing":[]}\n')
    assert before is not None
    assert read_note(path, DEV) == before
