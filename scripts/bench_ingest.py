"""How many records a second the backend's receiver checks and commits, on each database.

    scripts/bench ingest [--json] [--seconds 5] [--devices 20]

"batch" is one transaction of one message from each of 20 devices with 8 records each (two
lines, two hours), "row" one transaction a record. Both parse, check and commit as the
receiver does, with the disk writing what is committed; MQTT is not in it. PostgreSQL is a
temporary cluster of its own on this machine, with its default settings. What the disk needs
for one flush is printed beside, because "row" measures little else.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

from ingestion.fleet import Fleet, Sent

from evaluation.database import Database
from evaluation.ingest import read
from evaluation.lab_database import LabDatabase, binaries
from evaluation.store import Store

RECORDS_PER_MESSAGE = 8
FLUSHES = 200


@dataclass(frozen=True)
class Row:
    """One database in one mode."""

    database: str
    mode: str
    records_per_transaction: int
    records: int
    seconds: float
    records_per_s: float
    transactions_per_s: float


def measured(url: str, mode: str, seconds: float, devices: int) -> Row:
    fleet = Fleet(devices)
    records = transactions = 0
    spent = 0.0
    with closing(Database(url)) as database:
        database.prepare()
        store = Store(database)
        while spent < seconds:
            for batch in batches(fleet, mode):  # made outside of the time that is measured
                began = time.perf_counter()
                done = store.commit([read(*each) for each in batch], round(time.time() * 1000))
                spent += time.perf_counter() - began
                records += done.new_records
                transactions += 1
    return Row(
        "SQLite" if url.startswith("sqlite") else "PostgreSQL", mode,
        round(records / transactions), records, round(spent, 2), round(records / spent),
        round(transactions / spent, 1),
    )  # fmt: skip


def batches(fleet: Fleet, mode: str) -> Iterator[list[Sent]]:
    if mode == "batch":
        yield fleet.round(RECORDS_PER_MESSAGE)
    else:
        yield from ([message] for message in fleet.round(1))


def flush_ms(folder: Path) -> float:
    """What this disk needs to write 8 kB and be sure of it."""
    with (folder / "flush").open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(FLUSHES):
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
        return 1000 * (time.perf_counter() - began) / FLUSHES


def main() -> None:
    options = _options()
    rows = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        flush = round(flush_ms(folder), 3)
        urls = [f"sqlite:///{folder}/{{}}.db"]
        lab = None
        if binaries() is None:
            print("PostgreSQL is left out: there is none on this machine", file=sys.stderr)
        else:
            lab = stack.enter_context(LabDatabase(durable=True))
            urls.append("")
        for url in urls:
            for mode in ("batch", "row"):
                place = url.format(mode) if url or lab is None else lab.new_database()
                rows.append(measured(place, mode, options.seconds, options.devices))
    if options.json:
        print(json.dumps({"flush_ms": flush, "rows": [asdict(row) for row in rows]}, indent=1))
        return
    print(f"{'database':11} {'mode':6} {'records/tx':>10} {'records/s':>10} {'tx/s':>8}")
    for row in rows:
        print(
            f"{row.database:11} {row.mode:6} {row.records_per_transaction:>10}"
            f" {row.records_per_s:>10} {row.transactions_per_s:>8}"
        )
    print(f"one flush of this disk: {flush} ms")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each of the four rows")
    parser.add_argument("--devices", type=int, default=20, help="messages in a batch")
    return parser.parse_args()


if __name__ == "__main__":
    main()
