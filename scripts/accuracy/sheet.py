"""A contact sheet: every miss and false count of `ours` on one clip, three pictures each.

Half a second before, at, and half a second after the event. Green: labels. Yellow:
detections (thin below the sure score). Blue: tracks. White: the line.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from accuracy.blame import Event, events
from accuracy.clips import Clip, labels_of
from accuracy.detections import Footage
from accuracy.ours import follow
from edge.adapters.camera_opencv import ClipSource
from edge.vocabulary import FloatArray, Image

CROP, SCALE, CAPTION = 190, 2, 62
_GREEN, _YELLOW, _BLUE, _WHITE = (80, 220, 80), (0, 220, 255), (255, 120, 40), (255, 255, 255)
_RED, _AMBER = (60, 60, 235), (40, 150, 245)


def draw(clip: Clip, footage: Footage, path: Path) -> list[Event]:
    """Write the sheet; return what is on it."""
    found = events(clip, footage)
    wanted = {_nearest(footage, e.crossing.at + shift) for e in found for shift in _SHIFTS}
    drawn = _pictures(clip, footage, wanted)
    tiles = [_tile(event, footage, drawn) for event in found]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), _grid(tiles, 2))
    return found


_SHIFTS = (-0.5, 0.0, 0.5)


def _nearest(footage: Footage, at: float) -> int:
    times = [abs(s.at - at) for s in footage.samples]
    return times.index(min(times))


def _pictures(clip: Clip, footage: Footage, wanted: set[int]) -> dict[int, Image]:
    """Return the wanted used frames with all boxes drawn, twice as large."""
    labels, steps = labels_of(clip), follow(footage)
    frames = {round(footage.samples[i].at * clip.fps): i for i in wanted}
    drawn: dict[int, Image] = {}
    source = ClipSource(clip.pictures or "", clip.fps, speed="max")
    try:
        for frame in source.frames():
            if (i := frames.get(frame.index)) is None:
                continue
            image = cv2.resize(frame.image, None, fx=SCALE, fy=SCALE)
            found = footage.samples[i].detections
            for box in labels[frame.index].boxes:
                _box(image, box, _GREEN, 1)
            for box, score in zip(found.boxes, found.scores, strict=True):
                _box(image, box, _YELLOW, 2 if score >= footage.sure_score else 1, f"{score:.2f}")
            for track in steps[i][0].live:
                if track.observed:
                    _box(image, np.array(track.box, np.float32), _BLUE, 1, f"#{track.id % 1000}")
            drawn[i] = image
    finally:
        source.close()
    return drawn


def _box(
    image: Image, box: FloatArray, colour: tuple[int, int, int], thick: int, text: str = ""
) -> None:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (int(v) for v in box * (width, height, width, height))
    cv2.rectangle(image, (x0, y0), (x1, y1), colour, thick, cv2.LINE_AA)
    if text:
        below = text.startswith("#")
        cv2.putText(
            image, text, (x0, y1 + 11 if below else y0 - 3), 0, 0.36, colour, 1, cv2.LINE_AA
        )


def _tile(event: Event, footage: Footage, drawn: dict[int, Image]) -> Image:
    side = CROP * SCALE
    crops = []
    for shift in _SHIFTS:
        image = drawn[_nearest(footage, event.crossing.at + shift)].copy()
        height, width = image.shape[:2]
        points = np.array([(x * width, y * height) for x, y in event.line.points], np.int32)
        cv2.polylines(image, [points], False, _WHITE, 1, cv2.LINE_AA)
        foot = (int(event.where[0] * width), int(event.where[1] * height))
        cv2.circle(image, foot, 7, _RED, 2, cv2.LINE_AA)
        left = int(np.clip(foot[0] - side // 2, 0, width - side))
        top = int(np.clip(foot[1] - side * 2 // 3, 0, height - side))
        crops.append(image[top : top + side, left : left + side])
    picture = np.hstack([crops[0], _bar(side), crops[1], _bar(side), crops[2]])
    caption = np.full((CAPTION, picture.shape[1], 3), 30, np.uint8)
    what = "MISS" if event.missed else "FALSE COUNT"
    c = event.crossing
    first = f"{what}  {c.line}  {c.outcome}  at {c.at:.1f} s  -  {event.part}"
    colour = _RED if event.missed else _AMBER
    cv2.putText(caption, first, (8, 24), 0, 0.66, colour, 2, cv2.LINE_AA)
    cv2.putText(caption, event.why, (8, 50), 0, 0.54, _WHITE, 1, cv2.LINE_AA)
    return np.vstack([caption, picture])


def _bar(height: int) -> Image:
    return np.full((height, 4, 3), 30, np.uint8)


def _grid(tiles: Sequence[Image], columns: int) -> Image:
    if not tiles:
        return np.full((60, 400, 3), 30, np.uint8)
    empty = np.full_like(tiles[0], 30)
    rows = [
        [*tiles[i : i + columns], *[empty] * columns][:columns]
        for i in range(0, len(tiles), columns)
    ]
    gap = np.full((tiles[0].shape[0], 14, 3), 0, np.uint8)
    lines = [np.hstack([part for tile in row for part in (tile, gap)]) for row in rows]
    return np.vstack(lines)
