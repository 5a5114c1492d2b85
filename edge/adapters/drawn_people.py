"""A drawn lobby with three people, whom the shipped model finds, and what it says of them.

Every board draws the same picture, so that its answer can be compared without anybody's photo.
"""

from typing import NamedTuple

import cv2
import numpy as np

from edge.vocabulary import Detections, Image

SIZE = (1280, 720)
"""Width and height in which the answers below were given."""
NETWORK = ("nanodet-g-416-int8", "nanodet-g-416-ncnn")
"""The models made of one network, whose full-precision form gave the answer."""
_ANSWER = (
    # x0, y0, x1, y1 in shares of the picture, score.
    (0.462, 0.346, 0.553, 0.759, 0.858),
    (0.707, 0.244, 0.867, 0.973, 0.796),
    (0.166, 0.347, 0.283, 0.868, 0.733),
)
_WALL, _SKIN, _HAIR, _SHOE = (208, 210, 212), (140, 165, 205), (35, 30, 30), (25, 20, 20)
_Colour = tuple[int, int, int]


class _Person(NamedTuple):
    """Where the feet are and how tall, in heights of the picture; colours are BGR."""

    x: float
    foot: float
    size: float
    coat: _Colour
    trousers: _Colour


_PEOPLE = (
    _Person(0.40, 0.85, 0.50, coat=(130, 70, 50), trousers=(60, 60, 60)),
    _Person(0.90, 0.75, 0.40, coat=(120, 80, 40), trousers=(50, 50, 50)),
    _Person(1.40, 0.95, 0.70, coat=(50, 110, 60), trousers=(90, 60, 40)),
)


def drawn_people(width: int, height: int) -> Image:
    """Draw the lobby and its people, (height, width, 3) BGR."""
    image = np.empty((height, width, 3), np.uint8)
    horizon = int(0.45 * height)
    image[:horizon] = _WALL
    image[horizon:] = np.linspace(150, 110, height - horizon).astype(np.uint8)[:, None, None]
    left = width / 2 - height * 8 / 9  # the middle 16:9 of any picture
    for person in _PEOPLE:
        _draw(image, person, left, height)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(0.5, height / 600)), np.uint8)


def known_answer() -> Detections:
    """Return whom the network finds in the picture of SIZE when it is computed exactly."""
    table = np.array(_ANSWER, np.float32)
    return Detections(table[:, :4], table[:, 4], SIZE[0] / SIZE[1])


def _draw(image: Image, person: _Person, left: float, height: int) -> None:
    """Draw somebody who faces us; all parts are shares of the person's size."""
    size = person.size * height

    def at(right: float, up: float) -> tuple[int, int]:
        return round(left + person.x * height + right * size), round(
            person.foot * height - up * size
        )

    def thick(share: float) -> int:
        return max(1, round(share * size))

    def limb(begin: tuple[int, int], end: tuple[int, int], colour: _Colour, share: float) -> None:
        cv2.line(image, begin, end, colour, thick(share), cv2.LINE_AA)

    for side in (-1, 1):
        limb(at(0.12 * side, 0.81), at(0.17 * side, 0.48), person.coat, 0.055)
        limb(at(0.05 * side, 0.48), at(0.10 * side, 0.02), person.trousers, 0.085)
        cv2.ellipse(image, at(0.12 * side, 0.01), (thick(0.05), thick(0.02)), 0, 0, 360, _SHOE, -1)
    corners = [at(-0.13, 0.85), at(0.13, 0.85), at(0.10, 0.47), at(-0.10, 0.47)]
    cv2.fillConvexPoly(image, np.array(corners, np.int32), person.coat, cv2.LINE_AA)
    limb(at(0, 0.89), at(0, 0.84), _SKIN, 0.05)
    cv2.circle(image, at(0, 0.933), thick(0.067), _SKIN, -1, cv2.LINE_AA)
    hair = (thick(0.07), thick(0.053))
    cv2.ellipse(image, at(0, 0.953), hair, 0, 180, 360, _HAIR, -1, cv2.LINE_AA)
