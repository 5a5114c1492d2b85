"""The config of what is drawn into the picture: lines and zones, as points in shares of it."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from edge.errors import SettingError
from edge.geometry import crosses_itself, mean_depth
from edge.vocabulary import DailyWindow, Line, Point, Zone, ZoneKind

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Direction = Literal["up", "down", "left", "right"]
Audience = Literal["public", "staff"]
MOST_CORNERS = 100
"""Nobody draws more; checking and following an outline takes time that the counting needs."""
Outline = tuple[tuple[Share, Share], ...]

_HEADING: dict[str, Point] = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
_WAYS = {"up": "上", "down": "下", "left": "左", "right": "右"}
_MIN_MEAN_DEPTH = 1e-3  # flatter than that is a line; the same in every picture
_WINDOW = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_MIN_ANGLE_SINE = 0.17  # 10 degrees: below it the word does not say which side is meant


class Section(BaseModel):
    """A part of the file: unknown settings are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class LineSection(Section):
    """One counting line."""

    id: Slug = Field(examples=["door"])
    name: str = Field(default="", max_length=120, examples=["大门"])
    points: tuple[tuple[Share, Share], ...] = Field(
        max_length=MOST_CORNERS, examples=[[[0.2, 0.6], [0.8, 0.6]]]
    )
    entry: Direction = Field(alias="in", examples=["down"])
    audience: Audience = Field(default="public", examples=["staff"])
    """Of a door that only staff use the counts are marked, so that they are not added to visitors'.
    """

    @model_validator(mode="after")
    def _has_two_sides(self) -> Self:
        if len(self.points) < 2 or any(
            a == b for a, b in zip(self.points, self.points[1:], strict=False)
        ):
            raise SettingError(
                "a line needs at least two different points, e.g. [[0.2, 0.6], [0.8, 0.6]]",
                "计数线至少要有两个不同的点，例如 [[0.2, 0.6], [0.8, 0.6]]",
            )
        if abs(self._sine()) < _MIN_ANGLE_SINE:
            is_upright = self.entry in {"up", "down"}
            allowed = "left or right" if is_upright else "up or down"
            across = [[0.2, 0.6], [0.8, 0.6]] if is_upright else [[0.5, 0.3], [0.5, 0.9]]
            raise SettingError(
                f"people moving {self.entry} walk along this line, not over it;"
                f" use {allowed}, or draw it across their way, e.g. points: {across}",
                f"往{_WAYS[self.entry]}（{self.entry}）走的人与这条线平行，不会越线；"
                f"请改用 {allowed.replace('or', '或')}，或横着人走的方向画线，"
                f"例如 points: {across}",
            )
        return self

    def _sine(self) -> float:
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        dx, dy = x1 - x0, y1 - y0
        length = float((dx * dx + dy * dy) ** 0.5)
        heading = _HEADING[self.entry]
        return (dx * heading[1] - dy * heading[0]) / length if length else 0.0

    def line(self) -> Line:
        """Return the line for the counter, with its entry side as a sign."""
        is_staff = self.audience == "staff"
        return Line(self.id, self.points, 1 if self._sine() > 0 else -1, self.name, is_staff)


class ZoneSection(Section):
    """One zone of the floor."""

    id: Slug = Field(examples=["waiting"])
    name: str = Field(default="", max_length=120, examples=["等候区"])
    polygon: Outline = Field(
        max_length=MOST_CORNERS, examples=[[[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]]
    )
    kind: ZoneKind = Field(default=ZoneKind.PLAIN, examples=["queue"])
    windows: tuple[str, ...] = Field(
        default=(), max_length=48, examples=[["09:00-11:30", "14:00-16:00"]]
    )

    @field_validator("polygon")
    @classmethod
    def _is_an_area(cls, polygon: Sequence[Point]) -> Any:
        if len(set(polygon)) > 2 and crosses_itself(polygon):
            raise SettingError(
                "the outline of a zone crosses itself, so what is inside is not clear;"
                " give its corners in order, e.g. [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9], [0.5, 0.9]]",
                "区域的边线自相交，分不清里外；请按顺序写各个角，"
                "例如 [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9], [0.5, 0.9]]",
            )
        if len(set(polygon)) < 3 or mean_depth(polygon) < _MIN_MEAN_DEPTH:
            raise SettingError(
                "a zone needs at least three points that are not on one line,"
                " e.g. [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]",
                "区域至少要有三个不在一条直线上的点，例如 [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]",
            )
        return polygon

    @field_validator("windows")
    @classmethod
    def _are_times_of_day(cls, windows: Sequence[str]) -> Any:
        daily_windows(windows)
        return windows

    @model_validator(mode="after")
    def _windows_are_of_an_activity(self) -> Self:
        if self.windows and self.kind is not ZoneKind.ACTIVITY:
            raise SettingError(
                f"windows are for activity zones, this one is {self.kind};"
                " leave them out or set kind: activity",
                f"只有活动区域可以设 windows，这个区域是 {self.kind}；"
                "请删去 windows，或改为 kind: activity",
            )
        return self

    def zone(self) -> Zone:
        """Return the zone for the counter and the aggregator."""
        windows = tuple(_window(text) for text in self.windows)
        return Zone(self.id, self.polygon, self.kind, windows, self.name)


def daily_windows(texts: Sequence[str]) -> tuple[DailyWindow, ...]:
    """Read parts of one day, in order. Raises SettingError where they are none or overlap."""
    parts = sorted(texts, key=lambda text: _window(text).start_min)
    for first, second in pairwise(parts):
        if _window(second).start_min < _window(first).end_min:
            joined = f"{first[:5]}-{max(first[-5:], second[-5:])}"
            raise SettingError(
                f"{first} and {second} overlap; join them, e.g. {joined}",
                f"{first} 与 {second} 重叠；请合并，例如 {joined}",
            )
    return tuple(_window(text) for text in parts)


def _window(text: str) -> DailyWindow:
    """Read "HH:MM-HH:MM". Raises SettingError when it is no such part of a day."""
    found = _WINDOW.fullmatch(text)
    numbers = [int(n) for n in found.groups()] if found else [24, 0, 0, 0]
    start_min, end_min = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if not found or not start_min < end_min <= 24 * 60 or max(numbers[1], numbers[3]) > 59:
        raise SettingError(
            f"{text!r} is not a part of a day from an earlier to a later time, 00:00 to 24:00;"
            ' e.g. windows: ["09:00-11:30", "14:00-16:00"]',
            f"{text!r} 不是一天中从早到晚的时段（00:00 到 24:00）；"
            '例如 windows: ["09:00-11:30", "14:00-16:00"]',
        )
    return DailyWindow(start_min, end_min)
