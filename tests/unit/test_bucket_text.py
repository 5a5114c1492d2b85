"""Buckets as text and back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bucket_text import bucket_text, read_bucket
from edge.errors import MessageError
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Doubts,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

numbers = st.integers(-(2**53), 2**53)
names = st.text(min_size=1, max_size=9)
common = {
    "t0_ms": numbers,
    "t1_ms": numbers,
    "coverage": st.floats(0, 1),
    "reason": st.none() | st.sampled_from(CoverageReason),
    "time_quality": st.sampled_from(TimeQuality),
    "provenance": st.builds(Provenance, names, names, st.none() | names),
}
lines = st.builds(
    CountBucket,
    line=names,
    counts=st.none() | st.dictionaries(st.sampled_from(Outcome), numbers),
    doubts=st.builds(Doubts, numbers, numbers, numbers, numbers),
    **common,
)
zones = st.builds(
    ZoneBucket,
    zone=names,
    kind=st.sampled_from(ZoneKind),
    sums=st.none() | st.builds(ZoneSums, *(numbers,) * 7),
    **common,
)


@settings(deadline=None)
@given(lines | zones)
def test_what_was_written_is_read_back(bucket):
    text = bucket_text(bucket)
    assert read_bucket(text) == bucket
    assert bucket_text(read_bucket(text)) == text


def a_text(**changes):
    fields = json.loads(
        bucket_text(
            CountBucket(
                "door", 1, 2, {Outcome.IN: 3}, 0.5, CoverageReason.DARK,
                TimeQuality.NTP, Provenance("c", "m"),
            )
        )
    )  # fmt: skip
    fields.update(changes)
    return json.dumps({name: value for name, value in fields.items() if value != "left out"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '"text"',
        "{}",
        a_text(t0_ms="left out"),
        a_text(counts="left out"),
        a_text(doubts={"unknown": 1}),
        a_text(doubts=None),
        a_text(reason="unheard of"),
        a_text(time_quality="perfect"),
        a_text(counts={"sideways": 1}),
        a_text(counts=7),
        a_text(provenance={"cfg": "c"}),
        a_text(line="left out", zone="hall"),
        a_text(line="left out", zone="hall", kind="attic", sums=None),
        a_text(line="left out", zone="hall", kind="plain", sums={"unknown": 1}),
        "[" * 5000,
    ],
)
def test_anything_else_is_refused_in_words(text):
    with pytest.raises(MessageError, match="a waiting interval cannot be read"):
        read_bucket(text)
