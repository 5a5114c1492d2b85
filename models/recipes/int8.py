"""The pictures the default model is calibrated with, and which of its operations take 8 bits.

The activations are measured on pictures that are in no test: public-domain and
CC0 pictures of the scikit-image package, whole and in parts.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

# Lossless files only, so that every decoder yields the same pixels.
PICTURES = ("astronaut", "brick", "camera", "chelsea", "clock_motion", "coffee", "grass", "gravel")
QUANTISED_OPS = ("Conv", "LeakyRelu", "Concat", "MaxPool")


def calibration_pictures(wheel: Path) -> Iterator[np.ndarray]:
    """Yield each picture of the package whole, in quarters, its middle, and darkened."""
    with zipfile.ZipFile(wheel) as archive:
        for name in PICTURES:
            content = np.frombuffer(archive.read(f"skimage/data/{name}.png"), np.uint8)
            picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
            height, width = picture.shape[0] // 2, picture.shape[1] // 2
            yield picture
            yield picture // 3
            for top in (0, height // 2, height):
                for left in (0, width // 2, width):
                    yield picture[top : top + height, left : left + width]
