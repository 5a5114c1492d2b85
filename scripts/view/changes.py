"""What is done to real pictures, as the lens, the light or a hand would do it.

Each takes a picture and the seconds since the change began and returns another; what is
random is seeded by the picture's number, so that a run can be repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from edge.vocabulary import CoverageReason, FloatArray, Image

Change = Callable[[Image, int], Image]
COVERED, DARK, BLURRED = CoverageReason.COVERED, CoverageReason.DARK, CoverageReason.BLURRED
FROZEN, MOVED = CoverageReason.FROZEN, CoverageReason.MOVED


@dataclass(frozen=True, slots=True)
class Case:
    """One change. `before` is done to the healthy pictures too: a crop that leaves room to move.

    right: what may be said of it; empty for a benign change, of which nothing may be.
    must: whether it has to be found; what a detector still copes with need not be.
    """

    name: str
    after: Change
    right: frozenset[CoverageReason] = frozenset()
    before: Change = lambda image, _: image
    must: bool = True


def _seeded(number: int) -> np.random.Generator:
    return np.random.default_rng(number)


def _clipped(values: np.ndarray) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)


@cache
def _drawn(shape: tuple[int, ...], seed: int) -> FloatArray:
    return _seeded(seed).standard_normal(shape, dtype=np.float32)


@cache
def _rough(shape: tuple[int, int], seed: int, grain_px: float) -> FloatArray:
    """Return random blotches of this size with a contrast of 1."""
    blotches = cv2.GaussianBlur(_drawn(shape, seed), (0, 0), grain_px)
    return np.asarray(blotches / blotches.std(), np.float32)


def noise(image: Image, number: int, sigma: float) -> Image:
    """Noise on every pixel; a few fields, each time at another place."""
    down, across = _seeded(number).integers(0, 400, 2)
    field = np.roll(_drawn(image.shape, number % 4), (int(down), int(across)), (0, 1))
    return _clipped(image + np.float32(sigma) * field)


def gain(factor: float, sigma: float = 0.0) -> Change:
    def change(image: Image, number: int) -> Image:
        dimmed = cv2.convertScaleAbs(image, alpha=factor)
        return noise(dimmed, number, sigma) if sigma else dimmed

    return change


def gamma(power: float) -> Change:
    table = _clipped((np.arange(256) / 255.0) ** power * 255)
    return lambda image, _: cv2.LUT(image, table)


def blur(share: float) -> Change:
    """Defocus with a sigma of this share of the width."""
    return lambda image, _: cv2.GaussianBlur(image, (0, 0), share * image.shape[1])


def smear(image: Image, _: int) -> Image:
    """Grease on the left half of the lens: unsharp and hazy, with a soft border."""
    width = image.shape[1]
    hazy = cv2.GaussianBlur(image, (0, 0), 0.02 * width).astype(np.float32) * 0.8 + 40
    weight = np.clip((0.55 - np.linspace(0, 1, width, dtype=np.float32)) / 0.1, 0, 1)
    weight = weight[None, :, None]
    return _clipped(image * (1 - weight) + hazy * weight)


def grease(image: Image, _: int) -> Image:
    """A film over all of the lens."""
    hazy = cv2.GaussianBlur(image, (0, 0), 0.012 * image.shape[1]).astype(np.float32)
    return _clipped(hazy * 0.75 + 45)


def occluder(
    tone: tuple[int, int, int], texture: float, grain: float, share: float = 1.0
) -> Change:
    """Something near the lens: `share` of the picture, soft at its edge, moving a little.

    tone: BGR. texture: its contrast in grey levels. grain: its size, a share of the width.
    """

    def change(image: Image, number: int) -> Image:
        height, width = image.shape[:2]
        rough = np.float32(texture) * _rough((height, width), 7, grain * width)
        rough = np.roll(rough, (number % 5) - 2, axis=1)  # a hand is never quite still
        cover = np.asarray(tone, np.float32) + rough[..., None]
        edge = share + 0.01 * np.sin(number / 3)
        weight = np.clip((edge - np.linspace(0, 1, width)) / 0.04 + 0.5, 0, 1)
        weight = (np.ones(width) if share >= 1 else weight).astype(np.float32)
        mixed = image * (1 - weight)[None, :, None] + cover * weight[None, :, None]
        return noise(_clipped(mixed), number, 1.5)

    return change


def black(image: Image, number: int) -> Image:
    return noise(np.zeros_like(image), number, 1.5)


def uniform(tone: int) -> Change:
    return lambda image, number: noise(np.full_like(image, tone), number, 2.0)


def part(left: float, top: float, share: float) -> Change:
    """A window of the picture, `share` of its width and height, from (left, top) of what is left.

    0.5, 0.5 is the middle. Real pixels wherever the camera looks.
    """

    def change(image: Image, _: int) -> Image:
        height, width = image.shape[:2]
        tall, wide = round(share * height), round(share * width)
        y, x = round(top * (height - tall)), round(left * (width - wide))
        window = image[y : y + tall, x : x + wide]
        return cv2.resize(window, (width, height), interpolation=cv2.INTER_LINEAR)

    return change


def turned(degrees: float, share: float) -> Change:
    """The middle of the picture, rolled about its centre."""

    def change(image: Image, number: int) -> Image:
        height, width = image.shape[:2]
        roll = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        whole = cv2.warpAffine(image, roll, (width, height), borderMode=cv2.BORDER_REFLECT)
        return part(0.5, 0.5, share)(whole, number)

    return change


def shifted(by: float, *, down: float = 0.0) -> tuple[Change, Change]:
    """Return the view before and after a pan by a share of the width (and height)."""
    share = 1 / (1 + max(by, down))
    return part(0.0, 0.0, share), part(
        by / max(by, down) if by else 0.0, down / max(by, down) if down else 0.0, share
    )


def jpeg(quality: int) -> Change:
    def change(image: Image, _: int) -> Image:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(packed, cv2.IMREAD_COLOR)

    return change


def shake(image: Image, number: int) -> Image:
    x, y = _seeded(number).uniform(-2, 2, 2)
    move = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(image, move, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def person_near(image: Image, number: int) -> Image:
    """Somebody who fills half the picture, for 15 s of every 60, moving while they stand."""
    if number % 120 >= 30:
        return image
    height, width = image.shape[:2]
    cloth = 25 * _rough((height, width), 3, 0.01 * width) + 70
    middle = 0.5 + 0.02 * np.sin(number / 2)
    near = np.abs(np.linspace(0, 1, width) - middle)
    inside = np.clip((0.25 - near) / 0.005 + 0.5, 0, 1).astype(np.float32)[None, :, None]
    return _clipped(image * (1 - inside) + cloth[..., None] * inside)


def flicker(image: Image, number: int) -> Image:
    """The lights go out for a second in every twenty."""
    return gain(0.06, 1.5)(image, number) if number % 40 < 2 else image


def half_lit(image: Image, number: int) -> Image:
    """One row of lamps off: the left half at 0.4, softly."""
    falloff = 0.4 + 0.6 * np.clip(np.linspace(-0.5, 1.5, image.shape[1], dtype=np.float32), 0, 1)
    return noise(_clipped(image * falloff[None, :, None]), number, 1.5)


def headlights(image: Image, number: int) -> Image:
    """A bright soft spot sweeps over the picture in 8 s, over and over."""
    height, width = image.shape[:2]
    x0 = (number % 16) / 16 * 1.4 - 0.2
    spread = (np.linspace(0, 1, width) - x0) ** 2 / 0.02
    tall = (np.linspace(0, 1, height) - 0.6) ** 2 / 0.08
    spot = np.exp(-spread)[None, :] * np.exp(-tall)[:, None]
    return _clipped(image + (200 * spot[..., None]).astype(np.float32))


def sun(image: Image, number: int) -> Image:
    """A patch of sun with hard edges creeps over a third of the picture, 2 % a minute."""
    height, width = image.shape[:2]
    left = 0.2 + 0.02 * number / 120
    lit = image.astype(np.float32)
    corners = [(left, 0.3), (left + 0.35, 0.25), (left + 0.45, 0.9), (left + 0.05, 0.95)]
    patch = np.zeros((height, width), np.uint8)
    cv2.fillPoly(patch, [np.array([(x * width, y * height) for x, y in corners], np.int32)], 1)
    return _clipped(lit * np.where(patch[..., None] == 1, np.float32(1.7), np.float32(0.9)))
