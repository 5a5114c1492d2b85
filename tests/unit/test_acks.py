"""What a relay makes of a backend that acks, with a clock that stands still."""

import json
import random
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from edge.acks import MOST_SPANS, Ack, parse_ack
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.delivery import Relay, RelayLimits
from edge.errors import MessageError
from edge.messages import (
    RECORD_RETENTION_DAYS,
    Health,
    ack_message,
    health_message,
    info_message,
    status_message,
)
from edge.records import parse_counts
from edge.sending import SendLimits
from edge.testing import ManualClock, MemoryOutbox, RecordingBroker
from edge.vocabulary import CountBucket, Line, Outcome, Provenance, Receipt, TimeQuality

PROVENANCE = Provenance("c", "m")


def buckets(count):
    return [
        CountBucket("door", n, n + 1, {Outcome.IN: 1}, 1.0, None, TimeQuality.NTP, PROVENANCE)
        for n in range(count)
    ]


class Bench:
    """A relay on fakes."""

    def __init__(self, records=0, receipts=(), announce=tuple, outbox=None, **limits):
        self.clock = ManualClock()
        self.outbox = outbox or MemoryOutbox("d")
        self.outbox.append(buckets(records))
        self.broker = RecordingBroker(receipts)
        self.relay = Relay(
            self.outbox,
            self.broker,
            self.clock,
            tenant="t",
            dev="d",
            health=lambda _: health_message("t", "d", 0, Health(0, 0), interval_s=60),
            farewell=tuple,
            announce=announce,
            rng=random.Random(7),
            limits=RelayLimits(sending=SendLimits(**limits)),
        )

    def delivered(self):
        sent = (m for m in self.broker.published if m.topic.endswith("/counts"))
        return [record.seq for message in sent for record in parse_counts(message.payload)]

    def steps(self, count):
        for _ in range(count):
            self.clock.advance(self.relay.step())


def acked(bench, upto, have=(), rewind=None, stream=None):
    stream = stream or bench.outbox.stream
    message = ack_message("t", "d", stream=stream, upto=upto, have=have, rewind=rewind)
    bench.relay.receive_ack(message.payload)


def committing(records=0, **limits):
    """Make a relay that knows of a backend which has nothing yet."""
    bench = Bench(records=records, **limits)
    acked(bench, 0)
    return bench


def test_what_was_pruned_before_the_backend_came_is_not_waited_for(tmp_path):
    days = [0]
    with closing(SqliteOutbox(tmp_path / "o.db", "d", lambda: days[0] * 86_400.0)) as outbox:
        outbox.append(buckets(500))
        outbox.retire(outbox.stream, 500)
        days[0] = RECORD_RETENTION_DAYS + 1
        outbox.retire(outbox.stream, 500)
        outbox.append(buckets(60))
        bench = Bench(outbox=outbox, records_per_message=10, most_in_flight=20)
        acked(bench, 0)
        for _ in range(20):
            bench.steps(1)
            if bench.delivered():
                acked(bench, 0, have=[(501, max(bench.delivered()))])
        assert outbox.depth() == 0
        assert bench.relay.state.last_error is None


def test_a_puback_retires_nothing_where_a_backend_commits():
    bench = committing(records=3)
    bench.steps(5)
    assert bench.delivered() == [1, 2, 3]
    assert bench.outbox.depth() == 3
    acked(bench, 2)
    bench.steps(1)
    assert [r.seq for r in bench.outbox.pending(9)] == [3]
    acked(bench, 3)
    bench.steps(1)
    assert bench.outbox.depth() == 0
    assert bench.delivered() == [1, 2, 3]


def test_without_a_backend_a_puback_retires():
    bench = Bench(records=3)
    bench.steps(5)
    assert bench.outbox.depth() == 0
    assert not bench.relay.state.commits


def test_what_was_retired_on_pubacks_is_sent_again_when_a_backend_lacks_it():
    bench = Bench(records=4)
    bench.steps(5)
    acked(bench, 1, have=[(3, 3)])
    bench.steps(5)
    assert bench.delivered() == [1, 2, 3, 4, 2, 4]
    assert bench.outbox.depth() == 2


def test_streams_let_go_on_pubacks_come_back_when_there_turns_out_to_be_a_backend():
    """It speaks of one of them only; the others it may never have heard of."""
    bench = Bench(records=3)
    first = bench.outbox.stream
    bench.outbox.retire(first, 1)  # on an earlier run's evidence
    bench.outbox.begin_stream()
    bench.outbox.append(buckets(2))
    bench.steps(6)
    assert (bench.delivered(), bench.outbox.depth()) == ([2, 3, 1, 2], 0)
    acked(bench, 2)
    bench.steps(6)
    assert (bench.delivered(), bench.outbox.depth()) == ([2, 3, 1, 2, 2, 3], 2)
    acked(bench, 3, stream=first)
    bench.steps(2)
    assert bench.outbox.depth() == 0


def test_what_is_not_acked_in_time_is_sent_again_and_told():
    bench = committing(records=3, resend_s=30.0)
    bench.steps(5)
    bench.clock.advance(20.0)
    bench.steps(1)
    assert bench.delivered() == [1, 2, 3]
    bench.clock.advance(12.0)
    bench.steps(3)
    assert bench.delivered() == [1, 2, 3, 1, 2, 3]
    assert "committed nothing for 30 s" in bench.relay.state.last_error
    acked(bench, 3)
    bench.steps(1)
    assert bench.relay.state.last_error is None


def test_an_ack_that_makes_progress_is_waited_for():
    bench = committing(records=3, resend_s=30.0)
    bench.steps(5)
    for upto in (1, 2):
        bench.clock.advance(29.0)
        acked(bench, upto)
        bench.steps(1)
    assert bench.delivered() == [1, 2, 3]


def test_no_more_than_the_window_is_in_flight():
    bench = committing(records=30, records_per_message=5, most_in_flight=10)
    bench.steps(30)
    assert bench.delivered() == list(range(1, 11))
    acked(bench, 5)
    bench.steps(30)
    assert bench.delivered() == list(range(1, 16))


def test_a_backend_that_lost_records_gets_them_again():
    bench = committing(records=5)
    bench.steps(5)
    acked(bench, 5)
    bench.steps(2)
    acked(bench, 2)
    bench.steps(5)
    assert bench.delivered() == [1, 2, 3, 4, 5, 3, 4, 5]


def test_rewind_sends_what_was_committed_once_more():
    bench = committing(records=4)
    bench.steps(5)
    acked(bench, 4, rewind=3)
    bench.steps(5)
    assert bench.delivered() == [1, 2, 3, 4, 3, 4]
    acked(bench, 4)
    bench.steps(1)
    assert bench.outbox.depth() == 0


def test_an_ack_of_an_older_stream_shows_only_that_there_is_a_backend():
    bench = Bench(records=2)
    acked(bench, 99, stream="f" * 16)
    bench.steps(5)
    assert bench.relay.state.commits
    assert bench.outbox.depth() == 2


def test_an_empty_ack_ends_it():
    bench = committing(records=2)
    bench.steps(5)
    bench.relay.receive_ack(b"")
    bench.steps(5)
    assert not bench.relay.state.commits
    assert bench.outbox.depth() == 0


def test_a_broken_ack_changes_nothing_and_stops_nothing():
    bench = committing(records=2)
    bench.relay.receive_ack(b"\xff{")
    bench.steps(5)
    assert bench.delivered() == [1, 2]
    assert bench.outbox.depth() == 2


def test_the_change_is_announced():
    said = []
    status = status_message("t", "d", 0, "online", "commit")
    bench = Bench(records=1, announce=lambda: said.append(1) or [status])
    bench.steps(3)
    acked(bench, 0)
    bench.steps(1)
    acked(bench, 1)
    bench.steps(1)
    assert said == [1]
    assert status in bench.broker.published


class Backend:
    """Has what it was sent, unless the broker swallows it after its PUBACK."""

    def __init__(self, bench):
        self.bench, self.has, self.swallows, self.read = bench, set(), False, 0

    def receive(self):
        fresh = self.bench.delivered()[self.read :]
        self.read += len(fresh)
        if not self.swallows:
            self.has.update(fresh)

    def ack(self):
        self.receive()
        upto = next(n for n in range(999) if n + 1 not in self.has)
        acked(self.bench, upto, have=[(n, n) for n in sorted(self.has) if n > upto])

    def suffer(self, event, number):
        match event:
            case "append":
                self.bench.outbox.append(buckets(number % 3))
            case "lose":
                self.swallows = number % 2 == 0
            case "ack":
                self.ack()
            case _:
                self.bench.steps(number)
                self.receive()


@given(
    st.lists(st.tuples(st.sampled_from(["ack", "lose", "step", "append"]), st.integers(0, 12))),
)
def test_in_the_end_the_backend_has_every_record(events):
    bench = committing(records=5, resend_s=30.0)
    backend = Backend(bench)
    for event, number in events:
        backend.suffer(event, number)
    backend.swallows = False
    for _ in range(9):
        bench.clock.advance(31.0)
        bench.steps(2)
        backend.ack()
        bench.steps(1)
    assert bench.outbox.depth() == 0
    assert backend.has == set(range(1, len(bench.outbox._retired) + 1))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "version"),
        (b'{"v":"2.0","stream":"s","upto":1}', "version"),
        (b'{"v":"1.0","upto":1}', '"stream" and "upto"'),
        (b'{"v":"1.0","stream":"s","upto":-1}', '"stream" and "upto"'),
        (b'{"v":"1.0","stream":"s","upto":true}', '"stream" and "upto"'),
        (b'{"v":"1.0","stream":"s","upto":1,"rewind":0}', '"rewind"'),
        (b'{"v":"1.0","stream":"s","upto":1,"have":{}}', "not a list"),
        (b'{"v":"1.0","stream":"s","upto":1,"have":[[3,2]]}', "first, last"),
        (b'{"v":"1.0","stream":"s","upto":1,"have":[[3]]}', "first, last"),
    ],
)
def test_a_bad_ack_is_told(payload, said):
    with pytest.raises(MessageError, match=said):
        parse_ack(payload)


def test_an_ack_is_read_and_obeys_its_schema():
    schema = json.loads(Path("config/schemas/ack.schema.json").read_text("utf-8"))
    message = ack_message("t", "d", stream="0" * 16, upto=7, have=[(9, 9), (12, 20)], rewind=5)
    Draft202012Validator(schema).validate(json.loads(message.payload))
    assert parse_ack(message.payload) == Ack("0" * 16, 7, ((9, 9), (12, 20)), 5)
    assert (message.topic, message.qos, message.retain) == ("pc/v1/t/d/ack", 1, True)
    assert parse_ack(b"") is None
    many = ack_message("t", "d", stream="0" * 16, upto=0, have=[(n, n) for n in range(2, 999, 2)])
    assert len(parse_ack(many.payload).have) == MOST_SPANS
    assert parse_ack(b'{"v":"1.3","stream":"s","upto":1,"later":[]}') == Ack("s", 1)


def test_the_golden_ack_is_read_for_ever():
    golden = Path("tests/contract/golden/ack-1.0.json").read_bytes()
    ack = parse_ack(golden)
    assert ack == Ack("0" * 16, 7, ((9, 9), (12, 20)), 5)
    again = ack_message(
        "t", "d", stream=ack.stream, upto=ack.upto, have=ack.have, rewind=ack.rewind
    )
    assert again.payload == golden


@pytest.mark.parametrize(("how", "version"), [("puback", "1.0"), ("commit", "1.1")])
def test_status_and_info_say_what_retires_a_record(how, version):
    status = status_message("t", "d", 0, "online", how)
    info = info_message(
        "t",
        "d",
        0,
        software="1",
        stream="0" * 16,
        provenance=PROVENANCE,
        lines=[Line("door", ((0.0, 0.5), (1.0, 0.5)), 1)],
        interval_s=900,
        delivery=how,
    )
    for leaf, message in (("status", status), ("info", info)):
        payload = json.loads(message.payload)
        schema = json.loads(Path(f"config/schemas/{leaf}.schema.json").read_text("utf-8"))
        Draft202012Validator(schema).validate(payload)
        assert payload["v"] == version
        with pytest.raises(ValidationError):
            Draft202012Validator(schema).validate(payload | {"v": "1.2"})
    assert json.loads(status.payload)["delivery"] == how


def test_records_are_not_lost_where_the_broker_refuses():
    bench = Bench(records=1, receipts=[Receipt.ACCEPTED, Receipt.REFUSED])
    acked(bench, 0)
    bench.steps(3)
    assert bench.outbox.depth() == 1


def test_an_outbox_that_is_an_older_copy_begins_a_new_stream_and_lets_nothing_go():
    """The backend has 50 records of a stream that has 2 here: a card image was put back."""
    bench = Bench(records=2)
    old = bench.outbox.stream
    acked(bench, 50)
    bench.steps(3)
    assert bench.outbox.stream != old
    assert bench.outbox.streams() == [old]
    assert bench.outbox.depth() == 2
    bench.outbox.append(buckets(1))
    bench.steps(3)
    assert bench.delivered() == [1, 2, 1]
    acked(bench, 50, stream=old)  # it has them, or has put the others aside
    acked(bench, 1)
    bench.steps(1)
    assert bench.outbox.depth() == 0


def test_a_backend_that_has_only_the_last_records_of_a_stream_does_not_fill_the_window():
    """It came when most of the stream had been pruned: nothing from 1 on, but later spans."""
    bench = Bench(records=50, most_in_flight=10, records_per_message=5)
    acked(bench, 0, have=[(1, 40)])
    for _ in range(10):
        bench.steps(2)
        acked(bench, 0, have=[(1, max([40, *bench.delivered()]))])
    assert bench.delivered() == list(range(41, 51))
    assert bench.outbox.depth() == 0


def test_streams_of_before_go_first_and_do_not_stand_in_the_way():
    bench = committing(records=3)
    old = bench.outbox.stream
    bench.outbox.begin_stream()
    bench.outbox.append(buckets(2))
    bench.steps(4)
    assert bench.delivered() == [1, 2, 3, 1, 2]
    acked(bench, 2)
    bench.steps(1)
    assert bench.outbox.streams() == [old]
    acked(bench, 3, stream=old)
    bench.steps(1)
    assert bench.outbox.depth() == 0


def test_a_new_stream_is_announced_before_its_records():
    said = []
    bench = Bench(records=1, announce=lambda: said.append(bench.outbox.stream) or ())
    bench.steps(3)
    assert said == []
    bench.outbox.begin_stream()
    bench.outbox.append(buckets(1))
    bench.steps(3)
    assert said == [bench.outbox.stream]


@pytest.mark.parametrize("commits", [True, False])
def test_records_of_a_time_are_sent_once_more_and_retire_nothing_by_that(commits):
    bench = Bench(records=6, records_per_message=2)
    if commits:
        acked(bench, 6)
    bench.steps(9)
    first = bench.delivered()
    assert bench.outbox.depth() == 0
    bench.relay.repeat(2, 5)
    bench.outbox.append(buckets(1))
    bench.steps(9)
    assert bench.delivered() == [*first, 7, 3, 4, 5]
    assert bench.outbox.depth() == (1 if commits else 0)


def test_a_repeat_covers_earlier_streams():
    bench = Bench(records=2)
    bench.outbox.begin_stream()
    bench.outbox.append(buckets(2))
    bench.steps(5)
    bench.relay.repeat(0, 99)
    bench.steps(5)
    assert bench.delivered() == [1, 2, 1, 2] * 2


def test_a_backend_that_stays_away_is_tried_ever_more_rarely_until_it_answers():
    bench = committing(records=2, resend_s=60.0, resend_most_s=300.0)
    sent_at = []
    while len(sent_at) < 6:
        before = len(bench.delivered())
        bench.clock.advance(max(0.5, bench.relay.step()))
        if len(bench.delivered()) > before:
            sent_at.append(bench.clock.monotonic())
    gaps = [b - a for a, b in pairwise(sent_at)]
    assert gaps == pytest.approx([60, 120, 240, 300, 300], abs=3)
    acked(bench, 1)
    bench.steps(1)
    before = len(bench.delivered())
    bench.clock.advance(61.0)
    bench.steps(2)
    assert bench.delivered()[before:] == [2]
