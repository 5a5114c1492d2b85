"""A city's month in PostgreSQL: how long the days take, how long the report, how large it all is.

Records are made by the database itself, so that only what is measured costs time: devices × lines
× 15 minutes, with a text of a usual record's length. `--devices 1000` is a city's month, 23.8
million records; it wants some 25 GB and half an hour. Every centre has 8 activities, 100 ratings
and 60 cases besides. With `--pages` the month is frozen, repeated as eleven earlier ones and
looked at: `evaluation serve` in a process of its own, clients over HTTP.
"""

import argparse
import json
import resource
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from visiting.server import MONTH, SCHEME, serving
from visiting.times import pages_of, show, visited

from evaluation import register_rows, registers, registry
from evaluation.assessment.opening import month_of
from evaluation.database import Database
from evaluation.dirty_days import mark_all
from evaluation.lab_database import LabDatabase
from evaluation.month_report import as_text, report
from evaluation.registry_rows import device_rows, site_rows
from evaluation.rollup import RollUp
from evaluation.scheme_file import read_scheme
from evaluation.site_months import site_months

YEAR_MONTH = (2026, 10)
BODY = 430
"""Characters of the sealed text of a usual record."""
_MAKE = """
INSERT INTO records (dev, stream, seq, tenant, line, t0_ms, t1_ms, count_in, count_out, uturn,
  ambiguous, born_past_line, in_low, in_high, out_low, out_high, tot_in, tot_out, cov, tq, cfg,
  model, chain, body, received_ms)
SELECT 'lobby-' || lpad(d::text, 5, '0'), lpad(d::text, 16, '0'), s * :lines + l + 1, 'city',
  'line-' || l, :t0 + s::bigint * 900000, :t0 + (s + 1)::bigint * 900000,
  n, n, 0, 0, 0, n, n, n, n, 0, 0, 1.0,
  'ntp', 'c1f0aa22', '9e3b51d0', repeat('f', 64), repeat('x', :body), :t0
FROM generate_series(1, :devices) d, generate_series(0, :slots - 1) s,
  generate_series(0, :lines - 1) l, LATERAL (
    SELECT CASE WHEN s % 96 BETWEEN 36 AND 79 THEN (d * 7 + s * 3 + l) % 9 ELSE 0 END AS n
  ) counts
"""


def main() -> None:
    options = _options()
    month = month_of(*YEAR_MONTH, ZoneInfo("Asia/Shanghai"))
    with (
        LabDatabase(durable=True) as lab,
        tempfile.TemporaryDirectory() as folder,
        closing(Database(url := lab.new_database())) as db,
    ):
        db.prepare()
        made_s = _make(db, options, month.t0_ms, month.slots)
        _register(db, options.devices)
        begun = time.perf_counter()
        days = RollUp(db).run()
        days_s = time.perf_counter() - begun
        report_s, characters = _report(db)
        found: dict[str, Any] = {
            "devices": options.devices, "lines": options.lines,
            "records": options.devices * options.lines * month.slots,
            "made_s": round(made_s, 1), "device_days": days,
            "device_days_per_s": round(days / days_s, 1), "days_s": round(days_s, 1),
            "report_s": round(report_s, 1), "report_mb": round(characters / 1e6, 1),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            **_sizes(db),
        }  # fmt: skip
        if not options.json:
            print("\n".join(f"{k}: {v}" for k, v in found.items()), flush=True)
        if options.pages:
            found |= _visited(url, Path(folder), options)
    if options.json:
        print(json.dumps(found))


def _visited(url: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    pages = pages_of("city", f"site-{options.devices // 2:05}")
    begun = time.perf_counter()
    with serving(url, "city", folder) as server:
        frozen_s = time.perf_counter() - begun
        times = {n: visited(server.port, pages, n, options.requests) for n in (1, 4)}
        peak_mb = server.peak_mb
    if not options.json:
        print(f"frozen after {frozen_s:.0f} s; the pages' process at most {peak_mb:.0f} MB")
        show(times)
    return {"frozen_s": round(frozen_s, 1), "pages_mb": round(peak_mb), "pages": times}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--lines", type=int, default=8)
    parser.add_argument("--pages", action="store_true", help="look at the pages too")
    parser.add_argument("--requests", type=int, default=40, help="of each page and client")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _make(db: Database, options: argparse.Namespace, t0_ms: int, slots: int) -> float:
    begun = time.perf_counter()
    values = {"devices": options.devices, "lines": options.lines, "slots": slots}
    with db.writing() as connection:
        connection.execute(text(_MAKE), {**values, "t0": t0_ms, "body": BODY})
    mark_all(db)
    with db.writing() as connection:
        connection.execute(text("ANALYZE"))
    return time.perf_counter() - begun


def _register(db: Database, devices: int) -> None:
    sites = ["site,name,residents,hours"]
    sites += [f"site-{n:05},中心{n},{1000 + 17 * n},每天 9:00-20:00" for n in range(1, devices + 1)]
    places = ["dev,site"] + [f"lobby-{n:05},site-{n:05}" for n in range(1, devices + 1)]
    registry.take_over(db, "city", site_rows("\n".join(sites).encode(), "sites.csv", "city"))
    registry.take_over(db, "city", device_rows("\n".join(places).encode(), "devices.csv", "city"))
    for kind, table in _registers(devices).items():
        rows = register_rows.READERS[kind](table.encode(), f"{kind}.csv")
        registers.take_over(db, "city", kind, rows, complete_for=MONTH)


def _registers(centres: int) -> dict[str, str]:
    """Return tables as an office has them."""
    activities = ["site,activity,title,begin,end,held,expected,attended,audiences"]
    ratings, cases = ["site,at,level,rating"], ["site,case,due,done"]
    for site in (f"site-{n:05}" for n in range(1, centres + 1)):
        activities += [
            f"{site},a-{n},课,{day} 09:30,{day} 11:00,yes,30,{20 + n},elderly"
            for n, day in enumerate(f"{MONTH}-{d:02}" for d in range(1, 25, 3))
        ]
        ratings += [
            f"{site},{MONTH}-{n % 28 + 1:02} 10:{n % 60:02},{5 - n % 7 // 5},r-{n}"
            for n in range(100)
        ]
        cases += [
            f"{site},c-{n},{MONTH}-{n % 25 + 3:02},{MONTH}-{n % 28 + 1:02} 15:00" for n in range(60)
        ]
    tables = {"activities": activities, "ratings": ratings, "cases": cases}
    return {kind: "\n".join(table) for kind, table in tables.items()}


def _report(db: Database) -> tuple[float, int]:
    begun = time.perf_counter()
    scheme = read_scheme(SCHEME)
    with db.reading() as connection:
        sites = registry.sites_of(connection, "city")
        months = site_months(connection, "city", *YEAR_MONTH)
    names = {each.site: (each.name, each.area) for each in sites}
    made = as_text(report("city", months, scheme, names))
    return time.perf_counter() - begun, len(made)


def _sizes(db: Database) -> dict[str, float]:
    with db.reading() as connection:
        return {
            f"{name}_mb": round(
                connection.execute(text(f"SELECT pg_total_relation_size('{name}')")).scalar_one()
                / 1e6
            )
            for name in ("records", "device_days")
        }


if __name__ == "__main__":
    main()
