"""The YAML of a scheme: read, checked, explained by line."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from edge.config_drawings import Section as FileSection
from edge.config_errors import explain
from edge.config_text import parse, read_text
from edge.errors import ConfigError, SettingError
from evaluation.assessment.scheme import Goal, Indicator, Kind, Scheme, Section, SizeClass, Text

EXAMPLE = "config/schemes/neutral-2026.yaml"
ALL = "all"
SETTINGS: dict[Kind, frozenset[str]] = {
    Kind.ACTIVE_HOURS: frozenset({"people", "passages"}),
    Kind.SPACE_USE: frozenset({"used_min"}),
    Kind.PRAISE_RATE: frozenset({"few"}),
    Kind.TIMELINESS: frozenset({"wait_min"}),
}
"""Limits that a kind of indicator needs; kinds that are not here have none."""

Id = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$", examples=["F1"])]
Share = Annotated[float, Field(ge=0, le=1, examples=[0.95])]


class TextSection(FileSection):
    """A name in both languages."""

    zh: str = Field(min_length=1, max_length=40, examples=["到访率"])
    en: str = Field(min_length=1, max_length=60, examples=["visit rate"])


class GradesSection(FileSection):
    """From which coverage on a figure is reliable, and from which it is estimated."""

    reliable_from: Share = 0.95
    estimated_from: Share = 0.70

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
        wanted = SETTINGS.get(self.kind, frozenset())
        if set(self.settings) != wanted:
            names = ", ".join(sorted(wanted)) or "none"
            raise SettingError(
                f"settings of {self.kind} are: {names}; see {EXAMPLE}",
                f"{self.kind} 的 settings 是：{names}；参见 {EXAMPLE}",
            )
        return self


class SchemeFile(FileSection):
    """The whole file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", examples=["neutral-2026"])
    version: str = Field(min_length=1, max_length=20, examples=["1"])
    grades: GradesSection = GradesSection()
    composite: CompositeSection = CompositeSection()
    size_classes: tuple[SizeClassSection, ...] = Field(min_length=1)
    audiences: tuple[Id, ...] = Field(min_length=1, examples=[["elderly", "children"]])
    indicators: tuple[IndicatorSection, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for en, zh in _misfits(self):
            raise SettingError(en, zh)
        return self


def read_scheme(path: Path) -> Scheme:
    """Read a scheme. Raises ConfigError, `file:line: …`."""
    document = parse(path, read_text(path))
    try:
        return _scheme(SchemeFile.model_validate(document))
    except ValidationError as error:
        raise ConfigError(*explain(path, document, error, SchemeFile)) from error


def _misfits(file: SchemeFile) -> list[tuple[str, str]]:
    """Say what does not fit together, in English and in Chinese."""
    found = []
    for what, ids in (
        ("size_classes", [each.id for each in file.size_classes]),
        ("indicators", [each.id for each in file.indicators]),
        ("audiences", list(file.audiences)),
    ):
        twice = sorted({each for each in ids if ids.count(each) > 1})
        if twice:
            found.append((f"{what}: {twice[0]!r} is there twice", f"{what}：{twice[0]!r} 重复"))
    bounds = [each.residents_below for each in file.size_classes]
    inner = [bound for bound in bounds[:-1] if bound is not None]
    if bounds[-1] is not None or len(inner) < len(bounds) - 1 or inner != sorted(set(inner)):
        found.append(
            (
                "size_classes: residents_below has to grow, and the last class has none",
                "size_classes：residents_below 应逐个增大，最后一类不填",
            )
        )
    classes = {each.id for each in file.size_classes}
    for each in file.indicators:
        if set(each.goals) not in ({ALL}, classes):
            names = ", ".join(sorted(classes))
            found.append(
                (
                    f"{each.id}: goals are for `all`, or for each of {names}",
                    f"{each.id}：goals 写 `all`，或每一类都写（{names}）",
                )
            )
    missing = [each.value for each in Section if each not in {i.section for i in file.indicators}]
    if missing:
        found.append(
            (f"indicators: none is of section {missing[0]}", f"indicators：缺少板块 {missing[0]}")
        )
    return found


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
