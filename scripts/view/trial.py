"""One trial: a view is learned, kept over a restart, changed for a while, and put back.

Clips are short: they are played forwards, backwards, forwards, …, without a cut, two pictures a
second. So people walk backwards half of the time, and come back more often than in a lobby.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from edge.adapters.view_features import look_at
from edge.view_look import Look
from edge.view_signature import Signature
from edge.view_watch import ViewWatch
from edge.vocabulary import CoverageReason, Image
from view import cases, changes
from view.changes import Case

STEP_S = 0.5
LEARN_S, CHANGE_S, FROZEN_S, BACK_S, BENIGN_S = 75.0, 45.0, 75.0, 15.0, 240.0


@dataclass
class Footage:
    """The pictures of a clip, half a second apart, and what is known of them already."""

    name: str
    path: Path
    images: list[Image] = field(default_factory=list)
    _looks: dict[int, Look] = field(default_factory=dict)

    def load(self) -> None:
        capture = cv2.VideoCapture(str(self.path))
        fps = capture.get(cv2.CAP_PROP_FPS)
        number, taken = 0, 0
        while True:
            there, image = capture.read()
            if not there:
                break
            if number / fps >= taken * STEP_S:
                self.images.append(image)
                taken += 1
            number += 1

    def index(self, number: int) -> int:
        """Return which picture is the `number`-th of a play to and fro."""
        turn = max(2 * (len(self.images) - 1), 1)
        place = number % turn
        return min(place, turn - place)

    def image(self, number: int) -> Image:
        return self.images[self.index(number)]

    def look(self, number: int) -> Look:
        """Return the features of an unchanged picture; taken once."""
        index = self.index(number)
        if index not in self._looks:
            self._looks[index] = look_at(self.images[index])
        return self._looks[index]


@dataclass(frozen=True, slots=True)
class Result:
    """Of one trial. Times are seconds after the change began; None: never."""

    clip: str
    case: str
    must: bool
    first: CoverageReason | None
    right: bool
    after_s: float | None
    wrong_s: float
    """How long another reason than a right one was said."""
    back_s: float | None
    """How long after the view was back it was said to be healthy."""
    said_s: float
    """How long anything was said while the change lasted, of `lasted_s`."""
    lasted_s: float
    alarms: int
    """How often a reason began to be said."""


Pictures = Callable[[int], Look]


def harmful(footage: Footage, tried: Sequence[Case], start: int) -> Iterator[Result]:
    """Try what has to be found, from one moment of the clip on."""
    for case in tried:
        as_it_is = case.before is _AS_IT_IS
        before = footage.look if as_it_is else _changed(footage, case.before)
        yield _try(footage.name, case, before, _changed(footage, case.after), start=start)


def special(footage: Footage, others: list[Footage], start: int) -> Iterator[Result]:
    """Try other sizes, other clips' views and frozen pictures."""
    plain = footage.look
    for name, right in cases.SPECIAL.items():
        for after, label in _special(name, footage, others, start):
            case = Case(label, _AS_IT_IS, right, must=name != cases.REENCODED)
            lasts = FROZEN_S if name in {cases.REPEATED, cases.REENCODED} else CHANGE_S
            yield _try(footage.name, case, plain, after, start=start, lasts_s=lasts)


def benign(footage: Footage, tried: Sequence[Case], start: int) -> Iterator[Result]:
    """Try that of which nothing may be said."""
    for case in tried:
        yield _try(
            footage.name,
            case,
            footage.look,
            _changed(footage, case.after),
            start=start,
            lasts_s=BENIGN_S,
        )


def untouched(footage: Footage, hours: float, start: int) -> Result:
    """Play the clip as it is for so long."""
    case = Case("untouched", _AS_IT_IS)
    return _try(footage.name, case, footage.look, footage.look, start=start, lasts_s=hours * 3600)


_AS_IT_IS = Case("", lambda image, _: image).before


def _special(
    name: str, footage: Footage, others: list[Footage], start: int
) -> Iterator[tuple[Pictures, str]]:
    held = footage.image(start + round(LEARN_S / STEP_S))
    height, width = held.shape[:2]
    match name:
        case cases.RESIZED:
            yield _changed(footage, lambda i, _: cv2.resize(i, (width // 2, height // 2))), name
        case cases.CROPPED:
            yield _changed(footage, lambda i, _: i[height // 8 : -height // 8]), name
        case cases.REPLACED:
            for other in others:
                same_size = _changed(other, lambda i, _: cv2.resize(i, (width, height)))
                yield same_size, f"replaced by {other.name}"
        case cases.REPEATED:
            look = look_at(held)
            yield lambda _: look, name
        case cases.REENCODED:
            yield lambda n: look_at(changes.jpeg(70 + n % 25)(held, n)), name


def _changed(footage: Footage, change: changes.Change) -> Pictures:
    return lambda number: look_at(change(footage.image(number), number))


def _try(
    clip: str,
    case: Case,
    before: Pictures,
    after: Pictures,
    *,
    start: int,
    lasts_s: float = CHANGE_S,
) -> Result:
    learning, changed = round(LEARN_S / STEP_S), round(lasts_s / STEP_S)
    watch, alarms = ViewWatch(), 0
    for k in range(learning):
        alarms += _begins(watch, k, before(start + k))
    view = watch.renewed()
    assert view is not None, f"{clip}: no view was learned in {LEARN_S:g} s"
    watch = ViewWatch(Signature.of(json.loads(json.dumps(view.fields()))))
    said: list[CoverageReason | None] = []
    for k in range(learning, learning + changed):
        alarms += _begins(watch, k, after(start + k))
        said.append(watch.reason)
    back_s = None
    end = learning + changed
    for k in range(end, end + round(BACK_S / STEP_S)):
        watch.see(k * STEP_S, before(start + k))
        if watch.reason is None and back_s is None:
            back_s = (k - end) * STEP_S
    spoken = [(k, reason) for k, reason in enumerate(said) if reason is not None]
    return Result(
        clip=clip,
        case=case.name,
        must=case.must,
        first=spoken[0][1] if spoken else None,
        right=any(reason in case.right for _, reason in spoken),
        after_s=spoken[0][0] * STEP_S if spoken else None,
        wrong_s=sum(reason not in case.right for _, reason in spoken) * STEP_S,
        back_s=back_s,
        said_s=len(spoken) * STEP_S,
        lasted_s=lasts_s,
        alarms=alarms,
    )


def _begins(watch: ViewWatch, number: int, look: Look) -> bool:
    was = watch.reason
    now = watch.see(number * STEP_S, look)
    return now is not None and now is not was
