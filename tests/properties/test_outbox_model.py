"""The outbox on disk answers like the one in memory, whatever is done, restarts included."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.vocabulary import (
    Bucket,
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
from tests.properties.restartable import RestartableOutbox

DEV = "lobby-1"
RAM = Path("/dev/shm")  # what is kept over a power cut is tested elsewhere
LIMIT = 10_000

times = st.integers(0, 40).map(lambda n: n * 300_000)
provenances = st.builds(Provenance, st.just("c"), st.sampled_from("mn"), st.none() | st.just("k"))


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    t0_ms = draw(times)
    looked = draw(st.booleans())
    common = {
        "t0_ms": t0_ms,
        "t1_ms": t0_ms + draw(st.integers(1, 900_000)),
        "coverage": draw(st.floats(0.01, 1)) if looked else 0.0,
        "reason": draw(st.sampled_from(CoverageReason)),
        "time_quality": draw(st.sampled_from(TimeQuality)),
        "provenance": draw(provenances),
    }
    name = draw(st.sampled_from(("door", "side")))
    if draw(st.booleans()):
        found = draw(st.dictionaries(st.sampled_from(Outcome), st.integers(0, 9)))
        doubts = Doubts(*(draw(st.integers(0, 3)) for _ in range(4)))
        return CountBucket(line=name, counts=found if looked else None, doubts=doubts, **common)
    sums = ZoneSums(*(draw(st.integers(0, 9_000)) for _ in range(7)))
    kind = draw(st.sampled_from(ZoneKind))
    return ZoneBucket(zone=name, kind=kind, sums=sums if looked else None, **common)


few = st.lists(buckets(), max_size=4)


class Outboxes(RuleBasedStateMachine):
    streams = Bundle("streams")

    @initialize(target=streams)
    def begin(self) -> str:
        self.folder = Path(tempfile.mkdtemp(dir=RAM if RAM.is_dir() else None))
        self.disk = self._open()
        self.model = RestartableOutbox(DEV, self.disk.stream)
        return self.disk.stream

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.disk.close()
            shutil.rmtree(self.folder)

    def _open(self) -> SqliteOutbox:
        return SqliteOutbox(self.folder / "outbox.db", DEV, utc=lambda: 1_767_268_800.0)

    @rule(made=few, settled=st.sets(st.integers(0, 5)))
    def append(self, made: list[Bucket], settled: set[int]) -> None:
        for outbox in (self.disk, self.model):
            ids = [each.id for n, each in enumerate(outbox.waiting()) if n in settled]
            outbox.append(made, settled=ids)

    @rule(made=few, boot=st.none() | st.sampled_from("XY"), guess_ms=st.integers(-5, 10**13))
    def wait(self, made: list[Bucket], boot: str | None, guess_ms: int) -> None:
        for outbox in (self.disk, self.model):
            outbox.wait(made, boot=boot, guess_ms=guess_ms)

    @rule(made=few, boot=st.none() | st.sampled_from("XY"), guess_ms=st.integers(-5, 10**13))
    def draft(self, made: list[Bucket], boot: str | None, guess_ms: int) -> None:
        for outbox in (self.disk, self.model):
            outbox.wait(made, boot=boot, guess_ms=guess_ms, draft=True)

    @rule()
    def keep_draft(self) -> None:
        for outbox in (self.disk, self.model):
            outbox.keep_draft()

    @rule(target=streams)
    def begin_stream(self) -> str:
        for outbox in (self.disk, self.model):
            outbox.begin_stream()
        self.model.call_stream(self.disk.stream)
        return self.disk.stream

    @rule(stream=streams | st.just("f" * 16), upto=st.integers(0, 30))
    def retire(self, stream: str, upto: int) -> None:
        for outbox in (self.disk, self.model):
            outbox.retire(stream, upto)

    @rule(
        stream=streams | st.just("f" * 16),
        upto=st.integers(0, 20),
        have=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=4),
    )
    def commit(self, stream: str, upto: int, have: list[tuple[int, int]]) -> None:
        for outbox in (self.disk, self.model):
            outbox.commit(stream, upto, [(first, first + more) for first, more in have])

    @rule()
    def restart(self) -> None:
        self.disk.close()
        self.disk = self._open()
        self.model.restart()

    @rule(
        stream=st.none() | streams,
        limit=st.integers(0, 6),
        after=st.integers(0, 20),
        t0_ms=times,
        t1_ms=times,
    )
    def look(self, stream: str | None, limit: int, after: int, t0_ms: int, t1_ms: int) -> None:
        pending = [o.pending(limit, after, stream) for o in (self.disk, self.model)]
        assert pending[0] == pending[1]
        between = [o.between(t0_ms, t1_ms, limit, after, stream) for o in (self.disk, self.model)]
        assert between[0] == between[1]

    @invariant()
    def they_are_alike(self) -> None:
        if not hasattr(self, "folder"):
            return
        seen = [
            (
                outbox.stream,
                outbox.tip(),
                outbox.depth(),
                outbox.dated_until_ms,
                outbox.trouble,
                outbox.streams(),
                outbox.streams(retired=True),
                [(each.bucket, each.boot, each.guess_ms) for each in outbox.waiting()],
                [outbox.pending(LIMIT, stream=each) for each in outbox.streams()],
            )
            for outbox in (self.disk, self.model)
        ]
        assert seen[0] == seen[1]


Outboxes.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
test_the_outbox_on_disk_answers_like_the_one_in_memory = Outboxes.TestCase
