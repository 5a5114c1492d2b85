"""What looks odd in a month, said with its figures. Nothing is taken away for it.

A flag is a question to a person, not a verdict: a school class and somebody walking in circles
look alike to a line.

| code | when |
|---|---|
| loops | a slot counts more than `BUSY` times the median of its hour and more than `MANY` in, about as many out, and where a zone tells, those who are more than usual stayed less than `SHORT` of the usual time |
| uturns | more than `UTURNS` of those who came turned round at the door |
| out_of_hours | more than `MANY_OUT` people, and `SHARE_OUT` of all, came when it was closed |
| imbalance | in and out differ by more than `IMBALANCE` of the larger one |
| camera, days_unseen, same_hours, quiet_hours | see `evaluation.assessment.outages` |
| closed_days | closed on `CLOSED` or more days whose weekday is mostly open: the visit rate is per open day |
| records_missing | records exist that did not come |
| undated | people were counted whom no clock could date |
| plan_late | something was entered after the plan had closed, where the scheme closes it |
| plan_moved | something that was planned is in another month now |
| register | the register has many more people at an activity than the zone saw |
"""  # noqa: E501

from collections.abc import Iterator, Sequence

import numpy as np

from evaluation.assessment.estimate import weekdays
from evaluation.assessment.observed import Bools, DoorMonth, Floats, Ints, worst_cov
from evaluation.assessment.opening import SLOT_MS
from evaluation.assessment.outages import outages
from evaluation.assessment.plan import plan_of
from evaluation.assessment.scheme import Scheme
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Flag

__all__ = ["Flag", "flags"]

BUSY = 3.0
MANY = 20
BALANCED = 0.15
SHORT = 0.5
UTURNS = 0.3
MANY_OUT = 20
SHARE_OUT = 0.05
MARGIN_SLOTS = 2
"""Half an hour before and after the opening hours is not out of hours: staff let people in."""
IMBALANCE = 0.2
FEWEST = 50
CLOSED = 4
MOST_NAMED = 5
REGISTER = 1.5
REGISTER_MORE = 10


def flags(of: SiteMonth, scheme: Scheme) -> list[Flag]:
    """Return what looks odd, by kind and then by day."""
    found = [
        flag
        for device, door in sorted(of.doors.items())
        for look in (_loops, _uturns, _out_of_hours, _imbalance)
        for flag in look(of, door, device)
    ]
    of_plan = _plan(of, scheme)
    return [*found, *outages(of), *_closed_days(of), *_records(of), *of_plan, *_register(of)]


def _loops(of: SiteMonth, door: DoorMonth, device: str) -> Iterator[Flag]:
    usual = _usual(of, door.entered, door.cov)
    more = np.maximum(door.entered, door.left)
    odd = (
        of.is_open
        & (door.entered > MANY)
        & (door.entered > BUSY * usual)
        & (np.abs(door.entered - door.left) <= BALANCED * more)
    )
    stayed = _stayed(of, door, usual)
    if stayed is not None:
        odd &= stayed < SHORT
    for day in np.unique(of.month.day[odd]).tolist():
        slots = odd & (of.month.day == day)
        people, times = int(door.entered[slots].sum()), int(slots.sum())
        yield Flag(
            "loops",
            f"{times} 个时段共 {people} 人次进入，是平常的 {BUSY:.0f} 倍以上，且几乎同时离开："
            "可能有人反复进出，也可能是短暂的集体参观",
            f"{people} people came in {times} quarter(s) of an hour, over {BUSY:.0f} times as many"
            " as usual, and about as many left at once: perhaps somebody walked in and out again"
            " and again, perhaps a group on a short visit",
            day,
            device,
        )


def _usual(of: SiteMonth, sums: Ints, cov: Floats) -> Floats:
    """Return the median of the month's open slots of the same hour, which one odd day leaves."""
    hour = of.month.minute // 60
    usual = np.zeros(of.month.slots)
    seen = of.is_open & (cov > 0)
    for each in np.unique(hour[seen]).tolist():
        usual[hour == each] = np.median(sums[seen & (hour == each)])
    return usual


def _stayed(of: SiteMonth, door: DoorMonth, usual: Floats) -> Floats | None:
    """Return how long those who are more than usual stayed, as a share of a usual stay.

    Who sits in the hall at that hour anyway does not make a walk in circles longer. None where
    no zone tells.
    """
    zones = list(of.zones.values())
    if not zones:
        return None
    presence_ms: Ints = np.sum([zone.presence_ms for zone in zones], axis=0)
    busy = of.is_open & (door.entered > 0)
    if not busy.any():
        return None
    usual_stay_ms = float(np.median(presence_ms[busy] / door.entered[busy]))
    if not usual_stay_ms:
        return None
    more_ms = presence_ms - _usual(of, presence_ms, worst_cov(zones))
    return more_ms / np.maximum(door.entered - usual, 1.0) / usual_stay_ms


def _uturns(of: SiteMonth, door: DoorMonth, device: str) -> Iterator[Flag]:
    turned, came = int(door.uturn[of.is_open].sum()), int(door.entered[of.is_open].sum())
    if turned < FEWEST or turned <= UTURNS * (turned + came):
        return
    share = 100 * turned / (turned + came)
    yield Flag(
        "uturns",
        f"{share:.0f}% 的人（{turned} 人次）在门口折返，没有计入：请检查计数线的位置",
        f"{share:.0f} % of the people ({turned}) turned round at the door and are not counted:"
        " look at where the line is",
        source=device,
    )


def _out_of_hours(of: SiteMonth, door: DoorMonth, device: str) -> Iterator[Flag]:
    closed = ~_widened(of)
    outside, everyone = int(door.entered[closed].sum()), int(door.entered.sum())
    if outside <= MANY_OUT or outside <= SHARE_OUT * everyone:
        return
    days = len(set(of.month.day[closed & (door.entered > 0)].tolist()))
    yield Flag(
        "out_of_hours",
        f"开放时间以外有 {outside} 人次进入（{days} 天），没有计入到访率：请核对开放时间",
        f"{outside} people came when it was closed ({days} days); they are not in the visit rate:"
        " check the opening hours",
        source=device,
    )


def _widened(of: SiteMonth) -> Bools:
    wide = of.is_open.copy()
    for step in range(1, MARGIN_SLOTS + 1):
        wide[step:] |= of.is_open[:-step]
        wide[:-step] |= of.is_open[step:]
    return wide


def _imbalance(_: SiteMonth, door: DoorMonth, device: str) -> Iterator[Flag]:
    came, left = int(door.entered.sum()), int(door.left.sum())
    if max(came, left) < FEWEST or abs(came - left) <= IMBALANCE * max(came, left):
        return
    yield Flag(
        "imbalance",
        f"进入 {came}、离开 {left} 人次，相差过大：可能有别的出入口，或计数线需要检查",
        f"{came} came in and {left} went out, which is far apart: perhaps there is another door,"
        " or the line wants a look",
        source=device,
    )


def _closed_days(of: SiteMonth) -> Iterator[Flag]:
    month = of.month
    opened = np.bincount(month.day, of.is_open, minlength=month.days) > 0
    weekday = weekdays(month)
    open_days = np.bincount(weekday, opened, minlength=7)
    is_usual = 2 * open_days > np.bincount(weekday, minlength=7)
    closed = int((~opened & is_usual[weekday]).sum())
    if closed < CLOSED:
        return
    yield Flag(
        "closed_days",
        f"通常开放的日子有 {closed} 天关闭；到访率只按开放的 {of.open_days} 天计算：请核对闭馆日",
        f"closed on {closed} days that are usually open; the visit rate is of the {of.open_days}"
        " open ones: check the closed days",
    )


def _records(of: SiteMonth) -> Iterator[Flag]:
    if of.records_missing:
        yield Flag(
            "records_missing",
            f"有 {of.records_missing} 条记录还没有收到",
            f"{of.records_missing} records exist that did not come",
        )
    for device, door in sorted(of.doors.items()):
        if door.undated:
            yield Flag(
                "undated",
                f"{door.undated} 人次因设备时钟未校准无法确定时间，没有计入",
                f"{door.undated} people were counted while the device's clock was not set;"
                " they are in no day",
                source=device,
            )


def _plan(of: SiteMonth, scheme: Scheme) -> Iterator[Flag]:
    plan = plan_of(of, scheme)
    if plan.late:
        yield Flag(
            "plan_late",
            f"{len(plan.late)} 项活动在计划截止后才登记，不计入活动实施率：{_named(plan.late)}",
            f"{len(plan.late)} activities were entered after the plan had closed; they are not in"
            f" the implementation rate: {_named(plan.late)}",
        )
    if plan.moved:
        yield Flag(
            "plan_moved",
            f"{len(plan.moved)} 项活动在计划截止后改到别的月份，仍算本月计划：{_named(plan.moved)}",
            f"{len(plan.moved)} activities were moved to another month after the plan had closed;"
            f" they still count as planned: {_named(plan.moved)}",
        )


def _named(ids: Sequence[str]) -> str:
    more = ["…"] if len(ids) > MOST_NAMED else []
    return ", ".join([*ids[:MOST_NAMED], *more])


def _register(of: SiteMonth) -> Iterator[Flag]:
    for each in of.registers.activities or ():
        if each.attended is None or each.seen is None:
            continue
        if each.attended <= REGISTER * each.seen + REGISTER_MORE:
            continue
        slot = (each.t0_ms - of.month.t0_ms) // SLOT_MS
        day = int(of.month.day[slot]) if 0 <= slot < of.month.slots else None
        yield Flag(
            "register",
            f"活动 {each.id}：台账 {each.attended} 人，区域最多看到 {each.seen} 人",
            f"activity {each.id}: {each.attended} people by the register,"
            f" the zone saw {each.seen} at most",
            day,
        )
