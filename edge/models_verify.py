"""`lobbycount models list` and `verify`: what the catalogs say → what is here → whether it runs."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge.adapters.model_catalog import Catalog
from edge.adapters.model_check import check_runs
from edge.adapters.model_entry import ModelEntry
from edge.errors import ModelError
from edge.vocabulary import Image


class State(StrEnum):
    """What is known of a model's file."""

    HERE = "here"
    MISSING = "not here"
    UNKNOWN = "no hash"
    OTHER = "other file"
    OK = "ok"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model; `people` and `ms` only when it ran, `problem` only when it is bad."""

    entry: ModelEntry
    path: Path
    state: State
    default: bool
    people: int | None = None
    ms: float | None = None
    problem: str = ""


def look(catalog: Catalog) -> list[ModelState]:
    """Tell of every model whether a file of its size is where it belongs; nothing is read."""
    return [
        ModelState(entry, catalog.path(entry), _seen(catalog, entry), entry.name == catalog.default)
        for entry in catalog.entries.values()
    ]


def verify(
    catalog: Catalog, name: str | None = None, picture: Image | None = None
) -> list[ModelState]:
    """Check one model, or all that are here and the default one, by running each.

    Raises ModelError for a name that no catalog has.
    """
    wanted = None if name is None else catalog.entry(name)
    return [
        _checked(seen, picture)
        for seen in look(catalog)
        if seen.entry is wanted
        or (wanted is None and (seen.default or seen.state in (State.HERE, State.OTHER)))
    ]


def _checked(seen: ModelState, picture: Image | None) -> ModelState:
    entry, path = seen.entry, seen.path
    try:
        result = check_runs(entry, path, picture)
    except ModelError as problem:
        return ModelState(entry, path, State.BAD, seen.default, problem=str(problem))
    return ModelState(entry, path, State.OK, seen.default, result.people, result.ms)


def _seen(catalog: Catalog, entry: ModelEntry) -> State:
    if entry.sha256 is None:
        return State.UNKNOWN
    try:
        size = catalog.path(entry).stat().st_size
    except OSError:
        return State.MISSING
    return State.HERE if size == entry.bytes else State.OTHER
