"""What an operator is told when the view is not healthy, and what to do; Chinese and English."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from edge.vocabulary import CoverageReason


class Advice(NamedTuple):
    """One sentence in each language: what it is and what to do."""

    zh: str
    en: str


ADVICE: Mapping[CoverageReason, Advice] = MappingProxyType(
    {
        CoverageReason.COVERED: Advice(
            "镜头被遮挡，请移开遮挡物", "something is before the lens: take it away"
        ),
        CoverageReason.DARK: Advice(
            "画面过暗，请开灯或检查镜头盖", "too dark to see people: light off, or a lens cap on?"
        ),
        CoverageReason.BLURRED: Advice(
            "画面模糊，请清洁镜头或重新对焦", "the picture is unsharp: clean the lens or focus it"
        ),
        CoverageReason.FROZEN: Advice(
            "画面静止不动，请重启摄像机", "the picture stands still: restart the camera"
        ),
        CoverageReason.MOVED: Advice(
            "摄像机视角已变，请转回原位，或检查计数线后确认新视角",
            "the camera looks elsewhere: turn it back, or check the lines and confirm the view",
        ),
    }
)
