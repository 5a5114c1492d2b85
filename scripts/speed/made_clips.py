"""Clips made from the bundled one: nobody in the lobby, or more and larger pictures a second.

The empty lobby is the median over time of every pixel, plus noise as strong as the clip's
own: the typical distance of a pixel from its median (1.4826 × the median absolute
deviation, the median over all pixels). The encoder takes part of that out again; it is set
so that as much is left as the bundled clip has after its own encoding (the same measure
gives 1.5 grey levels in both).
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.vocabulary import Image

_KEEPS_NOISE = ("-preset", "medium", "-tune", "grain", "-crf", "23")
LIKE_THE_CLIP = (*_KEEPS_NOISE, "-g", "100", "-bf", "3")
"""Groups of pictures as in tests/data/README.md."""
CAMERA = (*_KEEPS_NOISE, "-g", "50", "-bf", "0")
"""A network camera sends no B pictures, and a whole picture every two seconds."""
_EVERY = 8
_SEED = 1
Grey = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """How a made clip looks: size (width, height), rows of the original, pictures, encoding."""

    size: tuple[int, int]
    rows: tuple[float, float]
    fps: float
    seconds: float
    encoding: tuple[str, ...]

    @property
    def pictures(self) -> int:
        """How many pictures it has."""
        return round(self.fps * self.seconds)

    def cut(self, picture: Image) -> Image:
        """Return the wanted part of a picture in the wanted size."""
        height = picture.shape[0]
        top, bottom = (round(height * part) for part in self.rows)
        return cv2.resize(picture[top:bottom], self.size, interpolation=cv2.INTER_LINEAR)


def make_empty(original: Path, folder: Path, name: str, look: Look) -> Path:
    """Return a clip of the place without people; made once, kept in `folder`."""

    def pictures() -> Iterator[Image]:
        place, sigma = background(_sample(original))
        return with_noise(_held(look.cut(place), look.pictures), sigma)

    return _made(original, folder, name, look, pictures)


def make_busy(original: Path, folder: Path, name: str, look: Look) -> Path:
    """Return the clip at another size and rate: pictures are held, each has noise of its own.

    The noise is that of the empty lobby, so that both cost the same to decode but for people.
    """

    def pictures() -> Iterator[Image]:
        _, sigma = background(_sample(original))
        capture = cv2.VideoCapture(str(original))
        own_fps = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        cut = (look.cut(picture) for picture in read(original))
        return with_noise(at_rate(cut, own_fps, look.fps, look.pictures), sigma)

    return _made(original, folder, name, look, pictures)


def _sample(original: Path) -> npt.NDArray[np.uint8]:
    return np.stack([p for i, p in enumerate(read(original)) if i % _EVERY == 0])


def background(sample: npt.NDArray[np.uint8]) -> tuple[Image, float]:
    """Return the median picture of (N, height, width, 3), and the noise's sigma in grey levels."""
    place = np.median(sample, axis=0).astype(np.uint8)
    thin = sample[:, ::4, ::4].astype(np.float32)
    away = np.median(np.abs(thin - place[::4, ::4]), axis=0)
    return place, float(1.4826 * np.median(away))


def with_noise(pictures: Iterable[Image], sigma: float) -> Iterator[Image]:
    """Add Gaussian noise of so many grey levels to every picture, the same in every run."""
    rng = np.random.default_rng(_SEED)
    for picture in pictures:
        noise = rng.standard_normal(picture.shape[:2], np.float32)[..., None] * np.float32(sigma)
        yield np.clip(picture + noise + 0.5, 0, 255).astype(np.uint8)


def at_rate(pictures: Iterable[Image], own: float, wanted: float, count: int) -> Iterator[Image]:
    """Hold pictures of `own` a second so that there are `wanted` a second; `count` at most."""
    given = 0
    for index, picture in enumerate(pictures):
        while given < count and given * own / wanted < index + 1:
            given += 1
            yield picture


def read(path: Path) -> Iterator[Image]:
    """Yield every picture of a clip."""
    capture = cv2.VideoCapture(str(path))
    while True:
        ok, picture = capture.read()
        if not ok:
            capture.release()
            return
        yield picture


def _held(picture: Image, count: int) -> Iterator[Image]:
    return (picture for _ in range(count))


def _made(
    original: Path, folder: Path, name: str, look: Look, pictures: Callable[[], Iterator[Image]]
) -> Path:
    program = encoder()
    key = hashlib.sha256(f"{original.stat().st_size} {look} {bool(program)}".encode())
    path = folder / f"{name}-{key.hexdigest()[:10]}.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".part.mp4")
        if program:
            _encode(program, fresh, look, pictures())
        else:
            print(f"{name} is MPEG-4 part 2: no ffmpeg to make H.264 with", file=sys.stderr)
            _encode_without(fresh, look, pictures())
        fresh.replace(path)
    return path


def encoder() -> str | None:
    """Return an ffmpeg with x264: the system's, or the one the package imageio-ffmpeg brings."""
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - only beside the peers
    except ImportError:
        return shutil.which("ffmpeg")
    return shutil.which("ffmpeg") or str(imageio_ffmpeg.get_ffmpeg_exe())


def _encode(program: str, path: Path, look: Look, pictures: Iterator[Image]) -> None:
    width, height = look.size
    raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", f"{look.fps:g}")
    h264 = ("-c:v", "libx264", *look.encoding, "-pix_fmt", "yuv420p", "-threads", "1")
    command = [program, "-v", "error", "-y", *raw, "-i", "-", *h264, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        for picture in pictures:
            process.stdin.write(picture.tobytes())
    if process.returncode:
        raise SystemExit(f"error: {program} could not encode {path.name}, see above")


def _encode_without(path: Path, look: Look, pictures: Iterator[Image]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), look.fps, look.size)
    for picture in pictures:
        writer.write(picture)
    writer.release()
