"""The state of a device from what it said last, and which alerts follow from it in time."""

import io
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from edge.sealing import iso_utc
from evaluation.alerts import ALL, BACKLOG_S, RULES, Alert, findings, follow
from evaluation.fleet import LATE_S, Facts, LastRecords, Told, fleet, is_intake_stopped
from evaluation.fleet_facts import Placed
from evaluation.fleet_table import alert_table, fleet_table
from evaluation.fleet_words import (
    Clock,
    Code,
    Presence,
    Registration,
    Severity,
    alert_words,
    video_words,
)
from evaluation.minutes import REASONS

MINUTE = 60_000
T0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z
QUARTER = 15 * MINUTE
WITHIN = 15 * MINUTE
TICK = 15_000


def status(state, at_ms=T0, **options):
    return Told({"v": "1.0", "state": state}, at_ms, **options)


def health(at_ms=T0, *, skew_ms=0, lives_ms=QUARTER, is_live=True, **fields):
    body = {"v": "1.2", "at": iso_utc(at_ms + skew_ms), "queue": 0, "video": None, "time": "ntp"}
    return Told(body | fields, at_ms, is_live, at_ms + lives_ms)


def info(**fields):
    return Told({"software": "1.0", "interval_s": 900, "lines": [{"id": "door"}]} | fields, T0)


def last(at_ms=T0, *, cov=1.0, reason=None, tq="ntp", ahead_ms=0, cal=None):
    return LastRecords(at_ms + ahead_ms, at_ms, cov, reason, tq, cal or {"door": "abc"})


def facts(dev="d1", **changes):
    base = Facts(
        dev, "t", Registration.PLACED, "site-001", "幸福里", "north", True,
        {"status": status("online"), "info": info(), "health": health()},
        last(), T0, 0,
    )  # fmt: skip
    return replace(base, **changes)


def row(now_ms=T0, **changes):
    return fleet([facts(**changes)], now_ms)[0]


def told(**leaves):
    base = {"status": status("online"), "info": info(), "health": health()}
    return {leaf.replace("_", "/"): each for leaf, each in (base | leaves).items() if each}


def test_a_device_that_is_well_is_well():
    found = row()
    assert found.presence is Presence.ONLINE
    assert (found.video, found.clock, found.unaudited) == ("ok", Clock.RIGHT, ())
    assert (found.version, found.is_other_version) == ("1.0", False)
    assert (found.missing, found.backlog, found.backlog_s) == (0, 0, 0)
    assert (found.heard_ms, found.last_record_ms) == (T0, T0)
    assert not any(each.holds for each in findings([found]).values())


@pytest.mark.parametrize(
    ("changes", "after", "presence", "since"),
    [
        ({}, QUARTER + LATE_S * 1000, Presence.ONLINE, T0),
        ({}, QUARTER + LATE_S * 1000 + 1, Presence.SILENT, T0 + QUARTER),
        ({"told": told(status=status("lost", T0 + 5))}, 9, Presence.LOST, T0 + 5),
        ({"told": told(status=status("offline", T0 + 5))}, 9, Presence.OFFLINE, T0 + 5),
        ({"told": {}, "heard_ms": None, "last": None}, 9, Presence.NEVER_SEEN, None),
        ({"told": {}}, 9, Presence.ONLINE, T0),
        ({"told": {}}, 3 * QUARTER, Presence.SILENT, T0 + QUARTER),
        ({"told": {"health": health()}, "heard_ms": None}, 9, Presence.SILENT, T0),
        # Counting by the hour, it is not late after fifteen minutes.
        ({"told": told(info=info(interval_s=3600))}, 3 * QUARTER, Presence.ONLINE, T0),
        # It connects every few minutes and never sends: not excused for ever.
        (
            {"told": told(status=status("online", T0 + 100 * MINUTE))},
            101 * MINUTE, Presence.SILENT, T0 + QUARTER,
        ),
        # It has just been switched on after a long night: it has a quarter of an hour.
        (
            {"told": told(status=status("online", T0 + 60 * MINUTE))},
            61 * MINUTE, Presence.ONLINE, T0 + 60 * MINUTE,
        ),
    ],
)  # fmt: skip
def test_whether_a_device_is_there(changes, after, presence, since):
    found = row(T0 + after, **changes)
    assert (found.presence, found.since_ms) == (presence, since)


@pytest.mark.parametrize(
    ("changes", "after", "video", "clock"),
    [
        ({"told": told(health=health(video="covered", time="rtc"))}, 9, "covered", Clock.RIGHT),
        ({"told": told(health=health(time="unsynced"))}, 9, "ok", Clock.UNSYNCED),
        ({"told": told(health=health(skew_ms=121_000))}, 9, "ok", Clock.WRONG),
        ({"told": told(health=health(skew_ms=-121_000))}, 9, "ok", Clock.WRONG),
        ({"told": told(health=health(skew_ms=119_000))}, 9, "ok", Clock.RIGHT),
        # Kept by the broker: as old as anything, so its time says nothing of the clock.
        ({"told": told(health=health(skew_ms=-9 * 10**6, is_live=False))}, 9, "ok", Clock.RIGHT),
        # What it said last does not hold for ever, nor when it is not there any more.
        ({"last": None}, QUARTER + 1, None, Clock.UNKNOWN),
        ({"told": told(status=status("lost"))}, 9, None, Clock.UNKNOWN),
        # Without health the last interval tells, as long as it is the last one.
        ({"told": told(health=None)}, 9, "ok", Clock.RIGHT),
        ({"told": told(health=None), "last": last(cov=0.2, reason="moved")}, 9, "moved", None),
        ({"told": told(health=None), "last": last(tq="unsynced")}, 9, "ok", Clock.UNSYNCED),
        ({"told": told(health=None), "last": last(ahead_ms=200_000)}, 9, "ok", Clock.WRONG),
        ({"told": told(health=None), "last": None}, 9, None, Clock.UNKNOWN),
    ],
)  # fmt: skip
def test_what_is_not_known_is_not_fine(changes, after, video, clock):
    found = row(T0 + after, **changes)
    assert found.video == video
    assert clock is None or found.clock is clock


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"queue": "many", "video": 7, "at": 7, "time": 7},
        {"queue": 10**400, "video": [], "at": "2026-01-01", "time": {}},
        {"queue": -1, "video": "\ud800", "at": "now", "time": []},
    ],
)
def test_nonsense_is_unknown(body):
    leaves = told(health=Told(body, T0), info=Told({"lines": 3, "interval_s": "x"}, T0))
    found = row(told=leaves | {"status": Told({"state": []}, T0)}, last=None)
    assert found.presence is Presence.ONLINE  # its records come
    assert (found.video, found.clock) == (None, Clock.UNKNOWN)
    assert (found.version, found.backlog, found.unaudited) == (None, None, None)


def test_unaudited_lines_and_other_versions_are_told():
    mixed = [
        facts("d1", told=told(info=info(software="1.0"))),
        facts("d2", last=last(cal={"door": None, "side": "x"})),
        facts("d3", told=told(info=info(software="0.9"))),
        facts("d4", told={}),
    ]
    found = fleet(mixed, T0)
    assert [each.is_other_version for each in found] == [False, False, True, None]
    assert [each.unaudited for each in found] == [(), ("door",), (), ()]


def holding(**changes):
    now_ms = changes.pop("now_ms", T0)
    found = findings(fleet([facts(**changes)], now_ms))
    return {code.value for (_, code), each in found.items() if each.holds}


def unknown(**changes):
    found = findings(fleet([facts(**changes)], T0))
    return {code.value for (_, code), each in found.items() if each.holds is None}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"told": told(status=status("lost"))}, {"lost"}),
        ({"told": told(status=status("offline"))}, {"offline"}),
        ({"told": {}, "heard_ms": None, "last": None}, {"never_seen"}),
        ({"now_ms": T0 + 2 * QUARTER}, {"silent"}),
        ({"told": told(health=health(video="covered"))}, {"video"}),
        ({"told": told(health=health(time="unsynced"))}, {"clock"}),
        ({"told": told(config_reported=Told({"state": "rolled_back"}, T0))}, {"config"}),
        (
            {"told": told(config_reported=Told({"file": {"state": "rejected"}}, T0))},
            {"config"},
        ),
        ({"told": told(health=health(queue=BACKLOG_S // 900 + 1))}, {"backlog"}),
        ({"missing": 3}, {"missing"}),
        # As long as records wait on the device, the missing ones may be among them.
        ({"missing": 3, "told": told(health=health(queue=1))}, set()),
        ({"registration": Registration.NONE}, {"unregistered"}),
        ({"registration": Registration.ENDED, "rivals": ("d9",)}, {"unregistered", "place"}),
        ({"registration": Registration.NONE, "told": told(status=status("lost"))}, set()),
        ({"rivals": ("d9",)}, {"place"}),
        # In the night of a centre that switches off there is nothing to come for.
        ({"is_open": False, "told": told(status=status("lost"))}, set()),
        ({"is_open": False, "told": told(health=health(video="dark"))}, set()),
        ({"is_open": None, "told": told(health=health(video="dark"))}, {"video"}),
        ({"is_open": False, "told": told(health=health(video="covered"))}, {"video"}),
    ],
)  # fmt: skip
def test_what_each_cause_is_called(changes, codes):
    assert holding(**changes) == codes


def test_of_a_device_that_is_not_there_most_is_unknown_not_over():
    assert {"video", "clock", "backlog"} <= unknown(told=told(status=status("lost")))


def test_when_all_fall_silent_it_is_not_their_doing():
    rows = fleet([facts(f"d{n}") for n in range(4)], T0 + 2 * QUARTER)
    assert is_intake_stopped(rows)
    found = findings(rows)
    assert found[ALL, Code.INTAKE].holds
    assert {found[f"d{n}", Code.SILENT].holds for n in range(4)} == {None}
    one_speaks = [*rows[:3], row(T0)]
    assert not is_intake_stopped(one_speaks)
    assert findings(one_speaks)["d0", Code.SILENT].holds
    assert findings(one_speaks)[ALL, Code.INTAKE].holds is False


# --- In time -------------------------------------------------------------------------------


def raised_at(code, facts_at, until_ms=T0 + 3_600_000):
    """Look at a device every few seconds; return when the alert is raised."""
    kept = {}
    for now_ms in range(T0, until_ms, TICK):
        found = findings(fleet([facts_at(now_ms)], now_ms))
        for was, now in follow("t", list(kept.values()), found, now_ms):
            key = ((now or was).dev, (now or was).code)
            kept[key] = now
            if now is None or now.closed_ms:
                del kept[key]
            elif now.code is code and now.raised_ms:
                return now
    raise AssertionError(f"{code} was never raised")


CAUSE = T0 + 7 * MINUTE
EVERY = 5 * MINUTE


def lately(now_ms, every_ms=EVERY):
    """When the last of the messages was sent that come every few minutes, from T0 on."""
    return T0 + (now_ms - T0) // every_ms * every_ms


def lost(now_ms):
    will_ms = CAUSE + 30_000
    leaves = told(health=health(lately(now_ms)))
    if now_ms >= will_ms:
        leaves = told(status=status("lost", will_ms))
    return facts(told=leaves, heard_ms=lately(min(now_ms, CAUSE), QUARTER))


def stopped(now_ms):
    leaves = told(status=status("offline", CAUSE)) if now_ms >= CAUSE else told()
    return facts(told=leaves, heard_ms=lately(min(now_ms, CAUSE), QUARTER))


def covered(now_ms):
    sent = lately(now_ms)
    video = "covered" if sent >= CAUSE else None
    return facts(told=told(health=health(sent, video=video)), heard_ms=lately(now_ms, QUARTER))


def clock_wrong(now_ms):
    sent = lately(now_ms)
    skew_ms = 10 * MINUTE if sent >= CAUSE else 0
    return facts(told=told(health=health(sent, skew_ms=skew_ms)), heard_ms=lately(now_ms, QUARTER))


@pytest.mark.parametrize(
    ("code", "facts_at"),
    [
        (Code.LOST, lost),
        (Code.OFFLINE, stopped),
        (Code.VIDEO, covered),
        (Code.CLOCK, clock_wrong),
    ],
)
def test_an_alert_comes_within_a_quarter_of_an_hour_of_its_cause(code, facts_at):
    alert = raised_at(code, facts_at)
    assert CAUSE <= alert.since_ms <= alert.raised_ms <= CAUSE + WITHIN


def test_of_records_that_stop_it_comes_within_a_quarter_of_an_hour_of_the_one_that_is_missing():
    """Its picture and its connection are well: only what does not come tells."""

    def hangs(now_ms):
        return facts(told=told(health=health(lately(now_ms))), heard_ms=T0)

    alert = raised_at(Code.SILENT, hangs)
    due_ms = T0 + QUARTER
    assert alert.since_ms == due_ms
    assert due_ms < alert.raised_ms <= due_ms + WITHIN


def test_a_shut_down_device_is_an_alarm_when_the_centre_opens():
    opens_ms = T0 + 20 * MINUTE

    def night(now_ms):
        is_open = now_ms >= opens_ms
        return facts(told=told(status=status("lost", T0)), is_open=is_open)

    alert = raised_at(Code.LOST, night)
    assert alert.since_ms == T0
    assert alert.raised_ms >= opens_ms + RULES[Code.LOST].raise_after_s * 1000


def test_every_code_has_its_words_and_its_severity():
    for code in Code:
        en, zh = alert_words(code, "x")
        assert en.isascii()
        assert not zh.isascii()
        assert RULES[code].severity in set(Severity)
    assert alert_words(Code.VIDEO, "covered")[0].endswith(REASONS["covered"][0])
    assert alert_words(Code.CLOCK, "unsynced") == ("the clock is not synchronised", "时钟未对时")
    assert alert_words(Code.MISSING, "7")[1] == "缺少 7 条记录"
    assert video_words(None) == ("unknown", "未知")
    assert video_words("ok")[0] == "healthy"


def test_a_table_shows_what_is_said_as_it_is_said():
    """A version or a name may look like the markup of the table."""
    odd = row(name="[/x]", told=told(info=info(software="[red]")))
    alert = Alert("t", "d1", Code.VIDEO, T0, T0, Severity.HIGH, "[/y]", T0)
    at = Placed(Registration.PLACED, "site-001", "[/z]", "north", True)
    console = Console(width=300, file=io.StringIO())
    console.print(fleet_table([odd], ZoneInfo("Asia/Shanghai")))
    console.print(alert_table([alert], {"d1": at}, ZoneInfo("Asia/Shanghai")))
    shown = console.file.getvalue()
    assert [text for text in ("[/x]", "[red]", "[/y]", "[/z]") if text not in shown] == []
    assert "01-01 08:00" in shown
