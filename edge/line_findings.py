"""What is wrong with a line, from how people met it: measured figures against limits. Pure.

Thresholds are in seconds, person-heights and shares of the people who came to the line, the
same on every clip of docs/line-doctor.md, and not changed since faults were first tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import ceil

import numpy as np

from edge.foot_paths import Bools
from edge.line_meetings import Meetings
from edge.regions import EVERYTHING, Interest
from edge.vocabulary import Anchor, Line
from edge.walkers import Crowd, MeetingSettings


class Code(StrEnum):
    """What can be found about a line."""

    TOO_LITTLE_SEEN = "too_little_seen"
    NEVER_REACHED = "never_reached"
    NEAR_EDGE = "near_edge"
    BREAKS_HERE = "breaks_here"
    BREAKS_EVERYWHERE = "breaks_everywhere"
    LENGTHWISE = "lengthwise"
    ENDS_SHORT = "ends_short"
    STANDING_ON_LINE = "standing_on_line"
    TOO_SMALL = "too_small"
    TOO_STEEP = "too_steep"
    TOO_FEW_PICTURES = "too_few_pictures"
    OBSERVED = "observed"


class Severity(StrEnum):
    """How much a finding matters."""

    BAD = "bad"
    WARN = "warn"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: `measured` against `limit`; `figures` are what the words need besides."""

    code: Code
    severity: Severity
    measured: float
    limit: float
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DoctorSettings:
    """Limits, the milder one a warning.

    fewest_people: with fewer walkers nothing is judged; enough_people: at a line, to be sure.
    fewest_cases: so many people must have the trouble before it is one.
    reached_share: of all walkers; fewer at the line, and feet do not reach it.
    lost_*, beside_*, along_*, standing_*: shares of the people at the line.
    concentration: breaks at the line, per person-height walked, over those anywhere.
    smallest_share: what the detector needs, person-height over the longer side of what is looked
    at (README, Limits); small_* are shares of the people at the line.
    wide_*: box width over height; upright people are 0.3 to 0.5 from the side.
    step_*_heights: how far a fast walker comes between two pictures: a body is 0.4 wide, and
    farther than that boxes no longer overlap. blind_fps: with less everybody is in doubt.
    """

    fewest_people: int = 5
    enough_people: int = 10
    fewest_cases: int = 3
    reached_share: float = 0.05
    lost_warn: float = 0.12
    lost_bad: float = 0.25
    concentration: float = 2.0
    along_warn: float = 0.30
    along_bad: float = 0.50
    beside_warn: float = 0.12
    beside_bad: float = 0.25
    standing_warn: float = 0.25
    standing_bad: float = 0.50
    smallest_share: float = 1 / 16
    small_warn: float = 0.20
    small_bad: float = 0.50
    wide_warn: float = 0.60
    wide_bad: float = 0.75
    step_warn_heights: float = 0.30
    step_bad_heights: float = 0.40
    blind_fps: float = 2.5
    anchor: Anchor = Anchor.BOTTOM_CENTRE
    interest: Interest = EVERYTHING
    """What of the picture is looked at."""
    meetings: MeetingSettings = field(default_factory=MeetingSettings)

    def longer_side(self, aspect: float) -> float:
        """Return the longer side of what is looked at, in picture-heights."""
        seen = self.interest.region(aspect)
        return max((seen.right - seen.left) * aspect, seen.bottom - seen.top)


def findings_of(
    line: Line, crowd: Crowd, met: Meetings, settings: DoctorSettings
) -> tuple[Finding, ...]:
    """Return what is found about a line, worst first; OBSERVED is always the last."""
    if crowd.walkers < settings.fewest_people:
        found = [_too_little(crowd.walkers, crowd, settings)]
    else:
        found = [*_of_place(crowd, met, settings), *_of_camera(crowd, met, settings)]
    rank = list(Severity)
    found.sort(key=lambda finding: rank.index(finding.severity))
    return (*found, _observed(line, met))


def _of_place(crowd: Crowd, met: Meetings, s: DoctorSettings) -> Iterator[Finding]:
    """What another place or direction of the line would mend."""
    came = int((met.came | met.touches).sum())
    if came <= s.reached_share * crowd.walkers and came < s.fewest_cases:
        if crowd.walkers < s.enough_people:
            yield _too_little(came, crowd, s)
        else:
            yield _never_reached(came, crowd, met, s)
        return
    if came < s.enough_people:
        yield _too_little(came, crowd, s)
    yield from _share(Code.NEAR_EDGE, met.cut, met.came, (s.lost_warn, s.lost_bad), s.fewest_cases)
    lost = _breaks_here(crowd, met, s)
    yield from _share(lost, met.broken, met.came, (s.lost_warn, s.lost_bad), s.fewest_cases)
    along = met.along & met.touches
    yield from _share(
        Code.LENGTHWISE, along, met.touches, (s.along_warn, s.along_bad), s.fewest_cases
    )
    yield from _share(
        Code.ENDS_SHORT, met.beside, met.came, (s.beside_warn, s.beside_bad), s.fewest_cases
    )
    standing = met.lingers & ~met.firm
    yield from _share(
        Code.STANDING_ON_LINE,
        standing,
        met.came | standing,
        (s.standing_warn, s.standing_bad),
        s.fewest_cases,
    )


def _of_camera(crowd: Crowd, met: Meetings, s: DoctorSettings) -> Iterator[Finding]:
    """What has to do with the camera and its rate, at the line if enough people came there."""
    at_line = met.came | met.touches
    who = at_line if at_line.sum() >= s.fewest_cases else crowd.walks
    size = crowd.height[met.closest] / s.longer_side(crowd.paths.aspect)
    small = who & (size < s.smallest_share)
    for finding in _share(Code.TOO_SMALL, small, who, (s.small_warn, s.small_bad), s.fewest_cases):
        figures = finding.figures | {"size": _median(size[who]), "needed": s.smallest_share}
        yield Finding(finding.code, finding.severity, finding.measured, finding.limit, figures)
    if s.anchor is Anchor.BOTTOM_CENTRE:
        wide = _median(_width_over_height(crowd)[who])
        yield from _over(Code.TOO_STEEP, wide, s.wide_warn, s.wide_bad)
    yield from _few_pictures(crowd, met, who, s)


def _few_pictures(crowd: Crowd, met: Meetings, who: Bools, s: DoctorSettings) -> Iterator[Finding]:
    speeds = met.speed[who & np.isfinite(met.speed)]
    fps = crowd.paths.looks_per_s
    if len(speeds) < s.fewest_cases or not fps:
        return
    speed = float(np.quantile(speeds, 0.9))
    step = speed / fps
    needed = max(3, ceil(speed / s.step_warn_heights - 0.1))
    figures = {"fps": fps, "speed": speed, "needed": float(needed)}
    if fps < s.blind_fps:
        yield Finding(Code.TOO_FEW_PICTURES, Severity.BAD, step, s.step_warn_heights, figures)
    else:
        yield from _over(
            Code.TOO_FEW_PICTURES, step, s.step_warn_heights, s.step_bad_heights, figures
        )


def _over(
    code: Code, value: float, warn: float, bad: float, figures: dict[str, float] | None = None
) -> Iterator[Finding]:
    if value > warn:
        severity = Severity.BAD if value > bad else Severity.WARN
        yield Finding(code, severity, value, warn, figures or {})


def _share(
    code: Code, cases: Bools, among: Bools, limits: tuple[float, float], fewest: int
) -> Iterator[Finding]:
    warn, bad = limits
    count, all_ = int((cases & among).sum()), int(among.sum())
    if count < fewest or count < warn * all_:
        return
    severity = Severity.BAD if count >= bad * all_ else Severity.WARN
    yield Finding(code, severity, count / all_, warn, {"count": count, "people": all_})


def _too_little(people: int, crowd: Crowd, s: DoctorSettings) -> Finding:
    figures = {"people": people, "minutes": crowd.paths.watched_s / 60}
    return Finding(Code.TOO_LITTLE_SEEN, Severity.WARN, people, s.enough_people, figures)


def _never_reached(came: int, crowd: Crowd, met: Meetings, s: DoctorSettings) -> Finding:
    nearest = np.abs(met.offset[met.closest])[crowd.walks]
    figures = {
        "count": came,
        "people": crowd.walkers,
        "away": float(np.quantile(nearest, 0.1)),
    }
    share = came / crowd.walkers
    return Finding(Code.NEVER_REACHED, Severity.BAD, share, s.reached_share, figures)


def _breaks_here(crowd: Crowd, met: Meetings, s: DoctorSettings) -> Code:
    """Whether people are lost at the line more than elsewhere."""
    walking = crowd.walks[crowd.paths.owner]
    ends = [
        crowd.paths.begins[crowd.walks & crowd.born],
        crowd.paths.ends[crowd.walks & crowd.died],
    ]
    lost = np.zeros(len(walking), bool)
    for looks in ends:
        lost[looks] = True
    here = walking & (np.abs(met.offset) < crowd.settings.near_heights)
    walked_here, walked = crowd.walked[here].sum(), crowd.walked[walking].sum()
    elsewhere = (lost & ~here).sum() / max(walked - walked_here, 1e-9)
    rate = (lost & here).sum() / max(walked_here, 1e-9)
    often = rate > s.concentration * elsewhere
    return Code.BREAKS_HERE if often else Code.BREAKS_EVERYWHERE


def _width_over_height(crowd: Crowd) -> np.ndarray:
    """Of the middle look of each path."""
    middle = (crowd.paths.begins + crowd.paths.ends) // 2
    boxes = crowd.paths.boxes[middle]
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * crowd.paths.aspect / crowd.height[middle])


def _observed(line: Line, met: Meetings) -> Finding:
    forth, back = int(met.forth.sum()), int(met.back.sum())
    came_in, went_out = (forth, back) if line.entry > 0 else (back, forth)
    figures = {"in": float(came_in), "out": float(went_out)}
    return Finding(Code.OBSERVED, Severity.OK, came_in + went_out, 0, figures)


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else 0.0
