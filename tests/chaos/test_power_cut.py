"""Power cuts under the real outbox: 200 seeded runs on a disk that drops what was not synced.

What had returned before the cut is there, byte for byte; what was under way is there as a whole
or not at all; and nothing of it ever looks like damage. The same on `synchronous = NORMAL` has
to lose some, or the test would not see losses.

A share of the runs belongs to every test run; all of them run with `--chaos`. CHAOS_SEED gives
another first seed.
"""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.errors import OutboxError
from edge.messages import counts_message
from edge.records import parse_counts, verify_chain
from edge.vocabulary import Bucket, CountBucket, Outcome, Provenance, TimeQuality
from tests.chaos.power_cut import Connection, Disk, FileSystem, PowerCut

DEV = "lobby-1"
SEEDS = 200
SHARE = 25
ROUNDS = 3
"""Cuts in a row on one file: the next begins with what the last one left."""
FIRST_SEED = int(os.environ.get("CHAOS_SEED", "0"))
NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
LINES = ("door", "side", "back")
EVERYTHING = (-(10**11), 10**14)

files = FileSystem("lossy")


@dataclass(frozen=True)
class Row:
    """A record as the test knows it; `body` once it has been read back."""

    seq: int
    line: str
    t0_ms: int
    entered: int
    left: int
    tot_in: int
    tot_out: int
    body: str | None = None

    def is_like(self, other: "Row") -> bool:
        if self.body is None:
            return replace(other, body=None) == self
        return other == self


@dataclass(frozen=True)
class Stream:
    """One stream: its id (None: not read yet), records, and which of them are delivered."""

    id: str | None
    rows: tuple[Row, ...] = ()
    retired: frozenset[int] = frozenset()


@dataclass(frozen=True)
class State:
    """What the outbox holds. Drafts wait only after the next start."""

    streams: tuple[Stream, ...] = (Stream(None),)
    waiting: tuple[tuple[Bucket, str | None, int], ...] = ()
    drafts: tuple[tuple[Bucket, str | None, int], ...] = ()

    @property
    def present(self) -> Stream:
        return self.streams[-1]

    def appended(self, buckets: list[CountBucket], settled: int) -> "State":
        rows = list(self.present.rows)
        for bucket in buckets:
            same = [r for r in rows if r.line == bucket.line]
            tot_in, tot_out = (same[-1].tot_in, same[-1].tot_out) if same else (0, 0)
            entered, left = bucket.counts[Outcome.IN], bucket.counts[Outcome.OUT]
            rows.append(
                Row(
                    len(rows) + 1, bucket.line, bucket.t0_ms, entered, left,
                    tot_in + entered, tot_out + left,
                )
            )  # fmt: skip
        present = replace(self.present, rows=tuple(rows))
        return State((*self.streams[:-1], present), self.waiting[settled:])

    def waited(self, rows: list[tuple[Bucket, str | None, int]], draft: bool) -> "State":
        if draft:
            return replace(self, drafts=tuple(rows))
        return replace(self, waiting=(*self.waiting, *rows), drafts=())

    def with_spans(self, index: int, spans: list[tuple[int, int]], exactly: bool) -> "State":
        stream = self.streams[index]
        known = {r.seq for r in stream.rows if any(a <= r.seq <= b for a, b in spans)}
        retired = known if exactly else known | stream.retired
        streams = list(self.streams)
        streams[index] = replace(stream, retired=frozenset(retired))
        return replace(self, streams=tuple(streams))

    def restarted(self) -> "State":
        return replace(self, waiting=(*self.waiting, *self.drafts), drafts=())

    def with_what_was_read(self, found: "State") -> "State":
        """Take ids and bodies from what was read, which is like this."""
        read = {(s.id, row.seq): row for s in found.streams for row in s.rows}
        streams = list(self.streams)
        if found.present.rows:
            streams[-1] = replace(self.present, id=found.present.id)
        for index, stream in enumerate(streams):
            rows = tuple(read.get((stream.id, row.seq), row) for row in stream.rows)
            streams[index] = replace(stream, rows=rows)
        return replace(self, streams=tuple(streams))


class Run:
    """Random work on one outbox until the power is cut."""

    def __init__(
        self, path: Path, rng: random.Random, state: State, synchronous: str, quota_mb: float
    ) -> None:
        self._path, self._rng, self._synchronous = path, rng, synchronous
        self._quota_mb = quota_mb
        self.refused = 0
        self.state = self.maybe = state
        self._boot = f"boot-{rng.randrange(10**9)}"

    def go(self, cut_at: int, steps: int) -> None:
        """Work until the cut or the end; `state` is what had returned, `maybe` what may be too."""
        files.disk = disk = Disk(self._rng, cut_at)
        beside = self._others()
        try:
            outbox = SqliteOutbox(
                self._path,
                DEV,
                utc=lambda: NOON,
                quota_mb=self._quota_mb,
                connect=lambda path: Connection(path, files, self._synchronous),
            )
            self._returned(outbox)
            for _ in range(steps):
                beside = self._others()
                try:
                    self._step(outbox)
                except OutboxError as error:
                    self.refused += "full" in str(error)
                    self.maybe = self.state
                self._returned(outbox)
        except PowerCut:
            pass
        disk.settle()
        # The cut may have come while a file was written that SQLite knows nothing of.
        if self._synchronous == "FULL" and self._rng.random() < 0.3:
            for path, data in beside.items():
                now = path.read_bytes() if path.exists() else b""
                torn = now[: self._rng.randrange(len(now) + 1)] + data[len(now) :]
                path.write_bytes(self._rng.choice((data, torn)))

    def _others(self) -> dict[Path, bytes]:
        own = {self._path.name + tail for tail in ("", "-wal", "-journal")}
        return {p: p.read_bytes() for p in self._path.parent.iterdir() if p.name not in own}

    def _returned(self, outbox: SqliteOutbox) -> None:
        self.state = self.maybe = with_bodies(self.maybe, outbox)

    def _step(self, outbox: SqliteOutbox) -> None:
        choice = self._rng.random()
        if choice < 0.45:
            self._append(outbox)
        elif choice < 0.60:
            self._wait(outbox)
        elif choice < 0.70:
            stream = self._some_stream()
            upto = self._rng.randrange(len(self.state.streams[stream].rows) + 2)
            self.maybe = self.state.with_spans(stream, [(1, upto)], exactly=False)
            outbox.retire(self.state.streams[stream].id, upto)
        elif choice < 0.90 and self._quota_mb > 1:
            self._commit(outbox)  # at a quota what is pending again may have made room
        elif choice < 0.94:
            self.maybe = replace(self.state, streams=(*self.state.streams, Stream(None)))
            outbox.begin_stream()
        else:
            assert outbox.depth() == sum(len(s.rows) - len(s.retired) for s in self.state.streams)

    def _append(self, outbox: SqliteOutbox) -> None:
        buckets = [self._bucket() for _ in range(self._rng.randint(1, 8))]
        settled = 0
        if self.state.waiting and self._rng.random() < 0.5:
            settled = self._rng.randint(1, len(self.state.waiting))
        ids = [each.id for each in outbox.waiting()[:settled]]
        self.maybe = self.state.appended(buckets, settled)
        outbox.append(buckets, settled=ids)

    def _wait(self, outbox: SqliteOutbox) -> None:
        draft = self._rng.random() < 0.6
        boot = self._rng.choice((None, self._boot))
        guess_ms = self._rng.randrange(10**12)
        buckets = [self._bucket() for _ in range(self._rng.randint(1, 4))]
        self.maybe = self.state.waited([(b, boot, guess_ms) for b in buckets], draft)
        outbox.wait(buckets, boot=boot, guess_ms=guess_ms, draft=draft)

    def _commit(self, outbox: SqliteOutbox) -> None:
        index = self._some_stream()
        stream = self.state.streams[index]
        upto = self._rng.randrange(len(stream.rows) + 1)
        first = upto + 1 + self._rng.randrange(4)
        have = [(first, first + self._rng.randrange(5))] if self._rng.random() < 0.6 else []
        self.maybe = self.state.with_spans(index, [(1, upto), *have], exactly=True)
        outbox.commit(stream.id, upto, have)

    def _some_stream(self) -> int:
        return self._rng.randrange(len(self.state.streams))

    def _bucket(self) -> CountBucket:
        at_ms = int(NOON * 1000) + self._rng.randrange(10**9)
        counts = {Outcome.IN: self._rng.randrange(99), Outcome.OUT: self._rng.randrange(99)}
        return CountBucket(
            self._rng.choice(LINES), at_ms, at_ms + 900_000, counts,
            1.0, None, TimeQuality.NTP, Provenance("c", "m"),
        )  # fmt: skip


def rows_of(outbox: SqliteOutbox, stream: str, after: int = 0) -> Iterator[Row]:
    stored = outbox.between(*EVERYTHING, 10**6, after, stream)
    if not stored:
        return
    for record in parse_counts(counts_message("t", DEV, stream, stored).payload):
        body = next(s.body for s in stored if s.seq == record.seq)
        yield Row(
            record.seq, record.line, record.t0_ms, record.entered, record.left,
            record.tot_in, record.tot_out, body,
        )  # fmt: skip


def with_bodies(state: State, outbox: SqliteOutbox) -> State:
    """Read back what was just written, once."""
    present = replace(state.present, id=outbox.stream)
    known = len(state.present.rows)
    known = next((n for n, row in enumerate(present.rows) if row.body is None), known)
    new = list(rows_of(outbox, outbox.stream, known))
    assert len(new) == len(present.rows) - known
    assert all(a.is_like(b) for a, b in zip(present.rows[known:], new, strict=True))
    present = replace(present, rows=(*present.rows[:known], *new))
    return replace(state, streams=(*state.streams[:-1], present))


def seen(outbox: SqliteOutbox) -> State:
    """Return what an outbox holds."""
    streams = []
    for stream in dict.fromkeys((*outbox.streams(retired=True), outbox.stream)):
        rows = tuple(rows_of(outbox, stream))
        if rows and [row.seq for row in rows] == list(range(1, len(rows) + 1)):
            stored = outbox.between(*EVERYTHING, 10**6, 0, stream)
            verify_chain(parse_counts(counts_message("t", DEV, stream, stored).payload))
        kept = {record.seq for record in outbox.pending(10**6, 0, stream)}
        retired = frozenset(row.seq for row in rows) - kept
        streams.append(Stream(stream, rows, retired))
    waiting = tuple((w.bucket, w.boot, w.guess_ms) for w in outbox.waiting())
    return State(tuple(streams), waiting)


def difference(wanted: State, found: State, lean: bool) -> str:
    """Say how two states differ; empty when they do not. Empty earlier streams leave no trace.

    lean: at a quota delivered records make room, so only the others have to be there.
    """
    if lean:
        wanted, found = without_delivered(wanted), without_delivered(found)
    streams = [s for s in wanted.streams[:-1] if s.rows] + [wanted.present]
    if len(streams) != len(found.streams):
        return f"{len(found.streams)} streams in the place of {len(streams)}"
    for old, new in zip(streams, found.streams, strict=True):
        if wrong := difference_of_streams(old, new):
            return wrong
    return "" if wanted.waiting == found.waiting else "other intervals wait"


def difference_of_streams(old: Stream, new: Stream) -> str:
    if old.id is not None and old.id != new.id:
        return f"stream {new.id} in the place of {old.id}"
    if len(old.rows) != len(new.rows):
        return f"{len(new.rows)} records in the place of {len(old.rows)}"
    for a, b in zip(old.rows, new.rows, strict=True):
        if not a.is_like(b):
            return f"{b} in the place of {a}"
    if old.retired != new.retired:
        return f"delivered {sorted(new.retired)} in the place of {sorted(old.retired)}"
    return ""


def without_delivered(state: State) -> State:
    kept = [
        Stream(s.id, tuple(row for row in s.rows if row.seq not in s.retired))
        for s in state.streams
    ]
    return State((*(s for s in kept[:-1] if s.rows), kept[-1]), state.waiting)


@dataclass
class Tally:
    """What a campaign found."""

    seeds: int = 0
    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    seeds_with_loss: int = 0
    unnoticed: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.seeds} seeds, {self.cuts} power cuts, {self.acknowledged} records acknowledged,"
            f" {self.refused} writes refused at a quota,"
            f" {self.lost} lost in {self.seeds_with_loss} seeds, {len(self.faults)} faults"
        )


def campaign(folder: Path, seeds: range, synchronous: str) -> Tally:
    tally = Tally()
    for seed in seeds:
        rng = random.Random(f"{seed} {synchronous}")
        path = folder / f"{synchronous}-{seed}" / "outbox.sqlite"
        path.parent.mkdir()
        tally.seeds += 1
        quota_mb = rng.choice((200.0, 200.0, 0.06))
        state: State | None = State()
        for round_ in range(ROUNDS):
            run = Run(path, rng, state, synchronous, quota_mb)
            longest = rng.choice((20, 150, 600))
            run.go(cut_at=rng.randrange(longest), steps=rng.randint(5, 40))
            tally.cuts += 1
            tally.refused += run.refused
            copy = path.parent / "copy"
            shutil.copytree(path.parent, copy, dirs_exist_ok=True)
            lean = quota_mb < 1
            state = after_the_cut(copy / path.name, run, lean, tally, f"seed {seed}.{round_}")
            shutil.rmtree(copy)
            if state is None:
                break
        shutil.rmtree(path.parent)
    return tally


def after_the_cut(path: Path, run: Run, lean: bool, tally: Tally, name: str) -> State | None:
    """Open what has survived and judge it; None when it is not worth going on."""
    try:
        outbox = SqliteOutbox(path, DEV, utc=lambda: NOON)
    except OutboxError as error:
        tally.faults.append(f"{name}: {error}")
        return None
    found = seen(outbox)
    trouble = outbox.trouble
    outbox.close()
    asked = without_delivered(run.state) if lean else run.state
    acknowledged = [row.body for stream in asked.streams for row in stream.rows]
    here = {row.body for stream in found.streams for row in stream.rows}
    lost = sum(body not in here for body in acknowledged)
    tally.acknowledged += len(acknowledged)
    tally.lost += lost
    tally.seeds_with_loss += lost > 0
    tally.unnoticed += lost > 0 and trouble is None
    wrong = []
    for possible in (run.maybe.restarted(), run.state.restarted()):
        wrong.append(difference(possible, found, lean))
        if trouble is None and not wrong[-1]:
            return possible.with_what_was_read(found)
    tally.faults.append(f"{name}: {trouble or wrong}")
    return None


def seeds(count: int) -> range:
    return range(FIRST_SEED, FIRST_SEED + count)


@pytest.mark.parametrize(
    "count", [SHARE, pytest.param(SEEDS, marks=pytest.mark.chaos)], ids=["share", "all"]
)
def test_a_power_cut_costs_nothing_that_was_acknowledged(tmp_path: Path, count: int) -> None:
    tally = campaign(tmp_path, seeds(count), "FULL")
    print(f"\nsynchronous=FULL: {tally}")
    assert tally.faults == []
    assert tally.lost == 0
    assert tally.acknowledged > 10 * count


@pytest.mark.parametrize(
    "count", [SHARE, pytest.param(SEEDS, marks=pytest.mark.chaos)], ids=["share", "all"]
)
def test_with_less_syncing_it_costs_some(tmp_path: Path, count: int) -> None:
    tally = campaign(tmp_path, seeds(count), "NORMAL")
    print(f"\nsynchronous=NORMAL: {tally}, {tally.unnoticed} unnoticed")
    assert tally.lost > 0
    assert tally.unnoticed == 0  # a disk that only says that it has synced is found out
