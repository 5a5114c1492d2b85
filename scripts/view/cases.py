"""The changes that are tried: what has to be found, what need not be, and what must not be."""

from functools import partial

from view import changes as do
from view.changes import BLURRED, COVERED, DARK, FROZEN, MOVED, Case

_SKIN, _CLOTH = (120, 140, 190), (90, 60, 60)


def _right(*reasons):
    return frozenset(reasons)


def _pan(share: float, *, must: bool = True) -> Case:
    before, after = do.shifted(share)
    return Case(f"panned {share:.0%}", after, _right(MOVED), before, must)


def _roll(degrees: float, *, must: bool = True) -> Case:
    before, after = do.turned(0.0, 0.75), do.turned(degrees, 0.75)
    return Case(f"rolled {degrees:g}°", after, _right(MOVED), before, must)


def _zoom(by: float, *, must: bool = True) -> Case:
    return Case(f"zoomed {by:.0%}", do.part(0.5, 0.5, 1 / (1 + by)), _right(MOVED), must=must)


def _tilt(share: float, *, must: bool = True) -> Case:
    before, after = do.shifted(0.0, down=share)
    return Case(f"tilted {share:.0%}", after, _right(MOVED), before, must)


HARMFUL = [
    Case("hand on the lens", do.occluder(_SKIN, 15, 0.08), _right(COVERED)),
    Case("cloth on the lens", do.occluder(_CLOTH, 30, 0.02), _right(COVERED)),
    Case("hand over 85 %", do.occluder(_SKIN, 15, 0.05, 0.85), _right(COVERED)),
    Case("hand over 50 %", do.occluder(_SKIN, 15, 0.05, 0.5), _right(COVERED, BLURRED), must=False),
    Case("even grey", do.uniform(110), _right(COVERED)),
    Case("black", do.black, _right(COVERED, DARK)),
    Case("light × 0.10", do.gain(0.10, 2.0), _right(DARK)),
    Case("light × 0.05", do.gain(0.05, 1.5), _right(DARK)),
    Case("gamma 6", do.gamma(6), _right(DARK), must=False),
    Case("defocus 0.5 %", do.blur(0.005), _right(BLURRED), must=False),
    Case("defocus 1 %", do.blur(0.01), _right(BLURRED)),
    Case("defocus 2 %", do.blur(0.02), _right(BLURRED)),
    Case("defocus 4 %", do.blur(0.04), _right(BLURRED)),
    Case("grease on all", do.grease, _right(BLURRED)),
    Case("grease on half", do.smear, _right(BLURRED)),
    _pan(0.03),
    _pan(0.05),
    _pan(0.10),
    _pan(0.20),
    _pan(0.30),
    _tilt(0.05),
    _tilt(0.15),
    _roll(3, must=False),
    _roll(5),
    _roll(10),
    _roll(30),
    _zoom(0.05, must=False),
    _zoom(0.10),
    _zoom(0.30),
]
BENIGN = [
    Case("brightness −30 %", do.gain(0.7)),
    Case("brightness +30 %", do.gain(1.3)),
    Case("exposure step × 1.6", do.gain(1.6)),
    Case("light × 0.3", do.gain(0.3, 2.0)),
    Case("gamma 2", do.gamma(2)),
    Case("noise of 8", partial(do.noise, sigma=8.0)),
    Case("JPEG quality 30", do.jpeg(30)),
    Case("shake of 2 px", do.shake),
    Case("person over half, 15 s of 60", do.person_near),
    Case("lights out, 1 s of 20", do.flicker),
    Case("one row of lamps off", do.half_lit),
    Case("headlights", do.headlights),
    Case("patch of sun", do.sun),
]
_DIAGONAL = do.shifted(0.07, down=0.04)
HELD_OUT = [
    Case("pale hand, smooth", do.occluder((190, 200, 225), 8, 0.12), _right(COVERED)),
    Case("dark cloth over 90 %", do.occluder((45, 40, 40), 12, 0.03, 0.9), _right(COVERED, DARK)),
    Case("paper, even white", do.uniform(225), _right(COVERED)),
    Case("light × 0.07", do.gain(0.07, 2.5), _right(DARK)),
    Case("defocus 1.3 %", do.blur(0.013), _right(BLURRED)),
    Case("defocus 3 %", do.blur(0.03), _right(BLURRED)),
    _pan(0.07),
    _pan(0.15),
    _pan(0.25),
    Case("panned 7 %, tilted 4 %", _DIAGONAL[1], _right(MOVED), _DIAGONAL[0]),
    _tilt(0.08),
    _tilt(0.25),
    _roll(-7),
    _roll(15),
    _zoom(0.15),
    _zoom(0.20),
]
HELD_OUT_BENIGN = [
    Case("light × 0.5, noise of 6", do.gain(0.5, 6.0)),
    Case("light × 1.4, noise of 4", do.gain(1.4, 4.0)),
    Case("gamma 0.6", do.gamma(0.6)),
    Case("JPEG quality 15", do.jpeg(15)),
    Case("defocus 0.15 %", do.blur(0.0015)),
]
"""Tried once, after every setting was fixed."""
RESIZED = "half the resolution"
CROPPED = "another aspect"
REPLACED = "another clip's view"
REPEATED = "one picture repeated"
REENCODED = "one picture, encoded anew"
SPECIAL = {
    RESIZED: _right(MOVED),
    CROPPED: _right(MOVED),
    REPLACED: _right(MOVED),
    REPEATED: _right(FROZEN),
    REENCODED: _right(FROZEN),
}
