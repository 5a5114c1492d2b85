"""Days by slots follow the records, on SQLite and on PostgreSQL."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, text

from edge.messages import counts_message
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, CoverageReason, Outcome, Provenance, TimeQuality
from evaluation.batch import Batch
from evaluation.database import Database
from evaluation.dirty_days import mark, mark_days
from evaluation.ingest import read
from evaluation.rollup import RollUp, read_body
from evaluation.site_tables import DEVICES
from evaluation.store import Store
from evaluation.tables import RECORDS

STREAM = "0123456789abcdef"
SLOT_MS = 900_000
JANUARY = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAY_MS = 96 * SLOT_MS


def bucket(line, t0_ms, entered, *, minutes=15, tq=TimeQuality.NTP, cov=1.0):
    watched = entered is not None
    return CountBucket(
        line,
        t0_ms,
        t0_ms + minutes * 60_000,
        {Outcome.IN: entered, Outcome.OUT: 1} if watched else None,
        cov if watched else 0.0,
        None if watched and cov == 1 else CoverageReason.DARK,
        tq,
        Provenance("c", "m"),
    )


@pytest.fixture
def database(database_url):
    with closing(Database(database_url)) as db:
        db.prepare()
        yield db


def messages(buckets, dev="d1", of=2):
    box = MemoryOutbox(dev, STREAM)
    box.append(buckets)
    records = box.pending(9999)
    starts = range(0, len(records), of)
    return [counts_message("t", dev, STREAM, records[at : at + of]) for at in starts]


def receive(database, sent, at_ms=7):
    Store(database).commit([read(each.topic, each.payload) for each in sent], at_ms)


def days(database):
    with database.reading() as connection:
        rows = connection.execute(text("SELECT dev, day_ms, body FROM device_days"))
        return {(dev, day_ms): read_body(body) for dev, day_ms, body in rows}


def entered(database, day_ms=JANUARY, dev="d1"):
    door = days(database)[dev, day_ms].door
    return {slot: count for slot, count in enumerate(door.entered) if count}


def test_counts_land_in_their_slots_whenever_they_come(database):
    sent = messages([bucket("door", JANUARY + n * SLOT_MS, n) for n in range(1, 9)])
    random.Random(7).shuffle(sent)
    for each in sent:
        receive(database, [each])
        assert RollUp(database).run() == 1
    receive(database, sent)  # again: nothing new
    RollUp(database).run()
    assert entered(database) == {n: n for n in range(1, 9)}
    assert days(database)["d1", JANUARY].streams == {STREAM: (1, 8, 8)}


def test_a_slot_that_nobody_watched_is_not_covered(database):
    receive(
        database, messages([bucket("door", JANUARY, 3), bucket("door", JANUARY + SLOT_MS, None)])
    )
    RollUp(database).run()
    door = days(database)["d1", JANUARY].door
    assert door.cov[:3] == [1.0, 0.0, 0.0]
    assert door.why == {1: "dark"}


def test_an_hour_over_midnight_is_shared_out_to_both_days(database):
    receive(database, messages([bucket("door", JANUARY + DAY_MS - 2 * SLOT_MS, 10, minutes=60)]))
    assert RollUp(database).run() == 2
    assert entered(database) == {94: 3, 95: 3}
    assert entered(database, JANUARY + DAY_MS) == {0: 2, 1: 2}


def test_of_several_lines_the_worst_covered_one_holds(database):
    both = [bucket("door", JANUARY, 3), bucket("side", JANUARY, 2, cov=0.5)]
    receive(database, messages(both))
    RollUp(database).run()
    assert entered(database) == {0: 5}
    assert days(database)["d1", JANUARY].door.cov[0] == 0.5


def test_only_the_lines_of_the_registry_count_and_a_change_is_followed(database):
    receive(database, messages([bucket("door", JANUARY, 3), bucket("yard", JANUARY, 50)]))
    RollUp(database).run()
    assert entered(database) == {0: 53}
    with database.writing() as connection:
        connection.execute(insert(DEVICES).values(dev="d1", tenant="t", lines='["door"]'))
        mark_days(database, connection, [("d1", JANUARY)])
    RollUp(database).run()
    assert entered(database) == {0: 3}


def test_what_has_no_date_is_in_no_slot(database):
    receive(database, messages([bucket("door", JANUARY, 3, tq=TimeQuality.UNSYNCED)]))
    RollUp(database).run()
    door = days(database)["d1", JANUARY].door
    assert (sum(door.entered), door.undated, max(door.cov)) == (0, 3, 0.0)


def test_a_day_without_a_line_of_visitors_has_no_door(database):
    golden = Path("tests/contract/golden/counts-zones-1.1.json").read_bytes()
    records = [r for r in json.loads(golden)["records"] if "zone" in r]
    payload = json.dumps(json.loads(golden) | {"records": records}).encode()
    Store(database).commit([read("pc/v1/t/lobby-0a1b/counts", payload)], 7)
    RollUp(database).run()
    [day] = days(database).values()
    assert day.door is None
    assert set(day.zones) == {record["zone"] for record in records}


def test_nothing_is_missed_while_records_come_and_several_roll_up(database_url, database):
    """A mark that a roll-up takes cannot belong to records it did not see."""
    sent = messages([bucket("door", JANUARY + n * SLOT_MS, 1) for n in range(60)], of=1)
    done = threading.Event()

    def write(some):
        with closing(Database(database_url)) as own:
            for each in some:
                receive(own, [each])

    def roll():
        with closing(Database(database_url)) as own:
            while not done.is_set():
                RollUp(own).run()

    with ThreadPoolExecutor() as pool:
        rolling = [pool.submit(roll) for _ in range(2)]
        try:
            list(pool.map(write, (sent[::2], sent[1::2])))
        finally:
            done.set()
        for each in rolling:
            each.result()
    RollUp(database).run()
    assert entered(database) == dict.fromkeys(range(60), 1)


def test_a_roll_up_waits_for_a_transaction_that_is_under_way(database_url, database):
    """Its mark was there before, so leaving that alone would lose what it brings."""
    first, second = messages([bucket("door", JANUARY + n * SLOT_MS, 1) for n in range(2)], of=1)
    receive(database, [first])
    with ThreadPoolExecutor() as pool, closing(Database(database_url)) as other:
        with other.writing() as connection:
            batch = Batch(7)
            batch.add(read(second.topic, second.payload))
            rows = list(batch.records.values())
            other.insert_new(connection, RECORDS, rows)
            mark(other, connection, rows)
            rolled = pool.submit(RollUp(database).run)
            wait([rolled], timeout=0.2)
        rolled.result()
    RollUp(database).run()
    assert entered(database) == {0: 1, 1: 1}


def test_the_days_of_old_records_are_read_by_plain_sql_too(database_url, database):
    receive(database, messages([bucket("door", JANUARY, 3)]))
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        marks = connection.execute(text("SELECT dev, day_ms, changes FROM dirty_days")).all()
    engine.dispose()
    assert [tuple(row) for row in marks] == [("d1", JANUARY, 1)]
