"""Packed payloads: the same records in a fifth of the bytes, and no trap for a reader."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import MessageError
from edge.messages import counts_message
from edge.payloads import MOST_BYTES, packed, unpacked
from edge.records import parse_counts
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality
from evaluation.payload_text import take_apart


def batch(pack):
    outbox = MemoryOutbox("d")
    by = Provenance("c", "m")
    outbox.append(
        [
            CountBucket(f"line-{n}", 0, 900_000, {Outcome.IN: n}, 1.0, None, TimeQuality.NTP, by)
            for n in range(8)
        ]
    )
    return counts_message("t", "d", outbox.stream, outbox.pending(8), pack=pack)


def test_a_packed_batch_says_the_same_in_a_quarter_of_the_bytes():
    plain, small = batch(False), batch(True)
    assert parse_counts(small.payload) == parse_counts(plain.payload)
    assert take_apart(small.payload) == take_apart(plain.payload)
    assert len(small.payload) < len(plain.payload) / 4
    assert (plain.packed, small.packed) == (False, True)
    assert small.properties == (*plain.properties, ("content-encoding", "deflate"))


@given(st.binary())
def test_what_was_packed_comes_back_and_json_is_left_alone(payload):
    assert unpacked(packed(payload)) == payload
    assert unpacked(b"{" + payload) == b"{" + payload


@pytest.mark.parametrize(
    "payload",
    [
        packed(b"{}" * 50)[:-3],
        packed(b"{}") + b"{}",
        b"x\x00nonsense",
        zlib.compress(b"0" * (MOST_BYTES + 1)),
    ],
)
def test_what_cannot_be_unpacked_is_told(payload):
    with pytest.raises(MessageError, match="pack"):
        unpacked(payload)
    with pytest.raises(MessageError, match="pack"):
        parse_counts(payload)
