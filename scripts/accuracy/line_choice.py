"""Laying lines over a clip by a rule, from its labels alone, so that nobody picks easy ones.

1. The feet of every labelled person, while they are in the picture, are taken at
   `STEP_S` intervals; a step counts when it is longer than `STILL_HEIGHTS` person-heights.
2. The main walking axis is the fullest of 12 undirected headings (15° each, each with its
   two neighbours), a step weighing its length in person-heights. A second axis is the
   fullest one at least 45° away, if it has a quarter of the first one's weight.
3. Across each axis lie four lines, at the 20, 40, 60 and 80 % quantiles of where along the
   axis the steps of that axis are: between their ends the steps are densest.
4. A line spans what is walked within one person-height of it (2–98 % of the steps, any
   heading), and half a person-height more on either side, as far as the picture goes.
5. A line with fewer than `FEWEST` true crossings is dropped. IN is the heading of the axis
   that points right, or down where it is nearly vertical.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import cos, radians, sin

import numpy as np
import numpy.typing as npt

from accuracy.clips import Clip, Labels, labels_of, truth_of
from edge.config_drawings import LineSection

STEP_S = 0.5
STILL_HEIGHTS = 0.1
BINS = 12
QUANTILES = (0.20, 0.40, 0.60, 0.80)
FEWEST = 3

Floats = npt.NDArray[np.float64]
Chosen = dict[str, object]


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of all people in picture-heights: start (N, 2), move (N, 2), height (N,)."""

    start: Floats
    move: Floats
    height: Floats

    @property
    def weight(self) -> Floats:
        """Length of each step in person-heights."""
        return np.asarray(np.hypot(*self.move.T) / self.height)

    def heading_bin(self) -> npt.NDArray[np.intp]:
        """Which of the undirected headings each step belongs to."""
        angle = np.degrees(np.arctan2(self.move[:, 1], self.move[:, 0])) % 180.0
        return np.asarray(np.round(angle / (180.0 / BINS)).astype(np.intp) % BINS)


def choose(
    frames: Sequence[Labels], fps: float, aspect: float, crossings: Callable[[Chosen], int]
) -> list[Chosen]:
    """Return lines as they are written in a config; `crossings` counts the true ones of a line."""
    steps = steps_of(frames, fps, aspect)
    lines: list[Chosen] = []
    for number, heading in enumerate(axes(steps)):
        for share in QUANTILES:
            line = _across(steps, heading, share, aspect)
            line["id"] = f"{'main' if number == 0 else 'cross'}-{round(100 * share)}"
            if crossings(line) >= FEWEST:
                lines.append(line)
    return lines


def steps_of(frames: Sequence[Labels], fps: float, aspect: float) -> Steps:
    """Cut the labelled walks into steps; standing about is left out."""
    stride = max(1, round(STEP_S * fps))
    found: list[tuple[float, ...]] = []
    for before, after in zip(frames[::stride], frames[stride::stride], strict=False):
        was = {int(i): b for i, b in zip(before.ids, before.boxes, strict=True)}
        for person, box in zip(after.ids, after.boxes, strict=True):
            if (old := was.get(int(person))) is None:
                continue
            (x0, y0), (x1, y1) = _foot(old), _foot(box)
            if 0 < x0 < 1 and 0 < y0 < 1 and 0 < x1 < 1 and 0 < y1 < 1:
                height = float(box[3] - box[1])
                found.append((x0 * aspect, y0, (x1 - x0) * aspect, y1 - y0, height))
    table = np.array(found, np.float64).reshape(-1, 5)
    steps = Steps(table[:, :2], table[:, 2:4], table[:, 4])
    moving = steps.weight > STILL_HEIGHTS
    return Steps(steps.start[moving], steps.move[moving], steps.height[moving])


def axes(steps: Steps) -> list[int]:
    """Return the main walking axis and, if there is one, the second, in degrees."""
    weights = np.bincount(steps.heading_bin(), steps.weight, BINS)
    smooth = weights + np.roll(weights, 1) + np.roll(weights, -1)
    first = int(np.argmax(smooth))
    apart = np.abs((np.arange(BINS) - first + BINS // 2) % BINS - BINS // 2)
    others = np.where(apart * 180 // BINS >= 45, smooth, 0.0)
    second = int(np.argmax(others))
    chosen = [first, second] if others[second] >= smooth[first] / 4 else [first]
    return [b * 180 // BINS for b in chosen]


def _across(steps: Steps, heading: int, share: float, aspect: float) -> Chosen:
    along = np.array([cos(radians(heading)), sin(radians(heading))])
    across = np.array([-along[1], along[0]])
    bins = steps.heading_bin()
    apart = np.abs((bins - heading * BINS // 180 + BINS // 2) % BINS - BINS // 2)
    middle = steps.start + steps.move / 2
    place = float(np.quantile(middle[apart <= 1] @ along, share))
    near = np.abs(middle @ along - place) < steps.height
    height = float(np.median(steps.height[near]))
    low, high = np.quantile(middle[near] @ across, [0.02, 0.98]) + np.array([-0.5, 0.5]) * height
    a, b = _clip(along * place, across, (float(low), float(high)), aspect)
    points = [[round(float(x) / aspect, 3), round(float(y), 3)] for x, y in (a, b)]
    return {"id": "", "in": "right" if abs(heading - 90) > 20 else "down", "points": points}


def _clip(
    origin: Floats, way: Floats, ends: tuple[float, float], aspect: float
) -> tuple[Floats, Floats]:
    """Shorten origin + t·way to what lies in the picture, one per cent from its border."""
    low, high = ends
    for start, step, limit in zip(origin, way, (aspect, 1.0), strict=True):
        if abs(step) < 1e-9:
            continue
        bounds = sorted(((0.01 * limit - start) / step, (0.99 * limit - start) / step))
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return origin + low * way, origin + high * way


def _foot(box: npt.NDArray[np.float32]) -> tuple[float, float]:
    return float(box[0] + box[2]) / 2, float(box[3])


HEAD = """\
# Lines over the labelled clips of ../shared/data, chosen from the labels alone by the rule of
# scripts/accuracy/line_choice.py (axes people walk along, the densest places, every line with
# at least three true crossings). Written by `scripts/bench accuracy --choose-lines`; fixed,
# so that figures can be compared. PETS09 has its own: pets09-eight-lines.yaml.
"""


def document(clips: Sequence[Clip]) -> str:
    """Return the lines of these clips as YAML."""
    text = HEAD
    for clip in clips:
        aspect = clip.size[0] / clip.size[1]
        chosen = choose(labels_of(clip), clip.fps, aspect, partial(_true_crossings, clip))
        text += f"{clip.name}:\n"
        for line in chosen:
            points = json.dumps(line["points"])
            text += f"  - {{id: {line['id']}, in: {line['in']}, points: {points}}}\n"
    return text


def _true_crossings(clip: Clip, line: Chosen) -> int:
    return len(truth_of(clip, [LineSection.model_validate(line).line()]).strict().certain)
