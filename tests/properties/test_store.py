"""Whatever order, repetition and split records arrive in, the same is stored."""

import json
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from edge.messages import counts_message
from edge.sealing import canonical
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, CoverageReason, Outcome, Provenance, TimeQuality
from evaluation.database import Database
from evaluation.ingest import read
from evaluation.store import Store
from evaluation.watermark import Watermark

RECORDS, DEVICES = 8, ("d1", "d2")
BY = Provenance("c", "m")


def bucket(index):
    watched = index % 4 != 3
    counts = {Outcome.IN: index, Outcome.OUT: 2 * index} if watched else None
    reason = None if watched else CoverageReason.DARK
    return CountBucket(
        "door", index, index + 1, counts, float(watched), reason, TimeQuality.NTP, BY
    )


def sealed(dev):
    box = MemoryOutbox(dev, dev * 8)
    box.append([bucket(index) for index in range(RECORDS)])
    return box.pending(RECORDS)


SEALED = {dev: sealed(dev) for dev in DEVICES}
NUMBERS = st.lists(st.integers(1, RECORDS), min_size=1, max_size=6)


def message(dev, numbers, spoil):
    records = [SEALED[dev][number - 1] for number in numbers]
    sent = counts_message("t", dev, records[0].stream, records)
    value = json.loads(sent.payload)
    if spoil:  # as a device with a damaged file would send it
        value["records"][-1]["t1"] = "never"
        return read(sent.topic, canonical(value).encode())
    return read(sent.topic, sent.payload)


@st.composite
def deliveries(draw):
    """Batches of messages in any order; in the end every record has come at least once."""
    any_message = st.tuples(st.sampled_from(DEVICES), NUMBERS, st.booleans())
    messages = draw(st.lists(any_message, max_size=12))
    whole = [(dev, [n], False) for dev in DEVICES for n in range(1, RECORDS + 1)]
    order = draw(st.permutations(messages + whole))
    cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), max_size=6)))
    return [order[a:b] for a, b in pairwise([0, *cuts, len(order)])]


@pytest.fixture
def opened(database_url):
    with closing(Database(database_url)) as database:
        database.prepare()
        yield (
            Store(database),
            create_engine(database_url.replace("postgresql:", "postgresql+psycopg:")),
        )


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=deliveries())
def test_order_repetition_and_split_do_not_matter(opened, batches):
    store, engine = opened
    with engine.begin() as connection:
        for table in ("records", "streams", "rejected"):
            connection.execute(text(f"DELETE FROM {table}"))
    had = {dev: set() for dev in DEVICES}
    for batch in batches:
        done = store.commit([message(*each) for each in batch], 7)
        for dev, numbers, _ in batch:
            had[dev] |= set(numbers)
        assert {s.dev: s.watermark for s in done.streams} == {
            dev: Watermark().plus((n, n) for n in had[dev]) for dev, _, _ in batch
        }
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT dev, seq, body FROM records ORDER BY dev, seq"))
        assert [tuple(row) for row in rows] == [
            (dev, record.seq, record.body) for dev in DEVICES for record in SEALED[dev]
        ]
        sums = connection.execute(text("SELECT sum(count_in), sum(count_out) FROM records"))
        counted = [json.loads(r.body) for dev in DEVICES for r in SEALED[dev]]
        assert tuple(sums.one()) == tuple(
            sum(record[name] or 0 for record in counted) for name in ("in", "out")
        )
    engine.dispose()
    for dev in DEVICES:
        stream = SEALED[dev][0].stream
        assert store.state(dev, stream).watermark == Watermark(RECORDS)
        assert store.recount(dev, stream).watermark == Watermark(RECORDS)
