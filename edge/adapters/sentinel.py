"""An unmistakable clip, and the search for its pictures wherever they must not be.

Every picture is noise that no camera makes. The same row begins with the same mark in each, and
with the number of the picture after it, so that one glance at a memory tells which pictures are
in it. It is coded without loss (FFV1), in grey: what the counter decodes is known byte by byte.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import CameraError

WIDTH, HEIGHT = 640, 360
_MARK, _NUMBER = 24, 8
"""Pixels at the start of the marked row: what all pictures share, and the number, bit by bit."""
LONGEST = 3 * (_MARK + _NUMBER)
"""Bytes of mark and number together."""
_LIKE = 0.5
"""Correlation with a sentinel picture from which another picture is one of its copies; of
unrelated pictures of 32×18 pixels it is under 0.2."""
_THUMB = (32, 18)


@dataclass(frozen=True, slots=True)
class Sentinel:
    """The pictures of a clip, (count, height, width) uint8 of one grey channel."""

    grey: npt.NDArray[np.uint8]

    @property
    def mark(self) -> bytes:
        """The bytes in BGR that begin the marked row of every picture."""
        return _bgr(self.grey[0, HEIGHT // 2, :_MARK])

    def numbers_in(self, memory: bytes) -> list[int]:
        """Return the numbers of the pictures whose marked row is there, once for each copy."""
        found, at = [], memory.find(self.mark)
        while at >= 0:
            bits = memory[at + 3 * _MARK : at + 3 * (_MARK + _NUMBER) : 3]
            if at + LONGEST <= len(memory) and set(bits) <= {0, 255}:
                found.append(sum((byte > 127) << k for k, byte in enumerate(bits)))
            at = memory.find(self.mark, at + 1)
        return found

    def raw_in(self, data: bytes) -> str | None:
        """Return in which form rows of a picture are in the data, None when there is none."""
        return next((form for form, needle in _needles(self.grey) if needle in data), None)

    def is_like(self, picture: npt.NDArray[np.uint8]) -> bool:
        """Say whether a decoded picture, at any size, shows one of the sentinel's."""
        small = _thumb(picture)
        return any(float(np.corrcoef(small, _thumb(own))[0, 1]) > _LIKE for own in self.grey)

    def encoded_in(self, data: bytes) -> str | None:
        """Return the format of a picture in the data that shows a sentinel's, else None."""
        for start, name in _starts(data):
            raw = np.frombuffer(data[start:], np.uint8)
            picture = cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE)
            if picture is not None and self.is_like(np.asarray(picture, np.uint8)):
                return name
        return None


def make(path: Path, *, fps: float, count: int, seed: int) -> Sentinel:
    """Write the clip. Raises CameraError when this OpenCV cannot."""
    rng = np.random.default_rng(seed)
    mark = rng.integers(0, 256, _MARK, dtype=np.uint8)
    # Coarse and fine: reductions keep the coarse part, rows are unique by the fine one.
    coarse = rng.integers(0, 160, (count, _THUMB[1], _THUMB[0]), dtype=np.uint8)
    grey = coarse.repeat(HEIGHT // _THUMB[1], 1).repeat(WIDTH // _THUMB[0], 2)
    grey += rng.integers(0, 96, grey.shape, dtype=np.uint8)
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"FFV1"), fps, (WIDTH, HEIGHT)
    )
    for number, picture in enumerate(grey):
        row = picture[HEIGHT // 2]
        row[:_MARK] = mark
        row[_MARK : _MARK + _NUMBER] = [255 * (number >> k & 1) for k in range(_NUMBER)]
        writer.write(cv2.merge([picture] * 3))
    writer.release()
    if not path.exists() or not path.stat().st_size:
        raise CameraError(f"{path}: the sentinel clip cannot be written; is the disk full?")
    return Sentinel(grey)


def _needles(grey: npt.NDArray[np.uint8]) -> Iterator[tuple[str, bytes]]:
    for picture in grey:
        for row in (picture[HEIGHT // 4], picture[HEIGHT // 2], picture[3 * HEIGHT // 4]):
            # A multiple of three bytes in, base64 begins anew; 48 of them are no accident.
            part, colour = (
                row[WIDTH // 2 : WIDTH // 2 + 48],
                _bgr(row[WIDTH // 2 : WIDTH // 2 + 48]),
            )
            for name, raw in (("raw grey", part.tobytes()), ("raw BGR", colour)):
                yield name, raw
                yield f"{name} in hex", raw.hex().encode()
                for shift in range(3):
                    yield f"{name} in base64", base64.b64encode(raw[shift : shift + 45])
        yield from (("raw float", row.astype(np.float32).tobytes()) for row in (picture[0, :16],))


def _bgr(grey: npt.NDArray[np.uint8]) -> bytes:
    return grey.repeat(3).tobytes()


def _thumb(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    small = cv2.resize(picture, _THUMB, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64).ravel()


def _starts(data: bytes) -> Iterable[tuple[int, str]]:
    for name, sign in (("JPEG", b"\xff\xd8\xff"), ("PNG", b"\x89PNG\r\n"), ("WEBP", b"RIFF")):
        at = data.find(sign)
        while at >= 0:
            yield at, name
            at = data.find(sign, at + 1)
    if data[:2] == b"BM":
        yield 0, "BMP"
