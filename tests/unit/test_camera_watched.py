"""Frames with the view watch's reason: which wins, what is logged, and how a view is confirmed."""

import json
from functools import partial

import cv2
import numpy as np
import pytest
import structlog

from edge.adapters.camera_watched import WatchedView
from edge.adapters.view_features import masked_share
from edge.adapters.view_file import ViewFile
from edge.assembly import watched_view
from edge.config import Config
from edge.view_verdict import ViewSettings
from edge.vocabulary import CoverageReason, Frame, NoFrame

QUICK = ViewSettings(learn_s=5.0)
STEP_S = 0.125
OVERLOAD, COVERED, MOVED = CoverageReason.OVERLOAD, CoverageReason.COVERED, CoverageReason.MOVED


@pytest.fixture(scope="module")
def picture():
    return cv2.VideoCapture("tests/data/vtest.mp4").read()[1]


def noisy(picture, number):
    """Return the picture as the next one of a camera."""
    return cv2.add(picture, (number % 3, number % 3, number % 3, 0))


class Camera:
    """Frames at 8 a second through a watched view; time goes on over several calls."""

    def __init__(self, view):
        self.view, self.number = view, 0

    def show(self, picture, seconds, reason=None):
        count = round(seconds / STEP_S)
        frames = (
            Frame(k * STEP_S, k, noisy(picture, k), reason)
            for k in range(self.number, self.number + count)
        )
        self.number += count
        return [item.reason for item in self.view.frames(frames)]

    def lost(self, seconds):
        count = round(seconds / STEP_S)
        items = [
            NoFrame(k * STEP_S, CoverageReason.NO_CAMERA)
            for k in range(self.number, self.number + count)
        ]
        self.number += count
        return [item.reason for item in self.view.frames(items)]


def reasons(found):
    """Return the reasons in order, each once while it lasts."""
    return [r for k, r in enumerate(found) if k == 0 or r is not found[k - 1]]


@pytest.fixture
def camera(tmp_path, picture):
    camera = Camera(WatchedView(ViewFile(tmp_path, "lens"), QUICK))
    assert reasons(camera.show(picture, 8)) == [None]
    return camera


def test_a_covered_lens_is_said_once_on_frames_and_in_the_log(camera, picture):
    grey = np.full_like(picture, 120)
    with structlog.testing.capture_logs() as logs:
        assert reasons(camera.show(grey, 30)) == [None, COVERED]
        assert reasons(camera.show(picture, 30)) == [COVERED, None]
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("view.covered.begins", "warning"),
        ("view.covered.ends", "info"),
    ]


def test_the_view_is_worse_than_overload_and_no_picture_is_its_own_reason(camera, picture):
    assert reasons(camera.show(picture, 1, OVERLOAD)) == [OVERLOAD]
    grey = np.full_like(picture, 120)
    assert reasons(camera.show(grey, 30, OVERLOAD)) == [OVERLOAD, COVERED]
    assert reasons(camera.lost(2)) == [CoverageReason.NO_CAMERA]
    assert reasons(camera.show(grey, 1)) == [COVERED]
    assert reasons(camera.show(picture, 30, OVERLOAD)) == [COVERED, OVERLOAD]


def test_pictures_pass_as_they_are(camera, picture):
    frame = Frame(camera.number * STEP_S, 1, noisy(picture, 1))
    (passed,) = camera.view.frames([frame])
    assert passed is frame


def test_a_view_moved_while_the_power_was_off_is_said_until_it_is_confirmed(
    tmp_path, camera, picture
):
    kept = json.loads((tmp_path / "view.json").read_text("utf-8"))
    assert set(kept) == {"v", "camera", "size", "edges", "coarse", "sharpness", "usual"}
    moved = np.roll(picture, 60, axis=1)
    again = Camera(WatchedView(ViewFile(tmp_path, "lens"), QUICK))
    assert reasons(again.show(moved, 60)) == [None, MOVED]
    with structlog.testing.capture_logs() as logs:
        again.view.confirm()
        assert reasons(again.show(moved, 40)) == [None]
    told = [line["event"] for line in logs]
    assert told == ["view.moved.ends", "view.confirmed", "view.learned"]
    third = Camera(WatchedView(ViewFile(tmp_path, "lens"), QUICK))
    assert reasons(third.show(moved, 40)) == [None]
    assert reasons(third.show(picture, 40)) == [None, MOVED]


def test_removing_the_file_confirms_too(tmp_path, camera, picture):
    moved = np.roll(picture, 60, axis=1)
    assert reasons(camera.show(moved, 40)) == [None, MOVED]
    (tmp_path / "view.json").unlink()
    assert reasons(camera.show(moved, 40)) == [MOVED, None]
    assert (tmp_path / "view.json").exists()


def test_another_camera_begins_with_nothing_and_so_does_another_mask(tmp_path, picture):
    given = {
        "device": {"tenant": "t", "id": "d"},
        "camera": {"source": "/dev/video0"},
        "lines": [{"id": "door", "points": [[0.2, 0.5], [0.8, 0.5]], "in": "down"}],
        "records": {"data_dir": tmp_path},
        "mqtt": {"host": "127.0.0.1", "port": 1, "insecure_lab": True},
    }
    build = partial(watched_view, live=True)
    first = Config.model_validate(given)
    assert reasons(Camera(build(first)).show(picture, 70)) == [None]
    assert (tmp_path / "view.json").exists()
    moved = np.roll(picture, 60, axis=1)
    assert MOVED in reasons(Camera(build(first)).show(moved, 40))
    for change in ({"source": "/dev/video1"}, {"masks": [[[0, 0], [0.1, 0], [0.1, 0.1]]]}):
        other = Config.model_validate({**given, "camera": {**given["camera"], **change}})
        assert reasons(Camera(build(other)).show(moved, 40)) == [None]
    off = Config.model_validate({**given, "camera": {**given["camera"], "watch": False}})
    assert build(off) is None
    assert off.hash() == first.hash(), "nothing is counted otherwise"


def test_masks_drawn_while_it_runs_are_no_other_view(tmp_path, camera, picture):
    masked = picture.copy()
    masked[:, : masked.shape[1] * 9 // 10] = 0
    untold = Camera(WatchedView(ViewFile(tmp_path, "lens"), QUICK))
    assert reasons(untold.show(masked, 40)) != [None], "a mask looks like another view"
    camera.view.look_anew(ViewFile(tmp_path, "masked lens"), masked=0.9)
    assert reasons(camera.show(masked, 40)) == [None]
    again = Camera(WatchedView(ViewFile(tmp_path, "masked lens"), QUICK, masked=0.9))
    assert reasons(again.show(masked, 40)) == [None]
    assert reasons(again.show(picture, 40)) != [None], "what it knows is the masked view"
    assert reasons(again.show(masked // 16, 40))[-1] is CoverageReason.DARK


def test_the_share_under_masks_counts_what_they_share_once():
    half, corner = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], [[0, 0], [0.25, 0], [0.25, 1], [0, 1]]
    assert masked_share([]) == 0
    assert masked_share([half, corner]) == pytest.approx(0.5, abs=0.01)
