"""The view watch on real pictures, changed; what one look is like and what is then said."""

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest
from view import changes

from edge.adapters.view_features import look_at
from edge.view_match import displaced, match
from edge.view_signature import Memory, Signature
from edge.view_verdict import ViewSettings
from edge.view_watch import ViewWatch
from edge.vocabulary import CoverageReason

STEP_S = 0.5
LEARN = 130
COVERED, DARK, BLURRED = CoverageReason.COVERED, CoverageReason.DARK, CoverageReason.BLURRED
FROZEN, MOVED = CoverageReason.FROZEN, CoverageReason.MOVED


@pytest.fixture(scope="module")
def pictures():
    """Return twenty pictures of the square, half a second apart."""
    capture, taken = cv2.VideoCapture("tests/data/vtest.mp4"), []
    for _ in range(20):
        taken.append(capture.read()[1])
        for _ in range(4):
            capture.grab()
    return taken


@pytest.fixture(scope="module")
def looks(pictures):
    return [look_at(picture) for picture in pictures]


class Play:
    """A watch and the time; pictures come over and over, to and fro."""

    def __init__(self, looks, signature=None, settings=None):
        self.watch = ViewWatch(signature, settings)
        self.looks, self.number = [*looks, *looks[-2:0:-1]], 0

    def go(self, seconds, looks=None):
        """Show looks for so long; return how long after the beginning each reason was said."""
        looks, found = looks or self.looks, [(0.0, self.watch.reason)]
        for k in range(round(seconds / STEP_S)):
            self.watch.see(self.number * STEP_S, looks[self.number % len(looks)])
            self.number += 1
            found.append((k * STEP_S, self.watch.reason))
        return [now for before, now in pairwise(found) if before[1] is not now[1]]


@pytest.fixture
def play(looks):
    play = Play(looks)
    assert play.go(LEARN * STEP_S) == []
    assert play.watch.signature is not None
    return play


def spoilt(pictures, change):
    return [look_at(change(picture, k)) for k, picture in enumerate(pictures[:8])]


@pytest.mark.parametrize(
    ("change", "reason", "after_s"),
    [
        (changes.occluder((120, 140, 190), 15, 0.08), COVERED, 10),
        (changes.occluder((120, 140, 190), 15, 0.05, 0.85), COVERED, 10),
        (changes.uniform(110), COVERED, 10),
        (changes.gain(0.08, 2.0), DARK, 10),
        (changes.blur(0.012), BLURRED, 30),
        (changes.smear, BLURRED, 30),
        (changes.turned(6, 1.0), MOVED, 30),
        (lambda image, _: np.roll(image, 30, axis=1), MOVED, 30),
        (lambda image, _: cv2.resize(image, (384, 288)), MOVED, 30),
        (lambda image, _: image[:432], MOVED, 30),
    ],
)
def test_a_spoilt_view_is_said_when_it_has_held_and_healed_when_it_is_back(
    play, pictures, change, reason, after_s
):
    said = play.go(after_s + 5, spoilt(pictures, change))
    assert [r for _, r in said] == [reason]
    assert after_s * 0.79 <= said[0][0] <= after_s + 1
    assert play.go(20) == [(pytest.approx(10.5, abs=0.6), None)]


@pytest.mark.parametrize(
    "change",
    [
        changes.gain(0.7),
        changes.gain(1.6),
        changes.gain(0.3, 2.0),
        changes.gamma(2),
        lambda image, number: changes.noise(image, number, 8.0),
        changes.jpeg(30),
        changes.shake,
        changes.half_lit,
        changes.headlights,
        changes.sun,
        changes.person_near,
    ],
)
def test_light_noise_shake_and_people_are_nothing(play, pictures, change):
    assert play.go(40, spoilt(pictures, change)) == []


def test_lights_off_for_a_moment_is_nothing(play, pictures):
    dark = spoilt(pictures, changes.gain(0.05))
    for _ in range(5):
        assert play.go(1.0, dark) == []
        assert play.go(5.0) == []


def test_a_clip_is_never_frozen_and_a_camera_is_after_a_minute(looks):
    signature = Play(looks)
    signature.go(LEARN * STEP_S)
    view = signature.watch.signature
    camera = Play(looks, view)
    said = camera.go(80, looks[3:4])
    assert [r for _, r in said] == [FROZEN]
    assert 60 <= said[0][0] <= 63
    assert camera.go(15) == [(pytest.approx(10.5, abs=0.6), None)]
    assert Play(looks, view, ViewSettings(frozen_s=None)).go(80, looks[3:4]) == []


def test_without_a_learned_view_an_even_grey_is_covered_and_nothing_is_learned(looks, pictures):
    play = Play(looks)
    assert [r for _, r in play.go(90, spoilt(pictures, changes.uniform(110)))] == [COVERED]
    assert play.watch.signature is None
    assert play.watch.renewed() is None


def test_a_camera_that_is_turned_while_a_view_is_learned_is_learned_as_it_stands_at_last(
    looks, pictures
):
    play = Play(looks)
    play.go(30)
    turned = spoilt(pictures, changes.turned(8, 0.75))
    assert play.go(100, turned) == []
    assert play.watch.signature is not None
    assert match(play.watch.signature, turned[0], 1.3).edges > 0.9


def test_a_view_moved_during_a_restart_is_found_by_what_was_kept_and_confirmed(play, pictures):
    kept = json.loads(json.dumps(play.watch.renewed().fields()))
    turned = spoilt(pictures, changes.turned(8, 1.0))
    after = Play(play.looks, Signature.of(kept))
    assert after.go(40) == []
    assert [r for _, r in after.go(100, turned)] == [MOVED], "it stays until somebody confirms"
    after.watch.confirm()
    assert after.watch.reason is None
    assert after.go(90, turned) == []
    assert [r for _, r in after.go(40)] == [MOVED], "what was right before is now another view"


def test_a_view_that_is_not_healthy_changes_nothing_in_the_memory(play, pictures):
    before = play.watch.renewed().fields()
    play.go(300, spoilt(pictures, changes.turned(8, 1.0)))
    after = play.watch.renewed().fields()
    changed = sum(a != b for a, b in zip(before["edges"], after["edges"], strict=True))
    assert changed <= 0.02 * len(before["edges"]), "until it is said, of an hour"


def test_what_was_said_stays_while_there_is_no_picture(play, pictures):
    covered = spoilt(pictures, changes.uniform(110))
    play.go(15, covered)
    play.watch.nothing()
    assert play.watch.reason is COVERED
    assert play.go(8) == []
    assert [r for _, r in play.go(5)] == [None]


def test_a_plain_view_has_no_directions_to_judge_by(pictures):
    plain = [look_at(changes.noise(np.full_like(p, 128), k, 1.0)) for k, p in enumerate(pictures)]
    memory = Memory()
    for look in plain:
        memory.learn(look)
    assert match(memory.signature(), plain[0], 1.3).cells == 0
    assert displaced(memory.signature(), plain[0]) == 0
