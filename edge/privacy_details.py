"""What the privacy statement says of one device, beside the promises that all devices keep."""

from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["lab", "production"]
SetupPage = Literal["off", "this-device", "lan"]


@dataclass(frozen=True, slots=True)
class PrivacyDetails:
    """Who answers for a device, what for, and what it measures. None: not said in the config.

    zones: the kinds there are, with how many of each.
    updates_over_mqtt: whether new versions of the program may come over the broker.
    setup_page: from where the set-up page can be reached; setup_still: whether it may show one.
    suppressed_under: there is no mean of fewer visits.
    """

    mode: Mode
    responsible: str | None
    purpose: str | None
    contact: str | None
    lines: int
    zones: tuple[tuple[str, int], ...]
    setup_page: SetupPage
    setup_still: bool
    retention_days: int
    suppressed_under: int
    updates_over_mqtt: bool = False

    def fields(self) -> dict[str, Any]:
        """Return what the `privacy` topic carries of it since version 1.1; updates since 1.2."""
        updates = {"updates_over_mqtt": True} if self.updates_over_mqtt else {}
        return {
            **updates,
            "contact": self.contact,
            "means_suppressed_under": self.suppressed_under,
            "measures": {"lines": self.lines, "zones": dict(self.zones)},
            "mode": self.mode,
            "purpose": self.purpose,
            "responsible": self.responsible,
            "setup_page": self.setup_page,
            "setup_still": self.setup_still,
        }
