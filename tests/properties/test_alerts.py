"""Whatever causes come and go: alerts open and close in turn, do not flap, and come in time."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.alerts import RULES, Finding, findings, follow
from evaluation.fleet import Facts, LastRecords, Told, fleet
from evaluation.fleet_words import Clock, Code, Presence, Registration

T0 = 1_767_225_600_000
STEP_MS = 60_000
KEY = ("d1", Code.LOST)
RULE = RULES[Code.LOST]
RAISE, CLEAR = RULE.raise_after_s * 1000, RULE.clear_after_s * 1000

# Runs of one truth each, so that short and long ones both come.
RUNS = st.lists(
    st.tuples(st.sampled_from([True, False, None]), st.integers(1, 12)), min_size=1, max_size=25
)


def history(runs):
    return [holds for holds, length in runs for _ in range(length)]


def played(truths, begin=0, kept=None):
    """Return the events, as time and "raised" or "closed", and what is kept at the end."""
    kept = dict(kept or {})
    events = []
    for n, holds in enumerate(truths, begin):
        now_ms = T0 + n * STEP_MS
        for was, now in follow("t", list(kept.values()), {KEY: Finding(holds)}, now_ms):
            if now is not None and now.raised_ms and not (was and was.raised_ms):
                events.append((now_ms, "raised"))
            if now is not None and now.closed_ms:
                events.append((now_ms, "closed"))
            kept = {} if now is None or now.closed_ms else {KEY: now}
    return events, kept


@given(RUNS)
def test_raised_and_closed_take_turns(runs):
    events, kept = played(history(runs))
    assert [what for _, what in events] == (["raised", "closed"] * len(events))[: len(events)]
    assert any(alert.is_open for alert in kept.values()) == (len(events) % 2 == 1)


@given(RUNS)
def test_nothing_flaps(runs):
    events, _ = played(history(runs))
    for before, after in pairwise(events):
        at_least = CLEAR if before[1] == "raised" else RAISE
        assert after[0] - before[0] >= at_least
    spent_ms = len(history(runs)) * STEP_MS
    assert len(events) <= 2 + 2 * spent_ms // (RAISE + CLEAR)


@given(RUNS)
def test_a_cause_that_lasts_is_raised_and_one_that_is_over_is_closed(runs):
    """After the longest wait of the rule the alert says what is true."""
    truths = history(runs)
    needed = max(RAISE, CLEAR) // STEP_MS + 1
    for end in range(needed, len(truths) + 1):
        tail = set(truths[end - needed : end])
        if tail not in ({True}, {False}):
            continue
        _, kept = played(truths[:end])
        assert any(alert.is_open for alert in kept.values()) is (tail == {True})


@given(RUNS, st.data())
def test_what_is_kept_is_all_that_a_new_process_needs(runs, data):
    truths = history(runs)
    cut = data.draw(st.integers(0, len(truths)))
    first, kept = played(truths[:cut])
    second, end = played(truths[cut:], cut, kept)
    assert (first + second, end) == played(truths)


FLAPS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, CLEAR // STEP_MS - 1)), min_size=6)


@given(FLAPS)
def test_what_comes_and_goes_all_the_time_is_raised_once(flaps):
    """A connection that breaks every other minute is no connection."""
    truths = [holds for on, off in flaps for holds in [True] * on + [False] * off]
    events, _ = played(truths)
    assert [what for _, what in events] == ["raised"]


# --- The whole of a fleet ----------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["online", "offline", "lost", "rolled_back"]) | ANYTHING,
        "video": st.sampled_from([None, "covered", "dark"]) | ANYTHING,
        "time": st.sampled_from(["ntp", "unsynced"]) | ANYTHING,
        "at": st.sampled_from(["2026-01-01T00:00:00Z", "2027-01-01T00:00:00", "?"]) | ANYTHING,
        "queue": st.sampled_from([0, 5, 10**6, -1]) | ANYTHING,
        "interval_s": st.sampled_from([60, 900]) | ANYTHING,
        "lines": st.sampled_from([[], [{"id": "a"}]]) | ANYTHING,
        "software": st.sampled_from(["1", "2"]) | ANYTHING,
        "file": st.just({"state": "rejected"}) | ANYTHING,
    },
)
TIMES = st.integers(T0 - 10**8, T0 + 10**8)
TOLD = st.builds(Told, BODIES, TIMES, st.booleans(), st.none() | TIMES)
LAST = st.builds(
    LastRecords, TIMES, TIMES, st.sampled_from([0.0, 0.5, 1.0]), st.just("dark"),
    st.sampled_from(["ntp", "unsynced"]),
    st.dictionaries(st.just("door"), st.none() | st.just("c")),
)  # fmt: skip
LEAVES = ("status", "info", "health", "config/reported")
FACTS = st.builds(
    Facts, st.sampled_from("abcdef"), st.just("t"), st.sampled_from(Registration),
    is_open=st.none() | st.booleans(),
    told=st.dictionaries(st.sampled_from(LEAVES), TOLD), last=st.none() | LAST,
    heard_ms=st.none() | TIMES, missing=st.none() | st.integers(0, 9),
    rivals=st.sampled_from([(), ("z",)]),
)  # fmt: skip
FLEETS = st.lists(FACTS, max_size=4, unique_by=lambda each: each.dev)


@settings(max_examples=50)
@given(FLEETS, TIMES)
def test_every_device_is_in_exactly_one_state(of, now_ms):
    rows = fleet(of, now_ms)
    assert [row.dev for row in rows] == [each.dev for each in of]
    found = findings(rows)
    for row in rows:
        assert row.presence in set(Presence)
        presences = (Code.LOST, Code.OFFLINE, Code.SILENT, Code.NEVER_SEEN)
        assert sum(found[row.dev, c].holds is True for c in presences if (row.dev, c) in found) <= 1
        if row.presence in {Presence.LOST, Presence.OFFLINE, Presence.NEVER_SEEN}:
            assert (row.video, row.clock, row.backlog) == (None, Clock.UNKNOWN, None)


@settings(max_examples=25)
@given(st.lists(st.tuples(FLEETS, st.integers(1, 20)), max_size=6))
def test_of_a_device_and_a_code_one_alert_is_open_at_a_time(looks):
    kept, opened, closed = [], defaultdict(int), defaultdict(int)
    now_ms = T0
    for of, minutes in looks:
        now_ms += minutes * STEP_MS
        for was, now in follow("t", kept, findings(fleet(of, now_ms)), now_ms):
            one = now or was
            opened[one.dev, one.code] += bool(now and now.raised_ms and not (was and was.raised_ms))
            closed[one.dev, one.code] += bool(now and now.closed_ms)
            kept = [each for each in kept if each is not was]
            kept += [now] if now is not None and now.closed_ms is None else []
        keys = [(each.dev, each.code) for each in kept]
        assert len(keys) == len(set(keys))
        is_open = {(each.dev, each.code) for each in kept if each.is_open}
        assert {key for key in opened if opened[key] > closed[key]} == is_open
        assert all(0 <= opened[key] - closed[key] <= 1 for key in opened)
