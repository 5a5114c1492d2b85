"""How long the evaluation's pages take, of a city with a year of closed months.

    scripts/demo --city --centres 12; scripts/bench pages [--centres 100] [--json]

The centres of the demo's city are repeated under other ids, with their records, days and
registers, until there are as many as asked for; their month is repeated as eleven earlier
ones. `evaluation serve` runs in a process of its own; times are those of a client over HTTP.
"""

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.system.pages_visitor import Visitor  # noqa: E402

CITY = ROOT / "out" / "demo-city" / "city.db"
SCHEME = ROOT / "config" / "schemes" / "neutral-2026.yaml"
TENANT, MONTH, PASSWORD = "demo-city", "2026-10", "nine quick figures"
BASE = f"/t/{TENANT}/{MONTH}"
PAGES = {
    "league": BASE, "site": f"{BASE}/site/site-001", "month": f"{BASE}/state",
    "records of an hour": f"{BASE}/site/site-001/records?weekday=1&hour=10",
    "records of a day": f"{BASE}/site/site-001/records?day=13", "printed": f"{BASE}/print",
    "csv": f"{BASE}/report.csv", "compare": f"{BASE}/compare?from=0&to=draft",
    "fleet": f"/t/{TENANT}/fleet",
}  # fmt: skip
_COPIED = {
    "sites": "site", "site_residents": "site", "site_hours": "site", "devices": "dev",
    "device_sites": "site dev", "device_days": "dev", "activities": "site", "ratings": "site",
    "cases": "site", "registers_received": "site", "streams": "dev", "records": "dev",
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
        _show(found)
    return 0


def _measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    file = folder / "city.db"
    centres = _enlarged(file, options.centres)
    database = ("--database", f"sqlite:///{file}")
    secret = folder / "password"
    secret.write_text(PASSWORD, "utf-8")
    user = ("user", "add", "bench", "--tenant", TENANT, "--password-file", str(secret))
    subprocess.run([sys.executable, "-m", "evaluation", *user, *database], check=True, cwd=ROOT)
    made_s = _report_s(database)
    log = folder / "log"
    command = [sys.executable, "-m", "evaluation", "serve", *database, "--scheme", str(SCHEME)]
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "--port", "0", "--insecure-lab"], cwd=ROOT, stdout=out, stderr=out
        )
    try:
        port = _port(log, server)
        _wait_for_the_freeze(file)
        _repeat_months(file)
        times = {n: _times(port, n, options.requests) for n in options.clients}
        peak_mb = _peak_mb(server.pid)
    finally:
        server.terminate()
        server.wait(30)
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


def _report_s(database: tuple[str, str]) -> float:
    """How long the month takes to compute, which no page waits for."""
    begun = time.monotonic()
    command = ["report", MONTH, "--tenant", TENANT, "--scheme", str(SCHEME), "--json", *database]
    subprocess.run(
        [sys.executable, "-m", "evaluation", *command], check=True, cwd=ROOT, capture_output=True
    )
    return time.monotonic() - begun


def _port(log: Path, server: subprocess.Popen[bytes]) -> int:
    while server.poll() is None:
        for line in log.read_text("utf-8").splitlines():
            if '"pages.open"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.1)
    raise SystemExit(f"error: the pages did not start: {log.read_text('utf-8')}")


def _wait_for_the_freeze(file: Path) -> None:
    with sqlite3.connect(file) as database:
        while not database.execute("SELECT COUNT(*) FROM revisions").fetchone()[0]:
            time.sleep(0.2)


def _repeat_months(file: Path) -> None:
    months = [f"2025-{n:02}" for n in (11, 12)] + [f"2026-{n:02}" for n in range(1, 10)]
    with sqlite3.connect(file, timeout=30) as database:
        for month in months:
            database.execute(
                "INSERT INTO revisions SELECT tenant, ?, revision, made_ms, made_by, reason,"
                " digest || ?, replace(body, ?, ?) FROM revisions WHERE month = ?",
                (month, month, f'"{MONTH}"', f'"{month}"', MONTH),
            )


def _times(port: int, clients: int, requests: int) -> dict[str, dict[str, float]]:
    visitors = [Visitor(port) for _ in range(clients)]
    for visitor in visitors:
        if visitor.log_in("bench", PASSWORD).status != 303:
            raise SystemExit("error: the bench cannot log in")
    found = {}
    for name, path in PAGES.items():
        begun = time.monotonic()
        size = len(visitors[0].get(path).body)
        first_s = time.monotonic() - begun
        taken: list[float] = []
        threads = [
            threading.Thread(target=_ask, args=(visitor, path, requests, taken))
            for visitor in visitors
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        cuts = statistics.quantiles(taken, n=20)
        found[name] = {
            "kb": size / 1000, "first_ms": 1000 * first_s, "p50_ms": 1000 * cuts[9],
            "p95_ms": 1000 * cuts[18], "most_ms": 1000 * max(taken),
        }  # fmt: skip
    return found


def _ask(visitor: Visitor, path: str, requests: int, taken: list[float]) -> None:
    for _ in range(requests):
        begun = time.monotonic()
        answer = visitor.get(path)
        taken.append(time.monotonic() - begun)
        if answer.status != 200:
            raise SystemExit(f"error: {path} answers {answer.status}")


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1000
    return float("nan")


def _show(found: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"{found['centres']} centres; the report of a month is computed in"
        f" {found['report_s']:.1f} s, beside the requests; at most {found['peak_mb']:.0f} MB",
        highlight=False,
    )
    for clients, pages in found["pages"].items():
        names = ("kB", "first ms", "p50 ms", "p95 ms", "most ms")
        table = Table("page", *names, title=f"{clients} client(s)")
        for name, of in pages.items():
            table.add_row(name, *(f"{value:.0f}" for value in of.values()))
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
