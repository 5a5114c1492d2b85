"""Damaged files under the real outbox: 500 seeded corruptions of the database and its log.

After each of them the outbox starts and appends; every record whose own bytes are still whole
somewhere in the files is there under its old key, delivered only if it was; nothing is there
that was never written; and what is missing is named. What is whole is found out by looking for
the known text and checksum of every record in the bytes of the files, not by the product.

A share of the runs belongs to every test run; all of them run with `--chaos`. CHAOS_SEED gives
another first seed.
"""

import copy
import faulthandler
import os
import random
import re
import shutil
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.messages import counts_message
from edge.records import parse_counts, verify_chain
from edge.vocabulary import Bucket, CountBucket, Outcome, Provenance, TimeQuality

DEV = "lobby-1"
SEEDS, SHARE = 500, 60
WHILE_RUNNING, SHARE_WHILE_RUNNING = 100, 15
FIRST_SEED = int(os.environ.get("CHAOS_SEED", "0"))
NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
EVERYTHING = (-(10**11), 10**14)
PAGE = 4096
HANGS_AFTER_S = 30.0

Key = tuple[str, int]


def bucket(index: int) -> CountBucket:
    start_ms = int(NOON * 1000) + index * 900_000
    return CountBucket(
        ("door", "side", "back")[index % 3], start_ms, start_ms + 900_000,
        {Outcome.IN: index % 7, Outcome.OUT: 1}, 1.0, None, TimeQuality.NTP, Provenance("c", "m"),
    )  # fmt: skip


@dataclass
class Original:
    """An undamaged outbox, and everything that was ever written to it."""

    folder: Path
    bodies: dict[Key, str] = field(default_factory=dict)
    delivered: set[Key] = field(default_factory=set)
    waiting: list[Bucket] = field(default_factory=list)
    settled: list[Bucket] = field(default_factory=list)
    made: int = 0

    def append(self, outbox: SqliteOutbox, count: int, settled: int = 0) -> None:
        ids = [each.id for each in outbox.waiting()[:settled]]
        dated, self.waiting = self.waiting[:settled], self.waiting[settled:]
        self.settled += dated
        buckets = [*dated, *(bucket(self.made + n) for n in range(count))]
        self.made += count
        outbox.append(buckets, settled=ids)
        last = max([seq for stream, seq in self.bodies if stream == outbox.stream], default=0)
        for record in outbox.between(*EVERYTHING, 10**6, last):
            self.bodies[record.stream, record.seq] = record.body

    def retire(self, outbox: SqliteOutbox, upto: int) -> None:
        outbox.retire(outbox.stream, upto)
        self.delivered |= {key for key in self.bodies if key[0] == outbox.stream and key[1] <= upto}

    def wait(self, outbox: SqliteOutbox, count: int) -> None:
        buckets = [bucket(self.made + n) for n in range(count)]
        self.made += count
        outbox.wait(buckets, boot="an earlier one", guess_ms=7)
        self.waiting += buckets


def build(folder: Path, work: Callable[[Original, SqliteOutbox], None], close: bool) -> Original:
    """Make an outbox and keep its files, as they are on the disk while it is open or after."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    original = Original(folder / "files")
    outbox = SqliteOutbox(scratch / "outbox.sqlite", DEV, utc=lambda: NOON)
    work(original, outbox)
    if close:
        outbox.close()
    shutil.copytree(scratch, original.folder, ignore=shutil.ignore_patterns("*-shm"))
    outbox.close()
    return original


def few(original: Original, outbox: SqliteOutbox) -> None:
    original.append(outbox, 3)


def many(original: Original, outbox: SqliteOutbox) -> None:
    for n in range(30):
        original.append(outbox, 40)
        original.retire(outbox, 40 * n)


def everything(original: Original, outbox: SqliteOutbox) -> None:
    original.append(outbox, 20)
    outbox.begin_stream()
    original.append(outbox, 30)
    original.retire(outbox, 10)
    original.wait(outbox, 9)
    original.append(outbox, 0, settled=5)
    outbox.begin_stream()
    for _ in range(12):
        original.append(outbox, 3)
    original.wait(outbox, 6)
    original.retire(outbox, 8)
    outbox.commit(outbox.stream, 4)
    original.delivered -= {(outbox.stream, seq) for seq in range(5, 9)}


def waiting_only(original: Original, outbox: SqliteOutbox) -> None:
    for _ in range(20):
        original.wait(outbox, 3)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Original]:
    folder = tmp_path_factory.mktemp("originals")
    return [
        build(folder / f"{work.__name__}-{close}", work, close)
        for work in (few, many, everything, waiting_only)
        for close in (True, False)
    ]


def flip(data: bytearray, rng: random.Random) -> None:
    """Turn some bits over, one more often than not."""
    for _ in range(rng.choice((1, 1, 1, 2, 20))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_in_front(data: bytearray, rng: random.Random) -> None:
    """Turn one bit over in the header or the schema."""
    data[rng.randrange(min(len(data), rng.choice((100, PAGE))))] ^= 1 << rng.randrange(8)


def run_of_bytes(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.randint(1, 3000))
    data[start:end] = rng.randbytes(end - start)


def page_gone(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data)) // PAGE * PAGE
    end = min(len(data), start + PAGE)
    data[start:end] = bytes(end - start) if rng.random() < 0.5 else rng.randbytes(end - start)


def pages_swapped(data: bytearray, rng: random.Random) -> None:
    pages = len(data) // PAGE
    if pages > 1:
        a, b = (PAGE * n for n in rng.sample(range(pages), 2))
        data[a : a + PAGE], data[b : b + PAGE] = data[b : b + PAGE], data[a : a + PAGE]


def cut_off(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((0, rng.randrange(len(data)), rng.randrange(len(data)) // PAGE * PAGE))
    del data[size:]


def garbage_behind(data: bytearray, rng: random.Random) -> None:
    data.extend(rng.randbytes(rng.randint(1, 3 * PAGE)))


IN_PLACE = (flip, flip_in_front, run_of_bytes, page_gone)
DAMAGES = (*IN_PLACE, flip, pages_swapped, cut_off, garbage_behind)


def damage(
    folder: Path, rng: random.Random, kinds: tuple[Callable[[bytearray, random.Random], None], ...]
) -> str:
    """Damage one or two places of the files; return what was done."""
    done = []
    for _ in range(rng.choice((1, 1, 2))):
        path = rng.choice([p for p in outbox_files(folder) if p.stat().st_size] or [None])
        if path is None:
            break
        kind = rng.choice(kinds)
        data = bytearray(path.read_bytes())
        kind(data, rng)
        with path.open("r+b") as file:  # in place: it may be open
            file.write(data)
            file.truncate()
        done.append(f"{kind.__name__} {path.name}")
    return ", ".join(done)


def outbox_files(folder: Path) -> list[Path]:
    return [p for tail in ("", "-wal") if (p := folder / f"outbox.sqlite{tail}").exists()]


def copies(original: Original, folder: Path) -> dict[Key, int]:
    """Return how often the text and checksum of each record stand in the files."""
    data = b"".join(path.read_bytes() for path in outbox_files(folder))
    return {
        key: data.count(body.encode() + written(zlib.crc32(f"{key[1]}:{body}".encode())))
        for key, body in original.bodies.items()
    }


def written(crc: int) -> bytes:
    """Return an integer as it stands in a row: big-endian, signed, as short as it goes."""
    return crc.to_bytes(next(n for n in (1, 2, 3, 4, 6) if crc < 1 << 8 * n - 1), "big")


@contextmanager
def limit() -> Iterator[None]:
    """End the process, with the stacks of all threads, when something hangs."""
    faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def all_records(outbox: SqliteOutbox) -> dict[Key, str]:
    return {
        (record.stream, record.seq): record.body
        for stream in outbox.streams(retired=True)
        for record in outbox.between(*EVERYTHING, 10**6, 0, stream)
    }


def pending(outbox: SqliteOutbox) -> set[Key]:
    return {
        (stream, r.seq) for stream in outbox.streams() for r in outbox.pending(10**6, stream=stream)
    }


def faults_of(original: Original, intact: set[Key], outbox: SqliteOutbox) -> Iterator[str]:
    """Say what is wrong with an outbox on damaged files, after appending to it."""
    before, trouble = outbox.stream, outbox.trouble
    new = [bucket(10**5 + n) for n in range(4)]
    tip = outbox.tip()
    outbox.append(new)
    records = all_records(outbox)
    added = {
        (record.stream, record.seq)
        for record in outbox.between(*EVERYTHING, 10**6, tip.seq if outbox.stream == before else 0)
    }
    yield from _faults_of_the_new(original, outbox, new, added)
    here = records.keys() - added
    for key in here:
        if original.bodies.get(key) != records[key]:
            yield f"{key} was never written: {records[key]}"
    for key in intact - here:
        yield f"{key} is whole in the file, and not in the outbox"
    for key in (here - pending(outbox)) - original.delivered:
        yield f"{key} counts as delivered"
    for stream, seq in original.bodies.keys() - here:
        if trouble is None or not names(trouble, stream, seq, here):
            yield f"{stream} {seq} is missing, and not named: {trouble}"
    yield from _faults_of_waiting(original, outbox, trouble)


def _faults_of_the_new(
    original: Original, outbox: SqliteOutbox, new: list[CountBucket], added: set[Key]
) -> Iterator[str]:
    stream = outbox.stream
    if len(added) != len(new):
        yield f"{len(added)} records came of {len(new)} intervals"
    if reused := added & original.bodies.keys():
        yield f"numbers used twice: {sorted(reused)}"
    stored = outbox.between(*EVERYTHING, 10**6)
    known = parse_counts(counts_message("t", DEV, stream, stored).payload)
    if [r.seq for r in known] != list(range(1, len(known) + 1)):
        yield f"gaps in the present stream: {[r.seq for r in known]}"
    verify_chain(known)
    totals: dict[str, tuple[int, int]] = {}
    for record in known:
        tot_in, tot_out = totals.get(record.line, (0, 0))
        totals[record.line] = tot_in + record.entered, tot_out + record.left
        if totals[record.line] != (record.tot_in, record.tot_out):
            yield f"record {record.seq} has wrong totals"


def names(trouble: str, stream: str, seq: int, here: set[Key]) -> bool:
    """Whether a sentence tells of a missing record.

    It names gaps, and from where on there are any; what was before that may be long delivered.
    """
    part = re.search(rf"stream {stream}[^;]*", trouble)
    found = sorted(n for s, n in here if s == stream)
    if part is None:
        # Of a stream of which nothing is left only the last one can be known.
        return not found and stream not in {s for s, _ in here}
    if found and seq < found[0]:
        return str(found[0]) in part[0]
    spans = re.findall(r"(\d+)(?:–(\d+))?", part[0].partition("missing")[2])
    return any(int(a) <= seq <= int(b or a) for a, b in spans)


def _faults_of_waiting(
    original: Original, outbox: SqliteOutbox, trouble: str | None
) -> Iterator[str]:
    waiting = [w.bucket for w in outbox.waiting()]
    for each in waiting:
        if each not in original.waiting:
            known = each in original.settled
            yield f"an interval waits {'again' if known else 'that never did'}: {each}"
    if len(set(map(str, waiting))) != len(waiting):
        yield "an interval waits twice"
    if trouble is None and waiting != original.waiting:
        yield "intervals that waited are missing, and not named"


def run_one(original: Original, folder: Path, seed: int) -> list[str]:
    rng = random.Random(f"damage {seed}")
    shutil.copytree(original.folder, folder)
    done = damage(folder, rng, DAMAGES)
    intact = {key for key, count in copies(original, folder).items() if count}
    with limit():
        outbox = SqliteOutbox(folder / "outbox.sqlite", DEV, utc=lambda: NOON)
        faults = list(faults_of(original, intact, outbox))
        records, kept, waiting = all_records(outbox), pending(outbox), outbox.waiting()
        outbox.close()
        outbox = SqliteOutbox(folder / "outbox.sqlite", DEV, utc=lambda: NOON)
        if (outbox.trouble, all_records(outbox)) != (None, records):
            faults.append(f"not the same after a restart: {outbox.trouble}")
        if (pending(outbox), outbox.waiting()) != (kept, waiting):
            faults.append("other records are pending or other intervals wait after a restart")
        outbox.close()
    return [f"seed {seed} ({original.folder.parent.name}; {done}): {fault}" for fault in faults]


def run_one_open(original: Original, folder: Path, seed: int) -> list[str]:
    """Damage the files while they are in use; then work on, and start again.

    SQLite does not look at its log again while it runs, and does away with it in the end. So a
    record may be lost when any copy of it was hit, and no other.
    """
    rng = random.Random(f"open {seed}")
    original = copy.deepcopy(original)
    shutil.copytree(original.folder, folder)
    with limit():
        outbox = SqliteOutbox(folder / "outbox.sqlite", DEV, utc=lambda: NOON)
        if rng.random() < 0.5:
            original.append(outbox, rng.randint(1, 8))
        before = copies(original, folder)
        done = damage(folder, rng, IN_PLACE)
        after = copies(original, folder)
        spared = {key for key in before if after[key] == before[key]}
        works: list[Callable[[], object]] = [
            lambda: outbox.pending(10**6),
            outbox.waiting,
            outbox.depth,
            lambda: outbox.retire("0" * 16, 3),
            lambda: outbox.wait([bucket(5)], draft=True),
        ]
        for work in rng.sample(works, 3):
            work()
        outbox.append([bucket(10**6)])
        (last,) = outbox.between(*EVERYTHING, 10, outbox.tip().seq - 1)
        original.bodies[last.stream, last.seq] = last.body
        trouble = outbox.trouble
        outbox.close()
        outbox = SqliteOutbox(folder / "outbox.sqlite", DEV, utc=lambda: NOON)
        there = all_records(outbox)
        faults = [f"{key} is lost" for key in {*spared, (last.stream, last.seq)} - there.keys()]
        faults += [
            f"{key} was never written" for key in there if original.bodies.get(key) != there[key]
        ]
        if original.bodies.keys() - there.keys() and not (outbox.trouble or trouble):
            faults.append("something is missing, and nothing is said of it")
        outbox.close()
    return [f"seed {seed} ({original.folder.parent.name}; {done}): {fault}" for fault in faults]


def campaign(
    originals: list[Original],
    folder: Path,
    seeds: range,
    run: Callable[[Original, Path, int], list[str]],
) -> list[str]:
    faults = []
    fds, threads = len(os.listdir("/proc/self/fd")), threading.active_count()  # noqa: PTH208
    for seed in seeds:
        original = originals[seed % len(originals)]
        try:
            faults += run(original, folder / "one", seed)
        except Exception as error:
            faults.append(f"seed {seed} ({original.folder.parent.name}): {error!r}")
        shutil.rmtree(folder / "one")
    assert len(os.listdir("/proc/self/fd")) == fds  # noqa: PTH208
    assert threading.active_count() == threads
    return faults


def seeds(count: int) -> range:
    return range(FIRST_SEED, FIRST_SEED + count)


@pytest.mark.parametrize(
    "count", [SHARE, pytest.param(SEEDS, marks=pytest.mark.chaos)], ids=["share", "all"]
)
def test_damage_costs_what_it_hit_and_nothing_else(
    originals: list[Original], tmp_path: Path, count: int
) -> None:
    faults = campaign(originals, tmp_path, seeds(count), run_one)
    failed = {fault.partition(":")[0] for fault in faults}
    print(f"\n{count} corruptions, {len(failed)} with faults")
    assert faults == []


@pytest.mark.parametrize(
    "count",
    [SHARE_WHILE_RUNNING, pytest.param(WHILE_RUNNING, marks=pytest.mark.chaos)],
    ids=["share", "all"],
)
def test_damage_of_files_in_use(originals: list[Original], tmp_path: Path, count: int) -> None:
    faults = campaign(originals, tmp_path, seeds(count), run_one_open)
    failed = {fault.partition(":")[0] for fault in faults}
    print(f"\n{count} corruptions of files in use, {len(failed)} with faults")
    assert faults == []
