"""Everything that is known of one centre in one month."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluation.assessment.observed import Bools, DoorMonth, ZoneMonth
from evaluation.assessment.opening import Month
from evaluation.assessment.registers import Registers

QUEUE, ROOM, HALL = "queue", "activity", "plain"
"""What a kind of zone is for: people wait in it, do something in it, or are just there."""


@dataclass(frozen=True, slots=True)
class SiteMonth:
    """A centre and a month.

    is_open: bool array of the month's slots. residents: None where not registered.
    doors: by device, only those that visitors pass; zones: by device and zone.
    records_missing: numbers of records that exist, as their neighbours prove, and did not come.
    """

    site: str
    month: Month
    is_open: Bools
    residents: int | None
    doors: Mapping[str, DoorMonth] = field(default_factory=dict)
    zones: Mapping[tuple[str, str], ZoneMonth] = field(default_factory=dict)
    registers: Registers = field(default_factory=Registers)
    records_missing: int = 0

    @property
    def open_days(self) -> int:
        """Days with at least one open slot."""
        return len(set(self.month.day[self.is_open].tolist()))

    def zones_of(self, *kinds: str) -> list[ZoneMonth]:
        """Return the zones of some kinds."""
        return [zone for zone in self.zones.values() if zone.kind in kinds]
