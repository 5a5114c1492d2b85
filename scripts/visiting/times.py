"""Requests by clients that log in, one after the other each, and how long they take."""

import statistics
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from .server import MONTH, PASSWORD, ROOT, USER

sys.path.insert(0, str(ROOT))

from tests.system.pages_visitor import Visitor

Times = Mapping[str, Mapping[str, float]]
"""By page: kB, and milliseconds of the first request, the median, the 95th percentile, the most."""


def pages_of(tenant: str, site: str) -> dict[str, str]:
    """Return the pages that are visited."""
    base = f"/t/{tenant}/{MONTH}"
    return {
        "league": base, "site": f"{base}/site/{site}", "month": f"{base}/state",
        "records of an hour": f"{base}/site/{site}/records?weekday=1&hour=10",
        "records of a day": f"{base}/site/{site}/records?day=13", "printed": f"{base}/print",
        "csv": f"{base}/report.csv", "compare": f"{base}/compare?from=0&to=draft",
        "fleet": f"/t/{tenant}/fleet",
    }  # fmt: skip


def visited(port: int, pages: Mapping[str, str], clients: int, requests: int) -> Times:
    """Ask for each page; `requests` times by each client, all clients at once."""
    visitors = [Visitor(port) for _ in range(clients)]
    for visitor in visitors:
        if visitor.log_in(USER, PASSWORD).status != 303:
            raise SystemExit("error: the bench cannot log in")
    found = {}
    for name, path in pages.items():
        begun = time.monotonic()
        size = len(visitors[0].get(path).body)
        first_s = time.monotonic() - begun
        cuts = statistics.quantiles(taken := _taken(visitors, path, requests), n=20)
        found[name] = {
            "kb": size / 1000, "first_ms": 1000 * first_s, "p50_ms": 1000 * cuts[9],
            "p95_ms": 1000 * cuts[18], "most_ms": 1000 * max(taken),
        }  # fmt: skip
    return found


def show(found: Mapping[int, Times]) -> None:
    """Print a table for each number of clients."""
    for clients, pages in found.items():
        names = ("kB", "first ms", "p50 ms", "p95 ms", "most ms")
        table = Table("page", *names, title=f"{clients} client(s)")
        for name, of in pages.items():
            table.add_row(name, *(f"{value:.0f}" for value in of.values()))
        Console().print(table)


def _taken(visitors: Sequence[Visitor], path: str, requests: int) -> list[float]:
    taken: list[float] = []
    threads = [
        threading.Thread(target=_ask, args=(visitor, path, requests, taken)) for visitor in visitors
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(taken) < requests * len(visitors):
        raise SystemExit(f"error: {path} did not answer every request")
    return taken


def _ask(visitor: Visitor, path: str, requests: int, taken: list[float]) -> None:
    for _ in range(requests):
        begun = time.monotonic()
        answer = visitor.get(path)
        if answer.status != 200:
            return
        taken.append(time.monotonic() - begun)
