"""Today's counts come back from the device's own records, over all streams."""

import pytest

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.day_counts import stored_counts
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000
BY = Provenance("c", "m")


def bucket(t0_ms, entered=1, line="door"):
    counts = None if entered is None else {Outcome.IN: entered, Outcome.OUT: 2, Outcome.UTURN: 1}
    reason = CoverageReason.NO_CAMERA if entered is None else None
    share = 0.0 if entered is None else 1.0
    return CountBucket(
        line, t0_ms, t0_ms + 1000, counts, share, reason, TimeQuality.NTP, BY
    )  # fmt: skip


@pytest.fixture
def outbox(tmp_path):
    found = SqliteOutbox(tmp_path / "outbox.sqlite", "d", lambda: START_MS / 1000)
    yield found
    found.close()


def test_the_records_that_begin_within_a_day_are_summed(outbox):
    of = ("hall", ZoneKind.PLAIN, START_MS, START_MS + 1000)
    zone = ZoneBucket(*of, ZoneSums(), 1.0, None, TimeQuality.NTP, BY)
    outbox.append([bucket(START_MS - 500, 100), zone])
    outbox.append([bucket(START_MS + k * 60_000) for k in range(1200)])
    outbox.append([bucket(START_MS + DAY_MS - 1000, None), bucket(START_MS + DAY_MS, 100)])
    outbox.append([bucket(START_MS, 5, "side")])
    outbox.retire(outbox.stream, 600)
    assert stored_counts(outbox, START_MS, START_MS + DAY_MS) == {
        ("door", Outcome.IN): 1200,
        ("door", Outcome.OUT): 2400,
        ("door", Outcome.UTURN): 1200,
        ("side", Outcome.IN): 5,
        ("side", Outcome.OUT): 2,
        ("side", Outcome.UTURN): 1,
    }


def test_those_of_earlier_streams_count_too(outbox):
    outbox.append([bucket(START_MS)])
    outbox.begin_stream()
    outbox.append([bucket(START_MS + 5000)])
    assert stored_counts(outbox, START_MS, START_MS + DAY_MS)["door", Outcome.IN] == 2
