"""From tables and records to a month, its report and its revisions, on both databases."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from edge.errors import BadInputError
from edge.messages import counts_message
from edge.months import Month
from edge.testing import MemoryOutbox
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)
from evaluation import registers, registry
from evaluation.assessment.registers import Cases, Ratings
from evaluation.closing import State, close, revisions, state_of
from evaluation.database import Database
from evaluation.dirty_days import mark_all
from evaluation.ingest import read
from evaluation.month_report import as_text, digest, report
from evaluation.register_rows import READERS
from evaluation.registry_rows import device_rows, site_rows, special_day_rows
from evaluation.rollup import RollUp
from evaluation.scheme_file import read_scheme
from evaluation.site_months import site_months
from evaluation.store import Store
from evaluation.verified_month import sheet_text, verify_month

SLOT_MS = 900_000
FEBRUARY = 1_769_904_000_000  # 2026-02-01T00:00:00Z
MONTH = Month("2026-02", FEBRUARY, FEBRUARY + 28 * 96 * SLOT_MS)
SCHEME = Path("config/schemes/neutral-2026.yaml")
NINE, MONDAY = 36, 96
"""Slots: nine o'clock, and the first Monday, 2026-02-02."""
SITES = (
    "site,name,area,residents,hours,time_zone\n"
    "s1,One,North,2000,Mon 09:00-10:00,UTC\n"
    "s2,Two,North,3000,Mon 09:00-10:00,UTC\n"
)


@pytest.fixture
def database(database_url):
    with closing(Database(database_url)) as db:
        db.prepare()
        yield db


def take(database, sites=SITES, devices="dev,site\nd1,s1\n", days=None):
    registry.take_over(database, "t", site_rows(sites.encode(), "sites.csv", "t"))
    registry.take_over(database, "t", device_rows(devices.encode(), "devices.csv", "t"))
    if days is not None:
        registry.take_over(database, "t", special_day_rows(days.encode(), "days.csv", "t"))


def register(database, kind, table, complete_for=None, at=None):
    rows = READERS[kind](table.encode(), f"{kind}.csv")
    of = {"complete_for": complete_for, "received_ms": None if at is None else FEBRUARY + at}
    return registers.take_over(database, "t", kind, rows, **of)


def door(slot, entered, seen=True):
    counts = {Outcome.IN: entered, Outcome.OUT: entered} if seen else None
    end = (1.0, None) if seen else (0.0, CoverageReason.DARK)
    span = (FEBRUARY + slot * SLOT_MS, FEBRUARY + (slot + 1) * SLOT_MS)
    return CountBucket("door", *span, counts, *end, TimeQuality.NTP, Provenance("c", "m"))


def zone(slot, name, peak, kind=ZoneKind.ACTIVITY):
    span = (FEBRUARY + slot * SLOT_MS, FEBRUARY + (slot + 1) * SLOT_MS)
    sums = ZoneSums(peak * SLOT_MS, SLOT_MS, peak, peak, peak)
    return ZoneBucket(name, kind, *span, sums, 1.0, None, TimeQuality.NTP, Provenance("c", "m"))


def receive(database, buckets, dev="d1", without=()):
    box = MemoryOutbox(dev, f"{int(dev.encode().hex(), 16):016x}")
    box.append(buckets)
    records = [r for r in box.pending(9999) if r.seq not in without]
    sent = counts_message("t", dev, box.stream, records)
    Store(database).commit([read(sent.topic, sent.payload)], 7)
    RollUp(database).run()


def month(database, site="s1"):
    with database.reading() as connection:
        [found] = [m for m in site_months(connection, "t", 2026, 2) if m.site == site]
    return found


def mondays(count, weeks=range(4)):
    return [door(MONDAY + 672 * week + NINE + n, count) for week in weeks for n in range(4)]


def test_a_site_has_its_hours_residents_and_doors(database):
    take(database)
    receive(database, mondays(5))
    found = month(database)
    assert (found.residents, int(found.is_open.sum()), found.open_days) == (2000, 16, 4)
    assert int(found.doors["d1"].entered.sum()) == 80
    assert found.doors["d1"].cov[found.is_open].min() == 1
    assert month(database, "s2").doors == {}


def test_what_is_dated_holds_from_its_day(database):
    later = "site,name,residents,hours,from_day,time_zone\n"
    later += "s1,One,4000,Mon 09:00-11:00,2026-02-16,UTC\n"
    take(database, days="site,day,hours\n*,2026-02-02,closed\ns1,2026-02-03,9:00-9:30\n")
    registry.take_over(database, "t", site_rows(later.encode(), "later.csv", "t"))
    found = month(database)
    by_day = np.bincount(found.month.day, found.is_open)
    assert {int(day): int(n) for day, n in enumerate(by_day) if n} == {2: 2, 8: 4, 15: 8, 22: 8}
    assert found.residents == 2000


def test_what_is_said_of_one_site_goes_before_what_is_said_of_all(database):
    take(database, days="site,day,hours\n*,2026-02-02,closed\ns1,2026-02-02,9:00-9:15\n")
    assert month(database).open_days == 4
    assert month(database, "s2").open_days == 3


def test_a_board_that_follows_takes_the_place_of_the_one_before(database):
    devices = "dev,site,place,from_day,to_day\nd1,s1,north,,2026-02-15\nd2,s1,north,2026-02-15,\n"
    take(database, devices=devices)
    receive(database, [*mondays(5, range(3)), zone(MONDAY, "hall", 1)], "d1")
    receive(database, [*mondays(7, range(2, 4)), zone(MONDAY + 1344, "hall", 1)], "d2")
    found = month(database)
    assert list(found.doors) == ["north"]
    # Two Mondays of the first one; what it counted after its last day is not the site's.
    assert int(found.doors["north"].entered.sum()) == 2 * 20 + 2 * 28
    assert found.doors["north"].cov[found.is_open].min() == 1
    assert np.flatnonzero(found.zones["north", "hall"].cov).tolist() == [MONDAY, MONDAY + 1344]


def test_a_place_before_its_device_came_was_not_looked_at(database):
    take(database, devices="dev,site,from_day\nd1,s1,2026-02-09\n")
    receive(database, mondays(5))
    cov = month(database).doors["d1"].cov
    assert (cov[MONDAY + NINE], cov[MONDAY + 672 + NINE]) == (0, 1)


def test_records_that_exist_and_did_not_come_are_counted(database):
    take(database)
    receive(database, mondays(5), without={6, 7})
    assert month(database).records_missing == 2


@pytest.mark.parametrize(
    ("devices", "why"),
    [
        ("dev,site\nd1,s9\n", "no site s9"),
        ("dev,site,from_day\nd1,s1,\nd1,s2,2026-02-01\n", "overlap"),
        ("dev,site,place\nd1,s1,north\nd2,s1,north\n", "overlap"),
    ],
)
def test_what_does_not_fit_together_changes_nothing(database, devices, why):
    take(database)
    with pytest.raises(BadInputError, match=why):
        registry.take_over(database, "t", device_rows(devices.encode(), "d.csv", "t"))
    with database.reading() as connection:
        kept = connection.execute(text("SELECT dev, site FROM device_sites")).all()
    assert [tuple(row) for row in kept] == [("d1", "s1")]


def test_another_tenant_cannot_take_a_site_or_a_device(database):
    take(database)
    for rows in (
        site_rows(SITES.encode(), "s.csv", "other"),
        {"devices": [{"dev": "d1", "tenant": "other", "lines": None}]},
    ):
        with pytest.raises(BadInputError, match="belongs to t"):
            registry.take_over(database, "other", rows)


ACTIVITIES = (
    "site,activity,title,begin,end,held,expected,attended,zone,audiences\n"
    "s1,a1,Course,2026-02-02 09:00,2026-02-02 09:30,yes,30,26,room,elderly\n"
    "s1,a2,Talk,2026-02-03 10:00,2026-02-03 11:00,no,30,,,\n"
)


def test_registers_are_read_and_the_zone_tells_who_came(database):
    take(database)
    receive(database, [*mondays(5), zone(MONDAY + NINE, "room", 12), zone(MONDAY + 37, "room", 17)])
    register(database, "activities", ACTIVITIES)
    ratings = "site,at,level\ns1,2026-02-01 00:00,5\ns1,2026-02-28 23:59,5\ns1,2026-03-01 00:00,1\n"
    register(database, "ratings", ratings)
    # Due on the last day of January, of February, and done a day late.
    cases = "site,case,due,done\ns1,c0,2026-01-31,\ns1,c1,2026-02-28,2026-02-28 23:00\n"
    register(database, "cases", cases + "s1,c2,2026-02-10,2026-02-11 09:00\n")
    found = month(database).registers
    assert [(a.id, a.is_held, a.seen) for a in found.activities] == [
        ("a1", True, 17), ("a2", False, None),
    ]  # fmt: skip
    assert found.activities[0].audiences == {"elderly"}
    assert found.ratings == Ratings((0, 0, 0, 0, 2))
    assert found.cases == Cases(2, 1)


def test_a_register_that_never_came_is_not_an_empty_one(database):
    take(database)
    register(database, "activities", ACTIVITIES)
    assert month(database, "s2").registers.activities is None
    register(database, "activities", ACTIVITIES, complete_for="2026-02")
    assert month(database, "s2").registers.activities == ()
    assert month(database, "s2").registers.ratings is None


def plan_table(*rows):
    head = "site,activity,title,begin,end,held\n"
    made = [f"s1,{name},Talk,{day} 09:00,{day} 10:00,{held}\n" for name, day, held in rows]
    return head + "".join(made)


def implementation(database, days=3, site="s1"):
    """P1 and the flags of a site by a scheme that closes the plan."""
    scheme = replace(read_scheme(SCHEME), plan_closes_days=days)
    with database.reading() as connection:
        months = site_months(connection, "t", 2026, 2)
    of = report("t", months, scheme, {"s1": ("One", "North"), "s2": ("Two", "North")})
    [found] = [each for each in of["sites"] if each["site"] == site]
    figure = found["indicators"]["P1"]["figure"]
    codes = [flag["code"] for flag in found["flags"] if flag["code"].startswith("plan")]
    return figure["value"], figure["reason"], figure["parts"], codes


def test_the_plan_is_what_was_received_before_it_closed_and_stays(database):
    take(database)
    day = 96 * SLOT_MS
    plan = plan_table(*((f"a{n}", f"2026-02-1{n}", "no") for n in range(4)))
    register(database, "activities", plan, at=-5 * day)
    assert implementation(database) == (0, None, {"held": 0, "planned": 4}, [])
    # Held, held under another date, moved to March, and one that nobody had planned.
    after = plan_table(
        ("a0", "2026-02-10", "yes"), ("a1", "2026-02-20", "yes"), ("a2", "2026-03-05", "yes"),
        ("x", "2026-02-25", "yes"),
    )  # fmt: skip
    register(database, "activities", after, at=26 * day)
    register(database, "activities", after, at=27 * day)
    told = {"held": 2, "planned": 4, "late": 1}
    assert implementation(database) == (0.5, None, told, ["plan_late", "plan_moved"])
    # Without the setting the register is the plan, as it always was.
    assert implementation(database, None) == (0.75, None, {"held": 3, "planned": 4}, [])
    # Moved while the plan was open it would be none of February's.
    register(database, "activities", plan_table(("a3", "2026-03-06", "no")), at=2 * day)
    found = month(database).registers
    assert [(each.id, len(each.stays)) for each in found.activities] == [
        ("a0", 1), ("a1", 1), ("x", 1),
    ]  # fmt: skip
    assert [each.id for each in found.moved] == ["a2", "a3"]
    assert implementation(database)[2] == {"held": 2, "planned": 3, "late": 1}


def test_a_month_that_is_imported_afterwards_is_told_that_it_had_no_plan(database):
    take(database)
    register(database, "activities", plan_table(("a", "2026-02-10", "yes")), complete_for="2026-02")
    assert implementation(database) == (None, "plan_late", {"late": 1}, ["plan_late"])
    assert implementation(database, site="s2") == (None, "nothing_planned", {}, [])
    assert implementation(database, None) == (1, None, {"held": 1, "planned": 1}, [])


def test_a_file_taken_over_twice_counts_once(database):
    take(database)
    ratings = "site,at,level\n" + "s1,2026-02-05 10:00,4\n" * 3
    assert register(database, "ratings", ratings) == register(database, "ratings", ratings) == 3
    assert month(database).registers.ratings.total == 3
    with pytest.raises(BadInputError, match="no site s7"):
        register(database, "ratings", "site,at,level\ns7,2026-02-05 10:00,4\n")


def reported(database):
    scheme = read_scheme(SCHEME)
    with database.reading() as connection:
        months = site_months(connection, "t", 2026, 2)
    return report("t", months, scheme, {"s1": ("One", "North"), "s2": ("Two", "North")})


def test_a_report_says_what_is_known_and_null_of_what_is_not(database):
    take(database, devices="dev,site\nd1,s1\nd2,s2\n")
    receive(database, mondays(5))
    receive(database, mondays(5, range(2)), "d2")
    one, two = reported(database)["sites"]
    figure = one["indicators"]["F1"]["figure"]
    # 80 visits of 2,000 residents on 4 open days.
    assert (figure["value"], figure["grade"]) == (10.0, "reliable")
    assert two["indicators"]["F1"]["figure"]["value"] is None
    assert two["indicators"]["F1"]["figure"]["reason"] == "coverage"
    assert two["score"]["value"] is None
    days = two["pattern"]["days"]
    assert (days[1], days[8], days[15]) == (20, 20, None)


def test_the_same_data_make_the_same_report_to_the_byte(database):
    take(database)
    receive(database, mondays(5))
    first = as_text(reported(database))
    with database.writing() as connection:
        connection.execute(text("DELETE FROM device_days"))
    mark_all(database)
    RollUp(database).run()
    assert as_text(reported(database)) == first


def test_a_month_is_frozen_and_then_revised_with_a_reason(database):
    take(database)
    receive(database, mondays(5))
    frozen = close(database, reported(database), made_by="freeze", reason="")
    assert (frozen.number, frozen.digest) == (0, digest(frozen.body))
    with pytest.raises(BadInputError, match="needs a reason"):
        close(database, reported(database), made_by="li", reason=" ")
    with pytest.raises(BadInputError, match="the same as revision 0"):
        close(database, reported(database), made_by="li", reason="nothing new")
    register(database, "ratings", "site,at,level\ns1,2026-02-05 10:00,4\n")
    revised = close(database, reported(database), made_by="li", reason="kiosk ratings came late")
    with database.reading() as connection:
        kept = revisions(connection, "t", "2026-02")
    assert kept == [frozen, revised]
    assert json.loads(kept[0].body)["sites"][0]["indicators"]["S1"]["figure"]["value"] is None
    assert json.loads(kept[1].body)["sites"][0]["indicators"]["S1"]["figure"]["value"] is not None


@pytest.mark.parametrize(
    ("today", "closed", "expected"),
    [
        (date(2026, 2, 28), False, State.RUNNING),
        (date(2026, 3, 1), False, State.OPEN),
        (date(2026, 3, 3), False, State.OPEN),
        (date(2026, 3, 4), False, State.IN_REVIEW),
        (date(2026, 3, 7), False, State.IN_REVIEW),
        (date(2026, 3, 8), False, State.FROZEN),
        (date(2026, 3, 2), True, State.FROZEN),
    ],
)
def test_late_data_until_the_third_day_frozen_on_the_seventh(today, closed, expected):
    assert state_of(2026, 2, today, is_closed=closed) is expected


def verified(database):
    return verify_month(database, reported(database), MONTH)


def test_a_month_that_is_as_it_was_sealed_holds(database):
    take(database)
    receive(database, [*mondays(5), zone(MONDAY, "room", 3)])
    close(database, reported(database), made_by="freeze", reason="")
    found = verified(database)
    assert found.holds
    assert not found.changed
    [device] = found.devices
    assert device.sealed == (80, 80, 3 * SLOT_MS, 3)
    assert "auditor" in sheet_text(found)


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE records SET count_in = 9 WHERE seq = 3", "the columns of the database"),
        (
            "UPDATE records SET body = replace(body, '\"in\":5', '\"in\":6') WHERE seq = 3",
            "record 3",
        ),
        ("DELETE FROM records WHERE seq = 3", "record 3"),
        ("UPDATE device_days SET body = replace(body, '5', '6')", "days are not what"),
        ("UPDATE revisions SET body = replace(body, 'One', 'Won')", "ALTERED"),
    ],
)
def test_whatever_is_changed_afterwards_is_found(database, tampering, said):
    take(database)
    receive(database, mondays(5))
    close(database, reported(database), made_by="freeze", reason="")
    with database.writing() as connection:
        connection.exec_driver_sql(tampering)
    found = verify_month(database, reported_before(database), MONTH)
    assert not found.holds
    assert said in sheet_text(found)


def reported_before(database):
    """The latest revision as data; the days may not be readable as they are."""
    with database.reading() as connection:
        return json.loads(revisions(connection, "t", "2026-02")[-1].body)


def test_data_that_came_after_the_freeze_is_said(database):
    take(database)
    receive(database, mondays(5))
    close(database, reported(database), made_by="freeze", reason="")
    register(database, "ratings", "site,at,level\ns1,2026-02-05 10:00,4\n")
    found = verified(database)
    assert found.holds
    assert found.changed
    assert "make a revision" in sheet_text(found)
    assert not replace(found, revisions=()).changed
