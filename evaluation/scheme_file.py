"""The YAML of a scheme: read, checked, explained by line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from edge.config_drawings import Section as FileSection
from edge.config_errors import Location, dotted, explain, line_of
from edge.config_text import parse, read_text
from edge.errors import ConfigError, Mistake, SettingError
from evaluation.assessment.scheme import Goal, Indicator, Kind, Scheme, Section, SizeClass, Text

EXAMPLE = "`evaluation scheme write FILE`"
ALL = "all"
MOST = 1e6
SETTINGS: dict[Kind, dict[str, float]] = {
    Kind.ACTIVE_HOURS: {"people": MOST, "passages": MOST},
    Kind.SPACE_USE: {"used_min": 15},
    Kind.PRAISE_RATE: {"few": MOST},
    Kind.TIMELINESS: {"wait_min": 1440},
}
"""Limits that a kind of indicator needs, above 0, and the most each can be; others have none."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$", examples=["F1"])]
Share = Annotated[float, Field(ge=0, le=1, examples=[0.95])]


class TextSection(FileSection):
    """A name in both languages."""

    zh: str = Field(min_length=1, max_length=40, examples=["到访率"])
    en: str = Field(min_length=1, max_length=60, examples=["visit rate"])


class GradesSection(FileSection):
    """From which coverage on a figure is reliable, and from which it is estimated."""

    reliable_from: Share = 0.95
    estimated_from: float = Field(default=0.70, gt=0, le=1, examples=[0.70])
    """Not 0: what nobody looked at would be rated."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.estimated_from > self.reliable_from:
            raise SettingError(
                "estimated_from is above reliable_from; e.g. 0.70 and 0.95",
                "estimated_from 大于 reliable_from；例如 0.70 和 0.95",
            )
        return self


class CompositeSection(FileSection):
    """When there is a score, and a rank."""

    rated_weight_from: Share = 0.60
    fewest_to_rank: int = Field(default=3, ge=2, examples=[3])


class PlanSection(FileSection):
    """When the plan of a month closes; without this section it never does."""

    closes_days_after_begin: int = Field(ge=0, le=27, examples=[3])
    """Whole days on the clock of the centre."""


class SizeClassSection(FileSection):
    """A class of centres; the last one has no upper bound."""

    id: Id
    name: TextSection
    residents_below: int | None = Field(default=None, ge=1, examples=[5000])


class GoalSection(FileSection):
    """What is worth nothing, and what is worth all."""

    floor: float = Field(allow_inf_nan=False, examples=[0.5])
    target: float = Field(allow_inf_nan=False, examples=[0.95])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.target <= self.floor:
            raise SettingError(
                "the target has to be above the floor; e.g. {floor: 0.5, target: 0.95}",
                "目标必须大于下限；例如 {floor: 0.5, target: 0.95}",
            )
        return self


class IndicatorSection(FileSection):
    """One indicator."""

    id: Id
    kind: Kind
    section: Section
    name: TextSection
    weight: float = Field(gt=0, le=100, examples=[1])
    source: Literal["named", "proposed"]
    goals: dict[str, GoalSection] = Field(examples=[{"all": {"floor": 0.5, "target": 1}}])
    settings: dict[str, float] = Field(default_factory=dict, examples=[{"wait_min": 15}])

    @model_validator(mode="after")
    def _settings_of_the_kind(self) -> Self:
        wanted = SETTINGS.get(self.kind, {})
        if set(self.settings) != set(wanted):
            names = ", ".join(sorted(wanted)) or "none"
            raise SettingError(
                f"settings of {self.kind} are: {names}; see {EXAMPLE}",
                f"{self.kind} 的 settings 是：{names}；参见 {EXAMPLE}",
            )
        for name, value in self.settings.items():
            if not 0 < value <= wanted[name]:
                raise SettingError(
                    f"settings.{name} is above 0 and {wanted[name]:.0f} at most, not {value:g};"
                    f" see {EXAMPLE}",
                    f"settings.{name} 应大于 0 且不超过 {wanted[name]:.0f}，现在是 {value:g}；"
                    f"参见 {EXAMPLE}",
                )
        return self

    @model_validator(mode="after")
    def _goals_of_shares(self) -> Self:
        for size, goal in self.goals.items():
            if goal.floor < 0 or (self.kind is not Kind.VISIT_RATE and goal.target > 1):
                raise SettingError(
                    f"goals.{size}: {self.kind} is never under 0, and a share is 1 at most;"
                    " e.g. {floor: 0.5, target: 0.95} for 50 % and 95 %",
                    f"goals.{size}：{self.kind} 不会小于 0，比例不超过 1；"
                    "例如 50 % 和 95 % 写 {floor: 0.5, target: 0.95}",
                )
        return self


class SchemeFile(FileSection):
    """The whole file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", examples=["neutral-2026"])
    version: str = Field(min_length=1, max_length=20, examples=["1"])
    grades: GradesSection = GradesSection()
    composite: CompositeSection = CompositeSection()
    plan: PlanSection | None = None
    size_classes: tuple[SizeClassSection, ...] = Field(min_length=1)
    audiences: tuple[Id, ...] = Field(min_length=1, examples=[["elderly", "children"]])
    indicators: tuple[IndicatorSection, ...] = Field(min_length=1)


Misfit = tuple[Location, str, str]
"""Where it is, and what, in English and in Chinese."""


def read_scheme(path: Path) -> Scheme:
    """Read a scheme. Raises ConfigError, `file:line: …`."""
    document = parse(path, read_text(path))
    try:
        file = SchemeFile.model_validate(document)
    except ValidationError as error:
        raise ConfigError(*explain(path, document, error, SchemeFile)) from error
    misfits = [*_twice(file), *_bounds(file), *_goals(file), *_sections(file)]
    if misfits:
        raise ConfigError(
            *(
                Mistake(en, zh, dotted(at), line=line_of(document, at), file=str(path))
                for at, en, zh in misfits
            )
        )
    return _scheme(file)


def _twice(file: SchemeFile) -> Iterator[Misfit]:
    for what, ids in (
        ("size_classes", [each.id for each in file.size_classes]),
        ("indicators", [each.id for each in file.indicators]),
        ("audiences", list(file.audiences)),
    ):
        for number, each in enumerate(ids):
            if each in ids[:number]:
                yield (
                    (what, number),
                    f"{each!r} is there twice; see {EXAMPLE}",
                    (f"{each!r} 重复；参见 {EXAMPLE}"),
                )


def _bounds(file: SchemeFile) -> Iterator[Misfit]:
    before, last = 0, len(file.size_classes) - 1
    for number, each in enumerate(file.size_classes):
        bound = each.residents_below
        is_right = bound is None if number == last else bound is not None and bound > before
        if not is_right:
            yield (
                ("size_classes", number),
                "residents_below has to grow from class to class, and the last one has none;"
                f" see {EXAMPLE}",
                f"residents_below 应逐类增大，最后一类不填；参见 {EXAMPLE}",
            )
        before = bound or before


def _goals(file: SchemeFile) -> Iterator[Misfit]:
    classes = [each.id for each in file.size_classes]
    for number, each in enumerate(file.indicators):
        if set(each.goals) not in ({ALL}, set(classes)):
            names = ", ".join(classes)
            yield (
                ("indicators", number, "goals"),
                f"goals are for `{ALL}`, or for each of {names}; see {EXAMPLE}",
                f"goals 写 `{ALL}`，或每一类都写（{names}）；参见 {EXAMPLE}",
            )


def _sections(file: SchemeFile) -> Iterator[Misfit]:
    there = {each.section for each in file.indicators}
    for section in Section:
        if section not in there:
            yield (
                ("indicators",),
                f"none is of section {section}; every section needs one, see {EXAMPLE}",
                f"缺少板块 {section}；每个板块至少一项指标，参见 {EXAMPLE}",
            )


def _scheme(file: SchemeFile) -> Scheme:
    classes = tuple(
        SizeClass(each.id, _text(each.name), each.residents_below) for each in file.size_classes
    )
    return Scheme(
        file.name,
        file.version,
        classes,
        tuple(_indicator(each, classes) for each in file.indicators),
        file.audiences,
        file.grades.reliable_from,
        file.grades.estimated_from,
        file.composite.rated_weight_from,
        file.composite.fewest_to_rank,
        None if file.plan is None else file.plan.closes_days_after_begin,
    )


def _indicator(file: IndicatorSection, classes: tuple[SizeClass, ...]) -> Indicator:
    goals = {
        each.id: Goal(goal.floor, goal.target)
        for each in classes
        for goal in (file.goals.get(each.id) or file.goals[ALL],)
    }
    values: dict[str, Any] = {"settings": file.settings, "source": file.source}
    return Indicator(
        file.id, file.kind, file.section, _text(file.name), file.weight, goals, **values
    )


def _text(file: TextSection) -> Text:
    return Text(file.zh, file.en)
