"""Which centres there are, and what happens to each of them in the month."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

AREAS = ("和平街道", "新华街道", "东湖街道", "南山街道", "河西街道")
NAMES = ("幸福里", "桃源", "春晖", "锦绣", "阳光", "金桥", "翠竹", "明珠", "松柏", "滨河")
HOURS = (
    "周一至周五 9:00-12:00,13:30-17:30",
    "周一至周五 8:30-17:30；周六 9:00-12:00",
    "每天 9:00-20:00",
)


class Story(StrEnum):
    """What is special about a centre."""

    PLAIN = "plain"
    POWER_CUT = "power_cut"
    LONG_OUTAGE = "long_outage"
    CHEAT = "cheat"
    MOVED = "moved"
    UNPAID = "unpaid"
    REPLACED = "replaced"
    NO_REGISTER = "no_register"
    HOLIDAY = "holiday"


_STORIES = {
    3: Story.CHEAT,
    7: Story.MOVED,
    12: Story.UNPAID,
    17: Story.REPLACED,
    23: Story.NO_REGISTER,
    28: Story.LONG_OUTAGE,
    34: Story.HOLIDAY,
    41: Story.POWER_CUT,
    56: Story.POWER_CUT,
}
"""By number; the first nine of a small city have theirs too, see `plan`."""


@dataclass(frozen=True, slots=True)
class Centre:
    """One centre. rate: visitors in a usual quarter of an hour."""

    number: int
    story: Story
    residents: int
    hours: str
    rate: float
    seed: int

    @property
    def site(self) -> str:
        """Its id."""
        return f"site-{self.number:03}"

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{NAMES[self.number % len(NAMES)]}{self.number:03}党群服务中心"

    @property
    def area(self) -> str:
        """The street office."""
        return AREAS[self.number % len(AREAS)]

    @property
    def device(self) -> str:
        """The id of its device; of the second one where it was replaced."""
        return f"lobby-{self.number:03}"


def plan(centres: int, seed: int) -> Iterator[Centre]:
    """Yield a city of some centres; the same for the same seed."""
    stories = list(_STORIES.values()) if centres <= max(_STORIES) else None
    for number in range(1, centres + 1):
        random = np.random.default_rng([seed, number])
        residents = int(random.choice([3200, 9000, 21000]) * random.uniform(0.8, 1.2))
        story = _STORIES.get(number, Story.PLAIN)
        if stories is not None:
            story = stories[number - 1] if number <= len(stories) else Story.PLAIN
        yield Centre(
            number,
            story,
            residents,
            HOURS[number % len(HOURS)],
            float(residents**0.5 / 50 * random.uniform(0.5, 1.6)),
            seed,
        )
