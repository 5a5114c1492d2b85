"""What is played: the bundled clip, and clips made from it, with their lines and truth."""

from dataclasses import asdict, dataclass
from typing import Any

from accuracy.clips import CACHE, DATA, PETS09_CONFIG, until

from edge.assembly import configured_lines
from edge.config import Config, load
from edge.scoring import Truth, load_truth
from edge.vocabulary import Line
from speed.made_clips import CAMERA, LIKE_THE_CLIP, Look, make_busy, make_empty

FOLDER = CACHE / "speed"
BUNDLED = DATA / "vtest.mp4"
TRUTH = DATA / "vtest.truth.json"
BUNDLED_FPS = 10.0
WHOLE = (0.0, 1.0)
WIDE = (0.125, 0.875)
"""The rows of the 4:3 picture that are left of it at 16:9: all eight lines are within."""
CAMERA_FPS, CAMERA_S = 25.0, 30.0
EMPTY_S = 30.0


@dataclass(frozen=True, slots=True)
class SpeedClip:
    """One clip. `rows` are the part of the bundled picture's height that it shows."""

    name: str
    path: str
    fps: float
    size: tuple[int, int]
    rows: tuple[float, float] = WHOLE
    empty: bool = False

    def config(self, fps: float, threads: int) -> Config:
        """Return the bundled clip's config with the product's defaults, and lines that fit."""
        config = load(PETS09_CONFIG)
        top, bottom = self.rows
        lines = tuple(
            line.model_copy(
                update={"points": tuple((x, (y - top) / (bottom - top)) for x, y in line.points)}
            )
            for line in config.lines
        )
        camera = config.camera.model_copy(update={"source": self.path, "fps": fps})
        model = config.model.model_copy(update={"threads": threads})
        return config.model_copy(update={"camera": camera, "model": model, "lines": lines})

    def lines(self) -> list[Line]:
        """Return the counting lines in this clip's picture."""
        return configured_lines(self.config(self.fps, 1))

    def truth(self) -> Truth:
        """Return the true crossings; none where nobody is."""
        if self.empty:
            return Truth(())
        whole = load_truth(TRUTH, self.lines(), self.fps, self.size)
        end_s = CAMERA_S if self.fps == CAMERA_FPS else float("inf")
        return until(whole, end_s)

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "SpeedClip":
        """Read what `as_json` wrote."""
        return cls(**{**raw, "size": tuple(raw["size"]), "rows": tuple(raw["rows"])})


def per_frame_clips() -> list[SpeedClip]:
    """Return the clips of the main comparison; makes the empty ones when they are not there."""
    found = [SpeedClip("vtest", str(BUNDLED), BUNDLED_FPS, (768, 576))]
    for name, size in (("empty-720p", (1280, 720)), ("empty-360p", (640, 360))):
        look = Look(size, WIDE, BUNDLED_FPS, EMPTY_S, LIKE_THE_CLIP)
        path = make_empty(BUNDLED, FOLDER, name, look)
        found.append(SpeedClip(name, str(path), BUNDLED_FPS, size, WIDE, empty=True))
    return found


def camera_clips() -> list[SpeedClip]:
    """Return 25 pictures a second as a camera sends them, with people and without."""
    found = []
    for height, size in (("720p", (1280, 720)), ("360p", (640, 360))):
        look = Look(size, WIDE, CAMERA_FPS, CAMERA_S, CAMERA)
        for kind, make in (("busy", make_busy), ("empty", make_empty)):
            name = f"camera-{kind}-{height}"
            path = make(BUNDLED, FOLDER, name, look)
            empty = kind == "empty"
            found.append(SpeedClip(name, str(path), CAMERA_FPS, size, WIDE, empty))
    return found
