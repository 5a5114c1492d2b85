"""The outbox on disk: restarts, kills, damage, and files that are something else."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.errors import OutboxError
from edge.messages import counts_message
from edge.records import CountRecord, ZoneRecord, parse_counts, verify_chain
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


def test_a_migration_that_cannot_be_finished_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    first_version(path)
    with sqlite3.connect(path) as db:  # a row that cannot be taken over, after the new table
        db.execute("DROP TABLE totals")
        db.execute("CREATE TABLE totals (line TEXT, entered INTEGER, departed INTEGER)")
        db.execute("INSERT INTO totals VALUES ('door', 25, 8), ('side-door', NULL, 4)")
    db.close()
    assert "NOT NULL" in refusal(path)
    with sqlite3.connect(path) as db:
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


def test_damaged_row_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0), bucket(1)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE records SET body = replace(body, '\"in\":1', '\"in\":9') WHERE seq = 2")
    db.close()
    assert len(outbox.pending(1)) == 1
    with pytest.raises(OutboxError, match="record 2 is damaged"):
        outbox.pending(2)
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


def test_file_that_is_not_a_database_is_explained_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("minutes of the meeting " * 100)
    assert "not an outbox database" in refusal(path)
    assert path.read_text().startswith("minutes")


def test_database_of_something_else_is_explained_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE photos (x)")
    db.close()
    assert "something else" in refusal(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("photos",)]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    db.close()


def test_newer_schema_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path, DEV).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 3")
    db.close()
    assert "newer version" in refusal(path)


def test_outbox_of_another_device_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    SqliteOutbox(path, DEV).close()
    assert "'lobby-1', not 'lobby-2'" in refusal(path, "lobby-2")


def test_full_disk_is_one_sentence_and_nothing_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = SqliteOutbox(path, DEV)
    outbox.append([bucket(0)])
    outbox._db.execute("PRAGMA max_page_count = 1")  # SQLite clamps it to the present size
    with pytest.raises(OutboxError, match="full"):
        outbox.append([bucket(index) for index in range(1, 200)])
    assert outbox.depth() == 1
    outbox._db.execute("PRAGMA max_page_count = 100000")
    outbox.append([bucket(1)])
    assert [record.seq for record in outbox.pending(9)] == [1, 2]
    outbox.close()


def test_closed_outbox_says_so(tmp_path: Path) -> None:
    outbox = SqliteOutbox(tmp_path / "outbox.db", DEV)
    outbox.close()
    with pytest.raises(OutboxError, match="closed"):
        outbox.append([bucket(0)])
