"""How long the evaluation's pages take, of a city with a year of closed months.

    scripts/demo --city --centres 12; scripts/bench pages [--centres 100] [--json]

The centres of the demo's city are repeated under other ids, with their records, days and
registers, until there are as many as asked for; their month is repeated as eleven earlier
ones. `evaluation serve` runs in a process of its own; times are those of a client over HTTP.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from visiting.server import MONTH, ROOT, SCHEME, serving
from visiting.times import pages_of, show, visited

CITY = ROOT / "out" / "demo-city" / "city.db"
TENANT = "demo-city"
_COPIED = {
    "sites": "site", "site_residents": "site", "site_hours": "site", "devices": "dev",
    "device_sites": "site dev", "device_days": "dev", "activities": "site",
    "activity_months": "site", "ratings": "site", "cases": "site",
    "registers_received": "site", "streams": "dev", "records": "dev",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench pages", description=__doc__)
    parser.add_argument("--centres", type=int, default=100)
    parser.add_argument("--requests", type=int, default=60, help="of each page and client")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not CITY.is_file():
        raise SystemExit(f"error: {CITY} is not there; make it: scripts/demo --city --centres 12")
    with tempfile.TemporaryDirectory() as folder:
        found = _measured(Path(folder), options)
    if options.json:
        print(json.dumps(found))
    else:
        print(
            f"{found['centres']} centres; the report of a month is computed in"
            f" {found['report_s']:.1f} s, beside the requests; at most {found['peak_mb']:.0f} MB"
        )
        show(found["pages"])
    return 0


def _measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    file = folder / "city.db"
    centres = _enlarged(file, options.centres)
    database = f"sqlite:///{file}"
    made_s = _report_s(database)
    pages = pages_of(TENANT, "site-001")
    with serving(database, TENANT, folder) as server:
        times = {n: visited(server.port, pages, n, options.requests) for n in options.clients}
        peak_mb = server.peak_mb
    return {"centres": centres, "report_s": made_s, "peak_mb": peak_mb, "pages": times}


def _enlarged(file: Path, centres: int) -> int:
    with sqlite3.connect(CITY) as old, sqlite3.connect(file) as new:
        old.backup(new)
        new.execute("PRAGMA synchronous = OFF")
        there = new.execute("SELECT COUNT(*) FROM sites").fetchone()[0]
        for number in range(1, -(-centres // there)):
            for table, ids in _COPIED.items():
                names = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
                taken = [f"{c} || '-{number}'" if c in ids.split() else c for c in names]
                # The sealed text is not looked at by a page.
                taken = ["''" if table == "records" and c == "body" else c for c in taken]
                query = f"INSERT INTO {table} SELECT {', '.join(taken)} FROM {table} "  # noqa: S608
                new.execute(f"{query} WHERE {ids.split()[0]} NOT GLOB '*-*-*'")
        new.commit()
        return int(new.execute("SELECT COUNT(*) FROM sites").fetchone()[0])


def _report_s(database: str) -> float:
    """How long the month takes to compute, which no page waits for."""
    begun = time.monotonic()
    command = ["report", MONTH, "--tenant", TENANT, "--scheme", str(SCHEME), "--json"]
    subprocess.run(
        [sys.executable, "-m", "evaluation", *command, "--database", database],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
