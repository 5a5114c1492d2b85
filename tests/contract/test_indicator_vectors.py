"""The published vectors of the evaluation: data in, figures out, and no rule without a vector."""

import json
import re
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from math import inf, sqrt
from pathlib import Path

import numpy as np
import pytest

from evaluation.assessment import (
    composite,
    estimate,
    flags,
    flow,
    grading,
    observed,
    outages,
    plan,
    profile,
    project,
    ranking,
    scheme,
    service,
    slots,
)
from evaluation.assessment.observed import DoorMonth, ZoneMonth
from evaluation.assessment.opening import SLOT_MS, Opening, month_of
from evaluation.assessment.registers import Activity, Cases, Moved, Ratings, Registers, Stay
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Figure, Grade, Reason, not_rated
from evaluation.scheme_file import read_scheme

DOCUMENT = json.loads(Path(__file__).with_name("indicator_vectors.json").read_text("utf-8"))
VECTORS = {v["name"]: v for v in DOCUMENT["vectors"]}
SCHEME = read_scheme(Path("config/schemes/neutral-2026.yaml"))
MONTH = month_of(2026, 2, UTC)
DAY_MS = round(datetime(2026, 2, 2, tzinfo=UTC).timestamp() * 1000)
WEEKDAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
CLOSE = {"abs": 6e-5}  # written with four digits
MINUTE_MS = 60_000
FLAG_SOURCES = "".join(Path(each.__file__).read_text("utf-8") for each in (flags, outages))


def hours(spans):
    return tuple(
        tuple(int(part[:2]) * 60 + int(part[3:]) for part in span.split("-")) for span in spans
    )


def opening(given):
    weekly = given.get("open", {"mon": ["09:00-10:00"]})
    special = {date.fromisoformat(day): hours(of) for day, of in given.get("special", {}).items()}
    return Opening({WEEKDAYS[day]: hours(of) for day, of in weekly.items()}, special)


def rows(given, is_open, dtype=np.int64, scale=1, missing=-1):
    """Lay rows of open days, or one number for all, onto the slots of the month."""
    array, days = np.zeros(MONTH.slots, dtype=dtype), MONTH.day[is_open]
    for number, day in enumerate(np.unique(days).tolist()):
        of_day = np.flatnonzero(is_open & (MONTH.day == day))
        row = given if not isinstance(given, list) else given[number] if given[number:] else 0
        row = row if isinstance(row, list) else [row] * len(of_day)
        values = [missing if value is None else value * scale for value in row]
        array[of_day] = [round(value) if dtype is np.int64 else value for value in values]
    return array


def ms_of(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def slot_of(text):
    return (ms_of(text) - MONTH.t0_ms) // SLOT_MS


def due(given, is_open):
    if "due" not in given:
        return None
    days = np.unique(MONTH.day[is_open])
    wanted = [day for day, is_due in zip(days, given["due"], strict=True) if is_due]
    return np.isin(MONTH.day, wanted)


def door(given, is_open):
    made = {
        name: rows(given.get(key, 0), is_open)
        for name, key in (("entered", "in"), ("left", "out"), ("uturn", "uturn"))
    }
    for name in ("low", "high"):
        made[name] = rows(given.get(name, given.get("in", 0)), is_open)
    cov = np.where(is_open, rows(given.get("cov", 1), is_open, np.float64), 1.0)
    for when, counts in given.get("at", {}).items():
        made["entered"][slot_of(when)] = counts["in"]
        made["left"][slot_of(when)] = counts.get("out", 0)
    why = {int(n): given.get("why", "no_record") for n in np.flatnonzero(cov < 1)}
    return DoorMonth(**made, cov=cov, why=why, undated=given.get("undated", 0),
                     due=due(given, is_open))  # fmt: skip


def zone(given, is_open):
    made = {
        f"{name}_ms": rows(given.get(f"{name}_min", 0), is_open, scale=MINUTE_MS)
        for name in ("presence", "used")
    }
    made |= {name: rows(given.get(name, 0), is_open) for name in ("arrivals", "peak")}
    waits = rows(given.get("wait_min"), is_open, scale=MINUTE_MS)
    cov = np.where(is_open, rows(given.get("cov", 1), is_open, np.float64), 1.0)
    return ZoneMonth(given["kind"], **made, wait_ms=np.where(is_open, waits, -1), cov=cov, why={},
                     due=due(given, is_open))  # fmt: skip


def stays(given):
    return tuple(Stay(ms_of(since), is_here) for since, is_here in given.get("stays", ()))


def activity(given):
    t0_ms = MONTH.t0_ms + SLOT_MS * slot_of(given.get("at", "2026-02-02T09:00"))
    known = [given.get(name) for name in ("expected", "attended", "seen")]
    audiences = frozenset(given.get("audiences", ()))
    return Activity(
        given["id"], t0_ms, t0_ms + 4 * SLOT_MS, given["held"], *known, audiences,
        stays=stays(given),
    )  # fmt: skip


def registers(given):
    activities = given.get("activities")
    return Registers(
        None if activities is None else tuple(map(activity, activities)),
        Ratings(tuple(given["ratings"])) if "ratings" in given else None,
        Cases(**given["cases"]) if "cases" in given else None,
        tuple(Moved(each["id"], stays(each)) for each in given.get("moved", ())),
    )


def site_of(given):
    is_open = MONTH.open_slots(opening(given))
    return SiteMonth(
        "centre",
        MONTH,
        is_open,
        given.get("residents", 1000),
        {name: door(each, is_open) for name, each in given.get("doors", {}).items()},
        {("d1", name): zone(each, is_open) for name, each in given.get("zones", {}).items()},
        registers(given.get("registers", {})),
        given.get("records_missing", 0),
    )


def told(figure):
    return {
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "grade": str(figure.grade),
        "reason": None if figure.reason is None else str(figure.reason),
        "parts": figure.parts,
    }


def at_ms(clock):
    return DAY_MS + (int(clock[:2]) * 60 + int(clock[3:])) * MINUTE_MS


def by_clock(values, scale=1):
    """What is not 0 of a day's slots, by the time they begin."""
    return {
        f"{slot // 4:02}:{slot % 4 * 15:02}": value / scale
        for slot, value in enumerate(values)
        if value
    }


def ask_door_day(vector):
    readings = [
        slots.LineReading(
            each["line"], at_ms(each["from"]), at_ms(each["to"]), each["in"], 0, 0,
            each.get("low"), each.get("high"), each["cov"], None, each.get("tq", "ntp"),
            each.get("audience"),
        )
        for each in vector["records"]
    ]  # fmt: skip
    lines = frozenset(vector["lines"]) if "lines" in vector else None
    day = slots.door_day([each for each in readings if slots.is_of_visitors(each, lines)], DAY_MS)
    return {
        "in": by_clock(day.entered), "low": by_clock(day.low), "high": by_clock(day.high),
        "cov": by_clock(day.cov), "undated": day.undated,
    }  # fmt: skip


def ask_zone_day(vector):
    readings = [
        slots.ZoneReading(
            each["zone"], each["kind"], at_ms(each["from"]), at_ms(each["to"]),
            each["presence_min"] * MINUTE_MS, each["used_min"] * MINUTE_MS, each["arrivals"],
            each["peak"], each["wait_min"] * MINUTE_MS, each["cov"],
        )
        for each in vector["records"]
    ]  # fmt: skip
    (day,) = slots.zone_days(readings, DAY_MS).values()
    return {
        "presence_min": by_clock(day.presence_ms, MINUTE_MS),
        "used_min": by_clock(day.used_ms, MINUTE_MS),
        "arrivals": by_clock(day.arrivals), "peak": by_clock(day.peak), "cov": by_clock(day.cov),
        "wait_min": by_clock([wait or 0 for wait in day.wait_ms], MINUTE_MS),
    }  # fmt: skip


def scheme_of(vector):
    return replace(SCHEME, **vector.get("scheme", {}))


def ask_figure(vector):
    (indicator,) = [each for each in SCHEME.indicators if each.kind == vector["indicator"]]
    return told(composite.figure(site_of(vector["site"]), indicator, scheme_of(vector)))


def ask_points(vector):
    return scheme.Goal(vector["floor"], vector["target"]).points(vector["value"])


def rated(section, given):
    weight, *rest = given
    indicator = scheme.Indicator(
        "X", scheme.Kind.PRAISE_RATE, scheme.Section(section), scheme.Text("名", "name"), weight, {}
    )
    if isinstance(rest[0], str):
        found = not_rated(Reason(rest[0]))
    else:
        low, value, high, *why = rest
        grade, reason = (Grade(why[0]), Reason(why[1])) if why else (Grade.RELIABLE, None)
        found = Figure(value, low, high, grade, reason)
    return composite.Rated(indicator, found, found)


def ask_composite(vector):
    of = tuple(rated(name, each) for name, all_of in vector["points"].items() for each in all_of)
    own = scheme.Scheme("s", "1", (), tuple(each.indicator for each in of), (),
                        rated_weight_from=SCHEME.rated_weight_from)  # fmt: skip
    sections, score = composite.composed(of, own)
    return {"sections": {str(k): told(v) for k, v in sections.items()}, "score": told(score)}


def ask_ranks(vector):
    centres = [
        composite.Assessment(
            name, size, (), {},
            not_rated(Reason.COVERAGE) if low is None
            else Figure((low + high) / 2, low, high, Grade.RELIABLE),
        )
        for name, size, low, high in vector["centres"]
    ]  # fmt: skip
    found = ranking.ranks(centres, SCHEME.fewest_to_rank)
    return {name: [rank.best, rank.worst, rank.of] for name, rank in found.items()}


def ask_size_class(vector):
    return SCHEME.size_class(vector["residents"]).id


def ask_flags(vector):
    return [flag.code for flag in flags.flags(site_of(vector["site"]), scheme_of(vector))]


def ask_assessment(vector):
    found = composite.assess(site_of(vector["site"]), SCHEME)
    return {
        "size_class": found.size_class,
        "points": {each.indicator.id: each.points.value for each in found.rated},
        "sections": {str(name): points.value for name, points in found.sections.items()},
        "score": found.score.value,
    }


ASK = {name.removeprefix("ask_"): of for name, of in globals().items() if name.startswith("ask_")}


def differs(found, expected):
    """What is expected and was not found; of what nothing is said anything may be."""
    if isinstance(expected, dict):
        missing = expected.keys() - found.keys()
        wrong = {key: differs(found[key], of) for key, of in expected.items() if key in found}
        return missing | {key for key, is_wrong in wrong.items() if is_wrong}
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return found != pytest.approx(expected, **CLOSE)
    return found != expected


def whole(vector):
    """The expected answer, with what a vector need not say: no reason, and nothing besides."""
    expected = vector["expected"]
    if vector["asks"] == "figure" and "value" in expected:
        return {"reason": None, **expected}
    return expected


def wrong(vector):
    found, expected = ASK[vector["asks"]](vector), whole(vector)
    exact = {"door_day": ("in", "cov"), "zone_day": ("cov",)}.get(vector["asks"], ())
    besides = any(found[name].keys() != expected[name].keys() for name in exact)
    return differs(found, expected) or besides or (vector["asks"] == "ranks" and found != expected)


@pytest.mark.parametrize("name", VECTORS)
def test_vector(name):
    assert not wrong(VECTORS[name]), ASK[VECTORS[name]["asks"]](VECTORS[name])


@pytest.mark.parametrize("name", [name for name, v in VECTORS.items() if "worked" in v])
def test_what_is_worked_by_hand_is_what_is_expected(name):
    """The arithmetic beside a vector is that of its numbers, without any of our code."""
    worked = VECTORS[name]["worked"]
    if isinstance(worked, str):
        return
    for what, arithmetic in worked.items():
        value = eval(arithmetic, {"sqrt": sqrt})
        assert VECTORS[name]["expected"][what] == pytest.approx(value, **CLOSE)


def floored(count, t0_ms, t1_ms):
    begins = range(t0_ms // SLOT_MS * SLOT_MS, t1_ms, SLOT_MS)
    spans = [(at, min(t1_ms, at + SLOT_MS) - max(t0_ms, at)) for at in begins]
    return [(at, count * span // (t1_ms - t0_ms)) for at, span in spans]


def best_line(lines):
    every = list(lines)
    return [round(max((of.get(n, 0.0) for of in every), default=0.0), 6) for n in range(96)]


def lines_with_a_record(lines):
    every = [[of[slot] for of in lines if slot in of] for slot in range(96)]
    return [round(min(1.0, *seen), 6) if seen else 0.0 for seen in every]


def unrounded(is_open, cov):
    return float(cov[is_open].mean())


def only_seen(counted, is_open, _):
    seen = int(counted.count[is_open].sum())
    return estimate.Estimate(seen, seen, seen, seen, 0.0)


def usual_days(of, is_open, month, profile):
    """Every day as busy as the profile says, and no busier where it was seen."""
    spread = estimate.UNKNOWN_SPREAD
    ones = np.ones(month.days)
    return estimate._Busy(ones, ones * spread**2, ones, spread)


def best_door(doors):
    return np.max([each.cov for each in doors], axis=0)


def always_due(each):
    return np.ones_like(each.cov, dtype=bool)


def indicators_alone(of, own):
    """The score as the mean of all rated indicators, whatever their section."""
    there = [each for each in of if each.points.value is not None]
    weight = sum(each.indicator.weight for each in there)
    value = sum(each.indicator.weight * each.points.value for each in there) / weight
    return COMPOSED(of, own)[0], Figure(value, value, value, Grade.ESTIMATED)


def rated_sections_alone(sections, own):
    return SCORE({name: of for name, of in sections.items() if of.value is not None}, own)


def site_with(change):
    return lambda given: change(SITE_OF(given))


def all_held(made):
    activities = tuple(replace(each, is_held=True) for each in made.registers.activities or ())
    return replace(made, registers=replace(made.registers, activities=activities))


def none_moved(made):
    return replace(made, registers=replace(made.registers, moved=()))


def since_it_came_last(of, at_ms):
    return of[-1].is_here and of[-1].since_ms < at_ms


def stayed_with_who_is_there_anyway(of, made, _):
    presence_ms = np.sum([each.presence_ms for each in of.zones.values()], axis=0)
    stay_ms = presence_ms / np.maximum(made.entered, 1)
    return stay_ms / np.median(stay_ms[of.is_open])


HERE = sys.modules[__name__]
COMPOSED, SCORE, SITE_OF, ASSESSMENT, FIGURE = (
    composite.composed, composite._score, site_of, composite.Assessment, Figure,
)  # fmt: skip
NO_FEW = tuple(
    replace(each, settings={**each.settings, "few": 0}) if "few" in each.settings else each
    for each in SCHEME.indicators
)


def of_scheme(**values):
    return (HERE, "SCHEME", replace(SCHEME, **values))


WITHOUT = {
    # how records become slots
    "largest_remainder": [(slots, "shares", floored)],
    "in_proportion": [(slots, "shares", lambda n, t0, _: [(t0 // SLOT_MS * SLOT_MS, n)])],
    "staff_apart": [(slots, "STAFF", "nobody")],
    "worst_line": [(slots, "_worst_line", best_line)],
    "hole_is_unseen": [(slots, "_worst_line", lines_with_a_record)],
    "null_is_not_zero": [(slots, "_covered", lambda cov, _: cov)],
    "undated_apart": [(slots, "UNSYNCED", "never")],
    # what counts, and how far it was seen
    "opening_hours": [
        (HERE, "site_of", site_with(lambda of: replace(of, is_open=of.is_open | True)))
    ],
    "per_open_day": [(SiteMonth, "open_days", 28)],
    "rounded_coverage": [(flow, "coverage", unrounded)],
    "reliable_from": [of_scheme(reliable_from=0.0)],
    "estimated_from": [of_scheme(estimated_from=0.0)],
    "records_missing": [(HERE, "site_of", site_with(lambda of: replace(of, records_missing=0)))],
    "worst_door": [(flow, "worst_cov", best_door)],
    "due": [(module, "due_of", always_due) for module in (observed, flow, service)],
    "by_covered_time": [(flow, "per_slot", lambda sums, _: sums)],
    "half_seen": [(module, "HALF_SEEN", 0.0) for module in (flow, grading)],
    # what was not seen
    "filled_up": [(flow, "estimate", only_seen)],
    "days_differ": [(estimate, "UNKNOWN_SPREAD", 0.0)],
    "busy_day": [(estimate, "_busy", usual_days)],
    "own_hour": [(module, "group_of", lambda m: m.weekday * 24) for module in (profile, estimate)],
    "own_weekday": [
        (module, "group_of", lambda m: m.minute // 60) for module in (profile, estimate)
    ],
    "seen_were_there": [(estimate, "max", lambda _, b: b)],
    "once_at_most": [(flow, "min", lambda n, _: n)],
    "device_range": [(flow, "Counted", lambda n, _, __, cov: estimate.Counted(n, n, n, cov))],
    # registers
    "full_at_most": [(project, "min", lambda people, _: people)],
    "seen_before_typed": [(project, "came", lambda activity: activity.attended)],
    "held_only": [(HERE, "site_of", site_with(all_held))],
    "plan_closes": [(plan, "closes_ms", lambda *_: None)],
    "plan_grace": [(plan, "closes_ms", lambda month, _: month.t0_ms)],
    "plan_as_it_stood": [(plan, "stood", since_it_came_last)],
    "moved_is_planned": [(HERE, "site_of", site_with(none_moved))],
    "half_known": [(project, "HALF_KNOWN", 0.0)],
    "unknown_part": [
        (module, "with_unknown", lambda low, high, _: (low, high)) for module in (project, service)
    ],
    "few_ratings": [of_scheme(indicators=NO_FEW)],
    "untold_wait_is_long": [(service, "FEWEST_VISITS", inf)],
    # points, score, ranks
    "clipped_points": [(scheme, "min", lambda _, b: b), (scheme, "max", lambda _, b: b)],
    "sections_keep_weight": [(composite, "composed", indicators_alone)],
    "rated_weight_from": [of_scheme(rated_weight_from=0.0)],
    "every_section": [(composite, "_score", rated_sections_alone)],
    "tie_spans": [(HERE, "Figure", lambda value, _, __, grade: FIGURE(value, value, value, grade))],
    "size_classes": [(composite, "Assessment", lambda name, _, *of: ASSESSMENT(name, "s", *of))],
    "fewest_to_rank": [of_scheme(fewest_to_rank=2)],
    # flags: first that each can be raised, then that each can be missed
    "flag:loops": [(flags, "BUSY", 1e9)],
    "flag:uturns": [(flags, "UTURNS", 1.0)],
    "flag:out_of_hours": [(flags, "MANY_OUT", inf)],
    "flag:imbalance": [(flags, "IMBALANCE", 1.0)],
    "flag:camera": [(outages, "HOUR", inf)],
    "flag:days_unseen": [(outages, "DAYS", inf)],
    "flag:same_hours": [(outages, "MOSTLY", inf)],
    "flag:quiet_days": [(outages, "QUIETER", 0.0)],
    "flag:quiet_hours": [(outages, "QUIET", 0.0)],
    "flag:closed_days": [(flags, "CLOSED", inf)],
    "flag:register": [(flags, "REGISTER", inf)],
    "flag:plan": [(flags, "plan_of", lambda *_: plan.Plan(()))],
    "usual_presence": [(flags, "_stayed", stayed_with_who_is_there_anyway)],
    "near:loops_many": [(flags, "MANY", 0)],
    "near:loops_busy": [(flags, "BUSY", 1.0)],
    "near:loops_balanced": [(flags, "BALANCED", 1.0)],
    "near:loops_stayed": [(flags, "SHORT", inf)],
    "near:uturns": [(flags, "UTURNS", 0.0)],
    "near:uturns_few": [(flags, "FEWEST", 0)],
    "near:out_of_hours_many": [(flags, "MANY_OUT", 0)],
    "near:out_of_hours_margin": [(flags, "MARGIN_SLOTS", 0)],
    "near:out_of_hours_share": [(flags, "SHARE_OUT", 0.0)],
    "near:imbalance": [(flags, "IMBALANCE", 0.0)],
    "near:imbalance_few": [(flags, "FEWEST", 0)],
    "near:camera": [(outages, "HOUR", 3.0)],
    "near:days_unseen": [(outages, "DAYS", 1)],
    "near:same_hours": [(outages, "MOSTLY", 0.0)],
    "near:outage_long": [(outages, "LONG", 0.0)],
    "near:quiet_days": [(outages, "QUIETER", 1.0)],
    "near:quiet_days_few": [(outages, "PARTLY", 1)],
    "near:quiet_hours": [(outages, "QUIET", 1.0)],
    "near:closed_days": [(flags, "CLOSED", 1)],
    "near:register": [(flags, "REGISTER", 0.0)],
}
"""Rules switched off, by the name under which vectors tell that they need them."""

NEEDS = [(rule, name) for name, v in VECTORS.items() for rule in v.get("fails_without", ())]


@pytest.mark.parametrize(("rule", "name"), NEEDS)
def test_without_its_rule_a_vector_fails(rule, name, monkeypatch):
    assert not wrong(VECTORS[name])
    for module, attribute, value in WITHOUT[rule]:
        monkeypatch.setattr(module, attribute, value, raising=False)
    assert wrong(VECTORS[name])


def test_every_rule_has_a_vector():
    assert {rule for rule, _ in NEEDS} == WITHOUT.keys()


def test_every_kind_reason_grade_and_flag_has_a_vector():
    figures = [v for v in VECTORS.values() if v["asks"] == "figure"]
    assert {v["indicator"] for v in figures} == {str(kind) for kind in scheme.Kind}
    assert {v["expected"]["grade"] for v in figures} == {str(grade) for grade in Grade}
    reasons = {v["expected"].get("reason") for v in figures}
    # The last is of sections and scores.
    assert reasons - {None} == {str(each) for each in Reason} - {"too_few_rated"}
    raised = {code for v in VECTORS.values() if v["asks"] == "flags" for code in v["expected"]}
    assert raised == set(re.findall(r'^ +"([a-z_]+)",$', FLAG_SOURCES, re.MULTILINE))


def test_the_manual_works_the_vectors_it_names():
    """A figure in bold and the name of its vector, in both languages."""
    text = Path("docs/evaluation.md").read_text("utf-8")
    worked = re.findall(r"\*\*([\d.]+)\*\* ?[(（]`([^`]+)`[)）]", text)
    assert len(worked) >= 18
    for value, name in worked:
        assert VECTORS[name]["expected"]["value"] == float(value), name
    kinds = {VECTORS[name].get("indicator") for _, name in worked}
    assert kinds == {str(kind) for kind in scheme.Kind}
