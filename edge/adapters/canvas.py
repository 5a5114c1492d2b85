"""The picture as a network takes it: letterboxed with OpenCV, in its layout, colours and type."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.adapters.model_entry import ModelInput
from edge.letterbox import Letterbox, View, input_size
from edge.regions import EVERYTHING, Interest
from edge.vocabulary import Image

_AS_IT_IS = ("NHWC", "uint8", "BGR", 1.0)
"""How OpenCV writes pictures: such a model takes the canvas itself."""


class Canvas:
    """What pictures are drawn into, as large as what is looked at asks for."""

    def __init__(self, wanted: ModelInput) -> None:
        self._wanted, self._interest = wanted, EVERYTHING
        self._letterbox: Letterbox | None = None
        self._begin(wanted.width, wanted.height)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the network's input, in pixels."""
        return self._width, self._height

    @property
    def pixels(self) -> Image:
        """The letterboxed picture, (height, width, 3) BGR."""
        pixels: Image = self._pixels[0]
        return pixels

    def attend(self, interest: Interest) -> None:
        """Draw only this from the next picture on."""
        self._interest, self._letterbox = interest, None

    def wipe(self) -> None:
        """Leave nothing of the picture: what the network has answered to is not kept."""
        self._pixels.fill(self._wanted.pad)
        if self._tensor is not self._pixels:
            self._tensor.fill(0)

    def draw(self, image: Image) -> Letterbox:
        """Resize what is looked at into the canvas; the rest of it is painted once."""
        height, width = image.shape[:2]
        box = self._letterbox
        if box is None or (box.picture_width, box.picture_height) != (width, height):
            box = self._letterbox = self._placed(width, height)
        view = box.view
        seen = image[view.top : view.top + view.height, view.left : view.left + view.width]
        inside = self._pixels[0, box.top : box.top + box.height, box.left : box.left + box.width]
        cv2.resize(seen, (box.width, box.height), dst=inside, interpolation=cv2.INTER_LINEAR)
        return box

    def tensor(self) -> npt.NDArray[Any]:
        """Return the picture with the layout, colour order, type and scale the network takes."""
        if self._tensor is self._pixels:
            return self._tensor
        wanted = self._wanted
        pixels = self._pixels if wanted.colour == "BGR" else self._pixels[..., ::-1]
        if wanted.layout == "NCHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        np.copyto(self._tensor, pixels)
        if wanted.scale != 1:
            self._tensor *= wanted.scale
        return self._tensor

    def _placed(self, width: int, height: int) -> Letterbox:
        """Choose the input's shape for pictures of this size."""
        wanted, region = self._wanted, self._interest.region(width / height)
        if wanted.any_multiple_of:
            longest = max(wanted.width, wanted.height)
            view = View.of(region, width, height)
            size = input_size(view, longest, wanted.any_multiple_of)
            if size != self.size:
                self._begin(*size)
        self._pixels.fill(wanted.pad)
        return Letterbox.fit(width, height, *self.size, region)

    def _begin(self, width: int, height: int) -> None:
        wanted = self._wanted
        self._width, self._height = width, height
        self._pixels: Image = np.empty((1, height, width, 3), np.uint8)
        self._tensor: npt.NDArray[Any] = self._pixels
        if (wanted.layout, wanted.dtype, wanted.colour, wanted.scale) != _AS_IT_IS:
            shape = (1, height, width, 3) if wanted.layout == "NHWC" else (1, 3, height, width)
            self._tensor = np.empty(shape, wanted.dtype)
