"""When a picture is looked at: on changes and on pictures of a real clip."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.detector_gated import GatedDetector
from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import load_catalog
from edge.gating import Gate, GateSettings
from edge.regions import Interest
from edge.tracking import Tracker
from edge.vocabulary import Detections, Frame

CLIP = Path("tests/data/vtest.mp4")
STILL = np.full((24, 40), 0.5, np.float32)
SETTINGS = GateSettings(
    least_step=2.0, noise_steps=2.5, empty_refresh_s=2.0, occupied_refresh_s=0.5, settle_s=3.0
)


def sure(people):
    return np.full(people, 0.8, np.float32)


def changed(steps, at=(3, 7)):
    changes = STILL.copy()
    changes[at] = steps
    return changes


@pytest.fixture
def gate():
    gate = Gate(SETTINGS)
    gate.looked(10.0, sure(0))
    return gate


def test_the_first_picture_is_looked_at():
    assert Gate(SETTINGS).is_due(0.0, STILL)


def test_one_block_that_changes_is_enough(gate):
    assert not gate.is_due(10.1, changed(2.0))
    assert gate.is_due(10.2, changed(2.1))


def test_what_changes_everywhere_is_noise_up_to_a_measure(gate):
    noisy = np.full((24, 40), 2.0, np.float32)
    noisy[5, 5] = 5.0
    assert not gate.is_due(10.1, noisy)
    noisy[5, 5] = 5.1
    assert gate.is_due(10.1, noisy)


def test_who_fills_the_picture_is_no_noise(gate):
    assert gate.is_due(10.1, np.full((24, 40), 6.1, np.float32))


@pytest.mark.parametrize(("people", "limit_s"), [(0, 2.0), (1, 0.5), (9, 0.5)])
def test_a_still_picture_is_looked_at_from_time_to_time(gate, people, limit_s):
    gate.looked(15.0, sure(people))
    gate.looked(20.0, sure(people))
    assert not gate.is_due(20.0 + limit_s - 0.05, STILL)
    assert gate.is_due(20.0 + limit_s, STILL)


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0), (2, 1), (3, 4)])
def test_after_a_change_in_number_every_picture_is_looked_at(gate, before, after):
    gate.looked(15.0, sure(before))
    gate.looked(20.0, sure(before))
    gate.looked(20.4, sure(after))
    for at in (20.5, 21.5, 23.3):
        assert gate.is_due(at, STILL)
        gate.looked(at, sure(after))
    assert not gate.is_due(23.5, STILL)


def test_a_chair_in_an_empty_room_is_no_change_and_a_person_seen_badly_is(gate):
    weak = np.float32([0.4])
    gate.looked(100.0, weak)
    assert not gate.is_due(101.0, STILL), "as long as in an empty room"
    gate.looked(110.0, sure(1))
    gate.looked(165.0, sure(0))
    gate.looked(169.0, weak)
    assert gate.is_due(169.1, STILL), "somebody was there a minute ago"
    gate.looked(180.0, weak)
    gate.looked(185.0, sure(0))
    assert not gate.is_due(185.1, STILL)


def test_looks_are_counted(gate):
    for at in (10.1, 10.2, 10.3):
        assert not gate.is_due(at, STILL)
    gate.looked(10.4, sure(0))
    assert (gate.counts.looked, gate.counts.same) == (2, 3)
    assert gate.counts.share == 0.4
    assert Gate().counts.share is None


STILL_PICTURE = np.full((360, 640, 3), 100, np.uint8)


class Asked:
    """A detector that knows how often it was asked."""

    def __init__(self, people=0):
        self.times, self.interest, self.people = [], None, people

    def detect(self, frame):
        self.times.append(frame.at)
        boxes = np.tile(np.float32([0.1, 0.1, 0.2, 0.4]), (self.people, 1))
        return Detections(boxes, np.ones(self.people, np.float32), frame.aspect)

    def attend(self, interest):
        self.interest = interest

    def forget(self):
        self.forgotten = True


def grey(level=100, size=(360, 640), **patch):
    image = np.full((*size, 3), level, np.uint8)
    if patch:
        image[patch["y"], patch["x"]] += np.uint8(patch["by"])
    return image


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def gated(asked):
    return GatedDetector(asked, Gate(SETTINGS))


def test_what_stays_is_looked_at_every_two_seconds(asked, gated):
    answers = [gated.detect(Frame(k / 8, k, grey())) for k in range(33)]
    assert asked.times == [0.0, 2.0, 4.0]
    assert all(len(answer) == 0 for answer in answers)
    assert (gated.counts.looked, gated.counts.same) == (3, 30)


def test_the_people_of_the_last_look_stand_where_they_stood(asked, gated):
    asked.people = 2
    answers = [gated.detect(Frame(k / 8, k, grey())) for k in range(41)]
    assert asked.times == [*(k / 8 for k in range(24)), 3.375, 3.875, 4.375, 4.875]
    assert [len(answer) for answer in answers] == [2] * 41


class Flickering(Asked):
    """A detector that misses the one person there is now and then."""

    def __init__(self, found):
        super().__init__()
        self.chance, self.found = np.random.default_rng(3), found

    def detect(self, frame):
        self.people = int(self.chance.random() < self.found)
        return super().detect(frame)


@pytest.mark.parametrize("found", [0.98, 0.9, 0.8])
def test_who_stands_still_stays_one_person_though_missed_now_and_then(found):
    """Five minutes in a still picture, at eight pictures a second."""
    asked = Flickering(found)
    gated = GatedDetector(asked, Gate())
    tracker, present, ids = Tracker(), 0, set()
    for k in range(2400):
        tracks = tracker.update(gated.detect(Frame(k / 8, k, STILL_PICTURE)), k / 8)
        present += bool(tracks.live)
        ids |= {track.id for track in tracks.live}
    assert len(ids) == 1
    assert present / 2400 > 0.98
    assert len(asked.times) < 2400


def test_without_pictures_nothing_is_kept_of_the_last_one(asked, gated):
    asked.people = 1
    gated.detect(Frame(0.0, 0, grey()))
    gated.forget()
    assert asked.forgotten
    assert gated._seen is gated._answer is None
    asked.people = 0
    assert len(gated.detect(Frame(0.1, 1, grey()))) == 0, "not the people of before"


def test_of_no_picture_more_than_two_seconds_are_kept(asked):
    """With the usual settings, at any rate the camera may have; the detector keeps nothing."""
    gated, kept_since = GatedDetector(asked, Gate()), 0.0
    for k in range(80):
        before = gated._seen
        gated.detect(Frame(k / 4, k, grey()))
        if gated._seen is not before:
            kept_since = k / 4
        assert k / 4 - kept_since <= 2.0


def test_somebody_small_and_pale_is_a_change(asked, gated):
    """12 by 30 pixels of 640 by 360, ten levels lighter than the floor."""
    gated.detect(Frame(0.0, 0, grey()))
    gated.detect(Frame(0.1, 1, grey(y=slice(200, 230), x=slice(300, 312), by=10)))
    assert asked.times == [0.0, 0.1]


def test_what_creeps_adds_up(asked, gated):
    for k in range(8):
        edge = 300 + k
        gated.detect(Frame(k / 10, k, grey(y=slice(100, 300), x=slice(300, edge + 1), by=25)))
    assert 2 < len(asked.times) < 8


def test_noise_is_not_a_change(asked, gated):
    noise = np.random.default_rng(1)
    for k in range(16):
        image = np.clip(100 + noise.normal(0, 6, (720, 1280, 3)), 0, 255).astype(np.uint8)
        gated.detect(Frame(k / 8, k, image))
    assert asked.times == [0.0]


def test_only_what_is_attended_to_matters(asked, gated):
    interest = Interest([(0.2, 0.5)], person_height=0.1)
    gated.attend(interest)
    assert asked.interest is interest
    gated.detect(Frame(0.0, 0, grey()))
    gated.detect(Frame(0.1, 1, grey(y=slice(100, 300), x=slice(500, 600), by=50)))
    assert asked.times == [0.0]
    gated.detect(Frame(0.2, 2, grey(y=slice(100, 300), x=slice(100, 200), by=50)))
    assert asked.times == [0.0, 0.2]
    gated.attend(Interest())
    gated.detect(Frame(0.3, 3, grey(y=slice(100, 300), x=slice(100, 200), by=50)))
    assert asked.times == [0.0, 0.2, 0.3]


def test_a_picture_of_another_size_is_another_picture(asked, gated):
    gated.detect(Frame(0.0, 0, grey()))
    gated.detect(Frame(0.1, 1, grey(size=(180, 320))))
    assert asked.times == [0.0, 0.1]


def test_on_a_busy_clip_the_gate_changes_nothing():
    catalog = load_catalog(Path("models"))
    entry = catalog.entry()
    plain, inner = (OnnxDetector(entry, catalog.path(entry)) for _ in range(2))
    gated = GatedDetector(inner, Gate())
    capture = cv2.VideoCapture(str(CLIP))
    for index in range(25):
        read, image = capture.read()
        assert read
        frame = Frame(index / 8, index, image)
        np.testing.assert_array_equal(plain.detect(frame).boxes, gated.detect(frame).boxes)
    capture.release()
    assert gated.counts.looked == 25
