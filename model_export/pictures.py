"""Pictures to calibrate with, of a recording or a folder, as the network sees them.

They are in memory only and leave nothing behind but the range of each activation.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.adapters.camera_clip import ClipSource
from edge.letterbox import Letterbox
from edge.vocabulary import Image
from model_export.errors import ExportError

PAD = 114
PER_SECOND = 2.0
MOST, FEWEST = 120, 12
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def letterboxed(picture: Image, height: int, width: int) -> Image:
    """Return the picture as the network takes it: (1, height, width, 3) uint8."""
    box = Letterbox.fit(picture.shape[1], picture.shape[0], width, height)
    canvas = np.full((1, height, width, 3), PAD, np.uint8)
    inside = canvas[0, box.top : box.top + box.height, box.left : box.left + box.width]
    inside[:] = cv2.resize(picture, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    return canvas


def calibration_pictures(place: Path, height: int, width: int) -> list[Image]:
    """Return up to MOST pictures, spread over a recording or a folder, each letterboxed.

    Raises ExportError when there are too few, and CameraError for what is no recording.
    """
    step, kept = 1, list[Image]()
    for index, picture in enumerate(_folder(place) if place.is_dir() else _clip(place)):
        if index % step == 0:
            kept.append(letterboxed(picture, height, width))
        if len(kept) == 2 * MOST:
            step, kept = 2 * step, kept[::2]
    if len(kept) > MOST:
        kept = [kept[index * len(kept) // MOST] for index in range(MOST)]
    if len(kept) < FEWEST:
        raise ExportError(
            f"--calibrate {place}: {len(kept)} pictures are too few, give at least"
            f" {FEWEST}: a recording of {FEWEST / PER_SECOND:.0f} s, or a folder of"
            f" {', '.join(SUFFIXES)} files"
        )
    return kept


def _clip(place: Path) -> Iterator[Image]:
    source = ClipSource(place, PER_SECOND, "max")
    for frame in source.frames():
        yield frame.image


def _folder(place: Path) -> Iterator[Image]:
    for path in sorted(place.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if picture is None:
                raise ExportError(
                    f"--calibrate {path}: is no picture; move it away or save it anew"
                )
            yield np.asarray(picture, np.uint8)
