"""A bundle in pieces: whatever the line does, what is handed over is the file or nothing is."""

import hashlib
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.updating.answers import Want
from edge.updating.asking import Moment, StagingLimits
from edge.updating.staging import MOST_FAILURES, Staging
from edge.updating.wanted import Piece, Wanted
from tests.properties.incoming_memory import MemoryIncoming

PIECE = 1024
LIMITS = StagingLimits(window_bytes=3 * PIECE, bytes_per_s=1e9, disk_retry_s=60.0)
FILES = {
    name: random.Random(name).randbytes(size)
    for name, size in (("a", 5 * PIECE + 17), ("b", 4 * PIECE), ("tiny", 3))
}


def wanted(name, *, honest=True, version="0.2.0"):
    digest = hashlib.sha256(FILES[name] + (b"" if honest else b"!")).hexdigest()
    return Wanted(version, digest, len(FILES[name]), PIECE, spread_s=0)


class World:
    """A device and a backend with everything between them that can go wrong."""

    def __init__(self):
        self.incoming = MemoryIncoming()
        self.now, self.offers = 0.0, {}
        self.sent: list[Piece] = []
        self.asked = self.wishes = self.breaks = 0
        self.wish = None
        self.start()

    def start(self):
        self.staging = Staging(self.incoming, "0.1.0", share=0.5, limits=LIMITS)
        if self.wish is not None:
            self.staging.hear_desired(self.wish, self.now)

    def want(self, wish, name=None):
        self.wish = wish
        if wish is not None:
            self.offers[wish.bundle] = FILES[name]
        self.staging.hear_desired(wish, self.now)

    def tick(self, *, drained=True, connected=True, wait_s=1.0):
        self.now += wait_s
        moment = Moment(self.now, 0, True, connected, lambda: drained)
        asked = self.staging.tick(moment)
        if asked is not None:
            assert drained
            assert connected
            self.wishes += 1
            self.asked += asked.pieces * PIECE
            self.serve(asked)

    def serve(self, asked: Want):
        data = self.offers.get(asked.bundle, b"")
        for n in range(asked.pieces):
            at = asked.offset + n * PIECE
            if data[at : at + PIECE]:
                self.sent.append(Piece(asked.bundle, at, data[at : at + PIECE]))

    def deliver(self, index, *, twice=False):
        if self.sent:
            piece = self.sent[index % len(self.sent)]
            if not twice:
                self.sent.remove(piece)
            self.staging.hear_piece(piece, self.now)

    def cut(self):
        """The power fails: what was not synced is gone."""
        self.breaks += 1
        self.incoming.begun()
        self.sent.clear()
        self.start()

    def finish(self):
        """From here on everything works."""
        self.incoming.full = False
        for _ in range(400):
            self.tick(wait_s=4000.0)
            while self.sent:
                self.deliver(0)
            if not self.staging.is_busy or self.staging.said.state == "verifying":
                return
        raise AssertionError(self.staging.said)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.booleans(), st.booleans()),
        st.tuples(st.just("deliver"), st.integers(0, 8), st.booleans()),
        st.tuples(st.just("lose"), st.integers(0, 8)),
        st.tuples(st.just("garble"), st.integers(0, 8)),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 31.0, 4000.0])),
        st.tuples(st.sampled_from(["reconnect", "cut", "full", "room again"])),
        st.tuples(st.just("other"), st.sampled_from(["a", "b", "tiny", "none"])),
    ),
    max_size=60,
)


def act(world, kind, *of):  # noqa: C901  what can happen, one branch each
    if kind == "tick":
        world.tick(drained=of[0], connected=of[1])
    elif kind == "deliver":
        world.deliver(of[0], twice=of[1])
    elif kind == "lose" and world.sent:
        world.sent.pop(of[0] % len(world.sent))
    elif kind == "garble" and world.sent:
        at = of[0] % len(world.sent)
        piece = world.sent[at]
        world.sent[at] = Piece(piece.bundle, piece.offset + 1, piece.data[::-1])
    elif kind == "wait":
        world.now += of[0]
    elif kind == "reconnect":
        world.breaks += 1
        world.staging.reconnected(world.now)
    elif kind == "cut":
        world.cut()
    elif kind in {"full", "room again"}:
        world.incoming.full = kind == "full"
    elif kind == "other":
        name = of[0]
        world.want(None if name == "none" else wanted(name), name)


@settings(max_examples=300)
@given(acts=ACTS)
def test_what_is_handed_over_is_byte_for_byte_what_was_wanted(acts):
    world = World()
    world.want(wanted("a"), "a")
    for each in acts:
        act(world, *each)
        assert all(handed in FILES.values() for handed in world.incoming.handed)
    if world.wish is None:
        world.want(wanted("a"), "a")
    world.finish()
    assert world.incoming.handed[-1] == world.offers[world.wish.bundle]
    assert world.staging.said.had == world.wish.size
    assert world.staging.said.state == "verifying"
    assert world.incoming.failures == 0  # no piece of another bundle or place was ever taken


@settings(max_examples=100)
@given(acts=ACTS)
def test_another_file_than_was_announced_is_never_handed_over(acts):
    world = World()
    lie = wanted("b", honest=False)
    world.want(lie, "b")
    for each in acts:
        if each[0] != "other":
            act(world, *each)
    world.finish()
    assert world.incoming.handed == []
    said = world.staging.said
    assert (said.state, said.reason) == ("refused", "hash")
    assert world.incoming.kept.failures == MOST_FAILURES
    asked = world.asked
    world.finish()
    world.start()  # nor is it asked for again after a restart
    world.finish()
    assert world.asked == asked


@settings(max_examples=200)
@given(losses=st.lists(st.booleans(), max_size=80))
def test_no_more_is_asked_for_than_was_lost(losses):
    world = World()
    world.want(wanted("a"), "a")
    lost = iter(losses)
    for _ in range(600):
        world.tick(wait_s=31.0)
        wished = bool(world.sent)
        while world.sent:
            if next(lost, False):
                world.sent.pop(0)
            else:
                world.deliver(0)
        if world.incoming.handed:
            break
        assert wished or world.staging.is_busy
    assert world.incoming.handed == [FILES["a"]]
    least = -(-len(FILES["a"]) // PIECE) * PIECE
    assert world.asked <= least + sum(losses) * LIMITS.window_bytes


def test_nobody_who_does_not_answer_is_asked_for_ever():
    world = World()
    world.want(wanted("a"), "a")
    world.offers.clear()
    for _ in range(24 * 60):
        world.tick(wait_s=60.0)
    assert 20 < world.wishes < 40  # every 30 s at first, once an hour in the end
    said = world.staging.said
    assert (said.state, said.reason) == ("waiting", "no-answer")


def test_what_was_not_asked_for_is_not_taken():
    world = World()
    world.want(wanted("a"), "a")
    whole = Want(world.wish.bundle, 0, 6)
    world.serve(whole)  # before it asks
    while world.sent:
        world.deliver(0)
    assert world.staging.said.had == 0
    world.tick()  # now it asks for three
    world.sent.clear()
    world.serve(whole)
    while world.sent:
        world.deliver(0)
    assert world.staging.said.had == 3 * PIECE


def test_no_piece_is_asked_for_while_records_wait_or_the_line_is_down():
    world = World()
    world.want(wanted("a"), "a")
    for drained, connected in ((False, True), (True, False), (False, False)):
        world.tick(drained=drained, connected=connected, wait_s=4000.0)
        assert world.wishes == 0
    world.tick()
    assert world.wishes == 1


def half_of_it():
    """Return a world in which the first three pieces have come and are synced."""
    world = World()
    world.want(wanted("a"), "a")
    world.tick()
    while world.sent:
        world.deliver(0)
    assert world.staging.said.had == 3 * PIECE
    return world


def test_another_bundle_in_the_middle_begins_at_its_own_first_byte():
    world = half_of_it()
    world.want(wanted("b"), "b")
    world.tick()
    assert world.sent[0].offset == 0
    world.sent.insert(0, Piece(wanted("a").bundle, 0, FILES["a"][:PIECE]))  # late, of the other
    world.finish()
    assert (world.incoming.handed, world.incoming.failures) == ([FILES["b"]], 0)


def test_it_goes_on_at_the_last_synced_byte_after_a_power_cut():
    world = half_of_it()
    world.tick()
    world.deliver(0)  # one of three: not synced
    assert world.staging.said.had == 4 * PIECE
    asked = world.asked
    world.cut()
    world.finish()
    assert world.incoming.handed == [FILES["a"]]
    assert world.asked - asked == 3 * PIECE


def test_a_wish_that_is_taken_back_leaves_nothing_behind():
    world = half_of_it()
    world.want(None)
    world.tick(wait_s=4000.0)
    assert (world.incoming.data, world.incoming.kept) == (b"", None)
    assert (world.staging.said.state, world.sent) == ("idle", [])


def test_a_full_disk_is_said_and_tried_again_later():
    world = half_of_it()
    world.incoming.full = True
    world.tick()
    world.deliver(0)
    said = world.staging.said
    assert (said.state, said.reason) == ("waiting", "disk")
    wishes = world.wishes
    world.tick(wait_s=LIMITS.disk_retry_s - 1)
    assert world.wishes == wishes
    world.incoming.full, world.incoming.room = False, 10
    world.tick(wait_s=2.0)
    assert (world.wishes, world.staging.said.reason) == (wishes, "disk")
    world.incoming.room = 1 << 30
    world.finish()
    assert world.incoming.handed == [FILES["a"]]
