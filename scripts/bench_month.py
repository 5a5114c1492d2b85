"""A city's month in PostgreSQL: how long the days take, how long the report, how large it all is.

Records are made by the database itself, so that only what is measured costs time: devices × lines
× 15 minutes, with a text of a usual record's length. `--devices 1000` is a city's month, 23.8
million records; it wants some 25 GB and half an hour.
"""

import argparse
import json
import resource
import time
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import text

from evaluation import registry
from evaluation.assessment.opening import month_of
from evaluation.database import Database
from evaluation.dirty_days import mark_all
from evaluation.lab_database import LabDatabase
from evaluation.month_report import as_text, report
from evaluation.registry_rows import device_rows, site_rows
from evaluation.rollup import RollUp
from evaluation.scheme_file import read_scheme
from evaluation.site_months import site_months

SCHEME = Path("config/schemes/neutral-2026.yaml")
MONTH = (2026, 10)
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
  generate_series(0, :lines - 1) l, LATERAL (SELECT (d * 7 + s * 3 + l) % 9 AS n) counts
"""


def main() -> None:
    options = _options()
    month = month_of(*MONTH, ZoneInfo("Asia/Shanghai"))
    with LabDatabase(durable=True) as lab, closing(Database(lab.new_database())) as db:
        db.prepare()
        made_s = _make(db, options, month.t0_ms, month.slots)
        _register(db, options.devices)
        begun = time.perf_counter()
        days = RollUp(db).run()
        days_s = time.perf_counter() - begun
        report_s, characters = _report(db)
        found = {
            "devices": options.devices, "lines": options.lines,
            "records": options.devices * options.lines * month.slots,
            "made_s": round(made_s, 1), "device_days": days,
            "device_days_per_s": round(days / days_s, 1), "days_s": round(days_s, 1),
            "report_s": round(report_s, 1), "report_mb": round(characters / 1e6, 1),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            **_sizes(db),
        }  # fmt: skip
    print(json.dumps(found) if options.json else "\n".join(f"{k}: {v}" for k, v in found.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--lines", type=int, default=8)
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


def _report(db: Database) -> tuple[float, int]:
    begun = time.perf_counter()
    scheme = read_scheme(SCHEME)
    with db.reading() as connection:
        sites = registry.sites_of(connection, "city")
        months = site_months(connection, "city", *MONTH)
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
