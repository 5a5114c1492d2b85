"""Where a picture, or a part of it, lies in a network's input. Pure."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from edge.vocabulary import WHOLE, FloatArray, Region


@dataclass(frozen=True, slots=True)
class View:
    """The part of a picture that is looked at, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def of(cls, region: Region, picture_width: int, picture_height: int) -> "View":
        """Return the whole pixels that a region touches, at least one."""
        left, top = int(region.left * picture_width), int(region.top * picture_height)
        left, top = min(left, picture_width - 1), min(top, picture_height - 1)
        right = min(picture_width, max(left + 1, ceil(region.right * picture_width)))
        bottom = min(picture_height, max(top + 1, ceil(region.bottom * picture_height)))
        return cls(left, top, right - left, bottom - top)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where the view of a picture lies in a network's input; around it is padding. In pixels."""

    picture_width: int
    picture_height: int
    view: View
    left: int
    top: int
    width: int
    height: int

    @classmethod
    def fit(
        cls,
        picture_width: int,
        picture_height: int,
        input_width: int,
        input_height: int,
        region: Region = WHOLE,
    ) -> "Letterbox":
        """Centre the region of the picture in the input, as large as its aspect allows.

        Raises ValueError when a size is not positive.
        """
        if min(picture_width, picture_height, input_width, input_height) <= 0:
            raise ValueError("a picture and a network input have at least one pixel each way")
        view = View.of(region, picture_width, picture_height)
        scale = min(input_width / view.width, input_height / view.height)
        width = max(1, round(view.width * scale))
        height = max(1, round(view.height * scale))
        left, top = (input_width - width) // 2, (input_height - height) // 2
        return cls(picture_width, picture_height, view, left, top, width, height)

    @property
    def aspect(self) -> float:
        """Width divided by height of the whole picture."""
        return self.picture_width / self.picture_height

    def undo(self, boxes: FloatArray) -> FloatArray:
        """Turn (N, 4) boxes in input pixels into 0..1 of the picture, clipped to the view."""
        view = self.view
        offset = np.array([self.left, self.top] * 2, np.float32)
        size = np.array([self.width, self.height] * 2, np.float32)
        inside = np.clip((boxes - offset) / size, 0, 1)
        corner = np.array([view.left, view.top] * 2, np.float32)
        extent = np.array([view.width, view.height] * 2, np.float32)
        picture = np.array([self.picture_width, self.picture_height] * 2, np.float32)
        return np.asarray((inside * extent + corner) / picture, np.float32)


def input_size(view: View, longest: int, multiple: int) -> tuple[int, int]:
    """Return width and height of an input for a view: no larger than it is, no more work.

    The view is scaled down until its longer side is `longest` pixels. A view longer than 16:9
    may have more: as many pixels in all as one of 16:9 then has. Its sides are rounded up to
    multiples; a view smaller than that is not blown up.
    """
    by_side = longest / max(view.width, view.height)
    by_area = (longest * longest * 9 / 16 / (view.width * view.height)) ** 0.5
    scale = min(1.0, max(by_side, by_area))
    return _rounded(view.width * scale, multiple), _rounded(view.height * scale, multiple)


def _rounded(side: float, multiple: int) -> int:
    return max(1, ceil(round(side) / multiple)) * multiple
