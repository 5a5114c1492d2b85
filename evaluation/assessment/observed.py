"""A month of a device or a zone as arrays of slots, put together from UTC days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from evaluation.assessment.opening import SLOT_MS, SLOTS_A_DAY, Month
from evaluation.assessment.slots import NO_RECORD, DoorDay, ZoneDay

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DoorMonth:
    """The visitors' lines of one device in a month; arrays of `slots` elements.

    cov: 0..1. The counts are those of the covered part of a slot.
    why: what kept slots from being covered, by slot; a slot with no record says `no_record`.
    due: the slots in which the device was to look at this centre: one that came later or was
    replaced lacks nothing outside them. None: all month.
    """

    entered: Ints
    left: Ints
    uturn: Ints
    low: Ints
    high: Ints
    cov: Floats
    why: Mapping[int, str]
    undated: int = 0
    due: Bools | None = None


@dataclass(frozen=True, slots=True)
class ZoneMonth:
    """One zone in a month; arrays of `slots` elements. wait_ms: -1 where there is no mean.

    due: as of a DoorMonth.
    """

    kind: str
    presence_ms: Ints
    used_ms: Ints
    arrivals: Ints
    peak: Ints
    wait_ms: Ints
    cov: Floats
    why: Mapping[int, str]
    due: Bools | None = None


def door_month(days: Mapping[int, DoorDay], month: Month, there: Bools | None = None) -> DoorMonth:
    """Return the month from UTC days by their beginning in milliseconds.

    there: the slots in which the device was at this place, and due; None: all.
    """
    due, there = there, np.full(month.slots, fill_value=True) if there is None else there
    entered, left, uturn, low, high = (
        _counts({at: getattr(day, name) for at, day in days.items()}, month, there)
        for name in ("entered", "left", "uturn", "low", "high")
    )
    cov = _laid({at: day.cov for at, day in days.items()}, month) * there
    why = _why({at: day.why for at, day in days.items()}, month, cov)
    undated = sum(day.undated for day in days.values())
    return DoorMonth(entered, left, uturn, low, high, cov, why, undated, due)


def zone_month(days: Mapping[int, ZoneDay], month: Month, there: Bools | None = None) -> ZoneMonth:
    """Return the month of a zone from UTC days; its kind is that of the last day."""
    due, there = there, np.full(month.slots, fill_value=True) if there is None else there
    kind = days[max(days)].kind if days else "plain"
    presence_ms, used_ms, arrivals, peak = (
        _counts({at: getattr(day, name) for at, day in days.items()}, month, there)
        for name in ("presence_ms", "used_ms", "arrivals", "peak")
    )
    waits = {at: [-1 if w is None else w for w in day.wait_ms] for at, day in days.items()}
    wait_ms = np.where(there, _laid(waits, month, -1), -1).astype(np.int64)
    cov = _laid({at: day.cov for at, day in days.items()}, month) * there
    why = _why({at: day.why for at, day in days.items()}, month, cov)
    return ZoneMonth(kind, presence_ms, used_ms, arrivals, peak, wait_ms, cov, why, due)


@overload
def later(one: DoorMonth, other: DoorMonth) -> DoorMonth: ...
@overload
def later(one: ZoneMonth, other: ZoneMonth) -> ZoneMonth: ...
def later(one: Any, other: Any) -> Any:
    """Return two that were at a place one after the other, as one.

    It is due from the first slot of both to the last: between two devices nobody looked.
    """
    changed: dict[str, Any] = {
        field.name: getattr(one, field.name) + getattr(other, field.name)
        for field in fields(one)
        if field.name not in {"kind", "cov", "why", "wait_ms", "due"}
    }
    cov = np.minimum(one.cov + other.cov, 1.0)
    # A reason stays only where the other one did not see either.
    why = {slot: why for slot, why in {**one.why, **other.why}.items() if cov[slot] < 1}
    if isinstance(one, ZoneMonth):
        changed["wait_ms"] = np.maximum(one.wait_ms, other.wait_ms)
    either = np.flatnonzero(due_of(one) | due_of(other))
    numbers = np.arange(len(cov))
    due = (numbers >= either.min(initial=len(cov))) & (numbers <= either.max(initial=-1))
    return replace(other, **changed, cov=cov, why=why, due=due)


def joined(doors: list[DoorMonth]) -> DoorMonth:
    """Return several doors as one: counts added, coverage of the worst one due in each slot.

    Raises ValueError without any.
    """
    if not doors:
        raise ValueError("there is no door")
    sums = {
        name: np.sum([getattr(door, name) for door in doors], axis=0)
        for name in ("entered", "left", "uturn", "low", "high")
    }
    why: dict[int, str] = {}
    for door in doors:
        why = {**door.why, **why}
    undated = sum(door.undated for door in doors)
    return DoorMonth(**sums, cov=worst_cov(doors), why=why, undated=undated)


def worst_cov(of: Sequence[DoorMonth | ZoneMonth]) -> Floats:
    """Return the coverage of the worst one due in each slot; 0 where none is."""
    worst: Floats = np.min([np.where(due_of(each), each.cov, 2.0) for each in of], axis=0)
    return np.where(worst > 1, 0.0, worst)


def due_of(of: DoorMonth | ZoneMonth) -> Bools:
    """Return the slots in which a device was to look."""
    return np.ones_like(of.cov, dtype=bool) if of.due is None else of.due


def coverage(is_open: Bools, cov: Floats) -> float | None:
    """Return the share of the opening time that was looked at; None when never open.

    Rounded to 6 digits, as the coverage of slots is: three times 11 of 15 minutes, and 13 slots
    besides, are 95 %.
    """
    return round(float(cov[is_open].mean()), 6) if is_open.any() else None


def _counts(days: Mapping[int, Sequence[float]], month: Month, there: Bools) -> Ints:
    return np.where(there, _laid(days, month), 0).astype(np.int64)


def _laid(days: Mapping[int, Sequence[float]], month: Month, empty: float = 0) -> Floats:
    """Lay the slots of UTC days onto those of a month; whole numbers up to 2**53 stay exact."""
    array = np.full(month.slots, float(empty))
    for at, values in days.items():
        first = _first_slot(at, month)
        begin, end = max(0, first), min(month.slots, first + SLOTS_A_DAY)
        if begin < end:
            array[begin:end] = values[begin - first : end - first]
    return array


def _why(days: Mapping[int, Mapping[int, str]], month: Month, cov: Floats) -> dict[int, str]:
    told = {
        _first_slot(at, month) + slot: reason
        for at, reasons in days.items()
        for slot, reason in reasons.items()
    }
    return {int(n): told.get(int(n), NO_RECORD) for n in np.flatnonzero(cov < 1)}


def _first_slot(at_ms: int, month: Month) -> int:
    """Return the number of a day's first slot in the month; negative before it."""
    return (at_ms - month.t0_ms) // SLOT_MS
