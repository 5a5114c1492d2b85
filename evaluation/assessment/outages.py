"""When nobody was looking, as far as it looks odd: said with its figures, nothing is taken away.

| code | when |
|---|---|
| camera | the camera was covered, dark, blurred, frozen or moved for `HOUR` or more of the opening time |
| days_unseen | `DAYS` or more open days were not seen at all |
| same_hours | `LONG` or more was not seen, at least half of it at times of the week that were hardly seen at all |
| quiet_days | `LONG` or more was not seen, and on `PARTLY` or more days that lack a quarter or more came `QUIETER` of the usual or fewer as far as they were seen |
| quiet_hours | `LONG` or more was not seen, at times at which usually come `QUIET` of the average or fewer |

The last four ask whether somebody chose: an outage that chooses is filled up with what it left
out, see `evaluation.assessment.estimate`.
"""  # noqa: E501

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from evaluation.assessment.observed import Bools, DoorMonth, Floats, due_of
from evaluation.assessment.profile import Profile, profile_of
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Flag

HOUR = 4
"""In slots' worth, like LONG."""
LONG = 8
DAYS = 2
MOSTLY = 0.5
QUIET = 0.5
PARTLY = 3
QUARTER = 0.25
QUIETER = 0.7
_CAMERA = {
    "covered": ("被遮挡", "was covered"),
    "dark": ("太暗", "saw too little light"),
    "blurred": ("模糊", "was blurred"),
    "frozen": ("画面停住", "was frozen"),
    "moved": ("被移动", "was moved"),
}


def outages(of: SiteMonth) -> Iterator[Flag]:
    """Yield what looks odd about when each door was not seen."""
    for device, door in sorted(of.doors.items()):
        is_open = of.is_open & due_of(door)
        lacking = np.where(is_open, 1 - door.cov, 0.0)
        yield from _camera(of, door, device, lacking)
        yield from _days_unseen(of, device, is_open, lacking)
        if LONG <= float(lacking.sum()) < float(is_open.sum()):
            yield from _chosen(of, door, device, is_open, lacking)


def _camera(of: SiteMonth, door: DoorMonth, device: str, lacking: Floats) -> Iterator[Flag]:
    lost: dict[str, float] = defaultdict(float)
    first: dict[str, int] = {}
    for slot, why in sorted(door.why.items()):
        if why in _CAMERA and lacking[slot] > 0:
            lost[why] += float(lacking[slot])
            first.setdefault(why, slot)
    for why, (zh, en) in _CAMERA.items():
        if round(lost[why], 6) < HOUR:
            continue
        hours = lost[why] / 4
        yield Flag(
            "camera",
            f"摄像机{zh}，影响开放时间 {hours:.1f} 小时",
            f"the camera {en} for {hours:.1f} h of the opening time",
            int(of.month.day[first[why]]),
            device,
        )


def _days_unseen(of: SiteMonth, device: str, is_open: Bools, lacking: Floats) -> Iterator[Flag]:
    slots = np.bincount(of.month.day, is_open, minlength=of.month.days)
    lost = np.bincount(of.month.day, lacking, minlength=of.month.days)
    unseen = np.flatnonzero((slots > 0) & (lost >= slots))
    if len(unseen) < DAYS:
        return
    dates = ", ".join(f"{of.month.date_of(day):%m-%d}" for day in unseen.tolist())
    yield Flag(
        "days_unseen",
        f"有 {len(unseen)} 个开放日完全没有观测（{dates}）；"
        "估算时按同一星期几的其他日子补上：请核实原因",
        f"{len(unseen)} open days were not seen at all ({dates}); an estimate fills them up from"
        " other days of the same weekday: ask why",
        source=device,
    )


def _chosen(
    of: SiteMonth, door: DoorMonth, device: str, is_open: Bools, lacking: Floats
) -> Iterator[Flag]:
    profile, lost = profile_of(door.entered, door.cov, is_open, of.month), float(lacking.sum())
    hours = lost / 4
    hardly = float(lacking[~profile.is_own].sum())
    if hardly >= MOSTLY * lost:
        yield Flag(
            "same_hours",
            f"没有观测的 {hours:.1f} 小时里，有 {hardly / 4:.1f} 小时总在每周的同一时段，"
            "该时段只能借用其他日子估算：请核实原因",
            f"of {hours:.1f} h that were not seen, {hardly / 4:.1f} h are always at the same time"
            " of the week, which is filled up from other weekdays: ask why",
            source=device,
        )
    yield from _quiet_days(of, door, device, is_open, profile)
    there = float((lacking * profile.rate).sum()) / lost
    usual = float(profile.rate[is_open].mean())
    if usual > 0 and there <= QUIET * usual:
        yield Flag(
            "quiet_hours",
            f"没有观测的 {hours:.1f} 小时多在人少的时段"
            f"（每刻钟约 {there:.1f} 人次，平均 {usual:.1f}）：请核实原因",
            f"the {hours:.1f} h that were not seen are mostly quiet ones (about {there:.1f} people"
            f" in a quarter of an hour, {usual:.1f} on average): ask why",
            source=device,
        )


def _quiet_days(
    of: SiteMonth, door: DoorMonth, device: str, is_open: Bools, profile: Profile
) -> Iterator[Flag]:
    """Yield whether the days that were seen in part were quiet as far as they were seen."""
    day, days = of.month.day, of.month.days
    looked = np.where(is_open, door.cov, 0.0)
    slots, seen = (np.bincount(day, each, minlength=days) for each in (is_open, looked))
    partly = (seen > 0) & (slots - seen >= QUARTER * slots)
    counted = np.bincount(day, np.where(is_open, door.entered, 0), minlength=days)[partly].sum()
    usual = np.bincount(day, looked * profile.rate, minlength=days)[partly].sum()
    if partly.sum() < PARTLY or counted > QUIETER * usual or not usual:
        return
    share = 100 * counted / usual
    yield Flag(
        "quiet_days",
        f"有 {partly.sum()} 天只观测了一部分，看到的时段只有平常人次的 {share:.0f} %：请核实原因",
        f"{partly.sum()} days were seen in part, and as far as they were seen {share:.0f} % of the"
        " usual people came: ask why",
        source=device,
    )
