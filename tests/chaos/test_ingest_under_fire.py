"""Receivers, database, broker and roll-ups are killed under load: every sum is exact.

Device, broker and backend are killed in `test_delivery_under_fire`; this is the backend's side as
a city runs it. The long campaign runs with `scripts/test --chaos` only; it is seeded, give another
seed with CHAOS_SEED.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from statistics import median

import pytest
from sqlalchemy import case, func, select

from edge.adapters.lab_broker import available_kinds
from evaluation.database import Database
from evaluation.dirty_days import mark_all
from evaluation.lab_database import binaries
from evaluation.month_tables import DEVICE_DAYS
from evaluation.rollup import RollUp, read_body
from evaluation.tables import RECORDS
from scripts.simulation.check import compare
from scripts.simulation.device import DeviceFacts, StreamFacts
from tests.chaos import ingest_truth as truth
from tests.chaos.ingest_campaign import SCHEME, Fire, campaign
from tests.chaos.ingest_truth import MONTH, TENANT, ZONE, Load

SEED = int(os.environ.get("CHAOS_SEED", "8"))

pytestmark = [
    pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto"),
    pytest.mark.skipif(binaries() is None, reason="needs PostgreSQL, e.g. apt install postgresql"),
]


def evaluation(fire: Fire, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "evaluation", *arguments, "--database", fire.url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def of_month(fire: Fire, verb: str, *options: str) -> str:
    return evaluation(fire, verb, MONTH, "--tenant", TENANT, "--scheme", SCHEME, *options)


def records(fire: Fire) -> list[truth.Row]:
    """Return what is in the database, as `truth.rows` has it."""
    c = RECORDS.c
    is_line = c.line.is_not(None)
    first = case((is_line, c.count_in), else_=c.presence_ms)
    second = case((is_line, c.count_out), else_=c.used_ms)
    query = select(c.dev, func.coalesce(c.line, c.zone), c.t0_ms, first, second)
    with closing(Database(fire.url)) as database, database.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]


def check_records(fire: Fire, load: Load) -> None:
    """Every record that was sealed is there once, as it was sealed, and is what was counted."""
    stored, expected = records(fire), set(truth.rows(load))
    missing, wrong = expected - set(stored), set(stored) - expected
    assert not missing, f"{len(missing)} of {len(expected)} records are not there"
    assert not wrong, f"{len(wrong)} records are not what was counted, e.g. {min(wrong)}"
    assert len(stored) == len(expected), "a record twice"
    sealed = json.loads(fire.facts.read_text())
    facts = [
        DeviceFacts(dev, {stream: StreamFacts(made, made, digest)}, {})
        for dev, (stream, made, digest) in sealed.items()
    ]
    assert len(facts) == load.devices
    assert compare(fire.url, TENANT, facts, 0).wrong == ()


def check_days(fire: Fire, load: Load) -> None:
    """With only what is marked made anew, every day is what its records make."""
    with closing(Database(fire.url)) as database:
        RollUp(database).run()
        followed = days(database)
        mark_all(database)
        RollUp(database).run()
        anew = days(database)
    stale = {key for key in anew if followed.get(key) != anew[key]}
    assert not stale, f"{len(stale)} of {len(anew)} days are not what their records make"
    assert followed == anew
    sums: Counter[tuple[str, int, str]] = Counter()
    for (dev, day_ms), text in followed.items():
        body = read_body(text)
        sums[dev, day_ms, "in"] += sum(body.door.entered)
        sums[dev, day_ms, "out"] += sum(body.door.left)
        sums[dev, day_ms, "presence_ms"] += sum(body.zones[ZONE].presence_ms)
    assert sums == truth.of_days(load)


def days(database: Database) -> dict[tuple[str, int], str]:
    with database.reading() as connection:
        rows = connection.execute(select(*DEVICE_DAYS.c["dev", "day_ms", "body"]))
        return {(dev, day_ms): body for dev, day_ms, body in rows}


def check_month(fire: Fire, load: Load) -> None:
    """The report's visits are those that were counted, and an auditor finds nothing."""
    assert "相符 holds" in of_month(fire, "verify").splitlines()[-2]
    sites = json.loads(of_month(fire, "report", "--json"))["sites"]
    assert sum(site["records_missing"] for site in sites) == 0
    visits = sum(site["indicators"]["F1"]["figure"]["parts"]["visits"] for site in sites)
    sums = truth.of_days(load)
    assert visits == sum(value for (_, _, what), value in sums.items() if what == "in")


def check(fire: Fire, load: Load) -> None:
    check_records(fire, load)
    check_days(fire, load)
    check_month(fire, load)
    assert fire.recoveries == fire.kills["database"]


def told(fire: Fire, load: Load) -> str:
    kills = ", ".join(f"{name} {count}" for name, count in sorted(fire.kills.items()))
    ready, again = zip(*fire.outages or [(0.0, 0.0)], strict=True)
    return (
        f"{fire.kills.total()} kills in {fire.took_s:.0f} s ({kills}), {fire.recoveries} crash"
        f" recoveries, {load.devices * load.intervals * 3} records, all exact;"
        f" database ready after {median(ready):.2f} s (most {max(ready):.2f}),"
        f" records again after {median(again):.2f} s (most {max(again):.2f})"
    )


def test_a_few_kills_of_the_backend_cost_nothing(tmp_path: Path) -> None:
    load = Load(SEED, devices=20, days=2)
    with campaign(tmp_path, load, 0.2, (0.3, 1.2)) as fire:
        check(fire, load)
        print(told(fire, load))


@pytest.mark.chaos
def test_a_hundred_kills_of_the_backend_cost_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(SEED, devices=60, days=7)
    with campaign(tmp_path, load, 1.1, (0.3, 2.0)) as fire:
        check(fire, load)
        with capsys.disabled():
            print("\n" + told(fire, load))
