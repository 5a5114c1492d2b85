"""A mask that is drawn while the camera runs is in the very next picture that anybody sees."""

from itertools import islice
from pathlib import Path

import pytest

from edge.adapters.camera_channel import Given, Job, Kind, Pace
from edge.adapters.camera_child import CameraProcess
from edge.adapters.camera_clip import ClipSource
from edge.adapters.camera_live import LiveSource
from edge.adapters.camera_paced import PacedSource
from edge.adapters.clock import SystemClock
from edge.vocabulary import Frame

CLIP = Path("tests/data/vtest.mp4").absolute()
LEFT = (((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)),)


def is_black(image):
    """Say whether the left half was made black; to the right of it nothing was."""
    width = image.shape[1]
    assert image[:, width // 2 + 2 :].any()
    return not image[:, : width // 2 - 1].any()


def pictures(source):
    return (item.image for item in source.frames() if isinstance(item, Frame))


@pytest.mark.parametrize("kind", ["clip", "camera"])
def test_every_picture_after_it_has_the_mask_until_it_is_taken_away(kind):
    clock = SystemClock()
    source = (
        ClipSource(CLIP, 20, "max")
        if kind == "clip"
        else LiveSource(str(CLIP), 20, (), clock, kind=Kind.FILE)
    )
    paced = PacedSource(source, 20, monotonic=clock.monotonic, temperature_c=lambda: None)
    seen = pictures(paced)
    try:
        assert not any(is_black(next(seen)) for _ in range(3))
        paced.set_masks(LEFT)
        assert all(is_black(image) for image in islice(seen, 6))
        paced.set_masks(())
        later = [is_black(image) for image in islice(seen, 6)]
        assert not all(later)
        assert later == sorted(later, reverse=True)
    finally:
        paced.close()


def test_a_picture_that_was_handed_over_before_it_is_masked_here():
    child = CameraProcess(Job(Kind.FILE, str(CLIP), 10, (), Pace.HELD, 10.0, 5.0))
    try:
        seen = []
        for number in range(4):
            child.want()
            while not isinstance(child.wait(10.0), Given):
                pass
            if number == 1:
                child.set_masks(LEFT)
            seen.append(is_black(child.take()))
        assert seen == [False, True, True, True]
        assert child._unmasked == 0  # the process has said that it does it itself
    finally:
        child.stop()


def test_another_process_of_the_same_camera_has_it_too():
    source = LiveSource(str(CLIP), 20, (), SystemClock(), kind=Kind.FILE)
    seen = pictures(source)
    try:
        assert not is_black(next(seen))
        source.set_masks(LEFT)
        source._keeper.child.stop()
        assert all(is_black(image) for image in islice(seen, 3))
    finally:
        source.close()


def test_a_picture_that_waits_in_the_process_is_masked_there():
    child = CameraProcess(Job(Kind.FILE, str(CLIP), 1, (), Pace.CLIP, 10.0, 5.0))
    try:
        while child.dropped == 0:  # one that nobody took was replaced by the one that waits
            assert not isinstance(child.wait(0.1), Given)
        child.set_masks(LEFT)
        child.wait(0.1)  # hears that the process does it now
        assert child._unmasked == 0
        child.want()
        while not isinstance(child.wait(10.0), Given):
            pass
        assert is_black(child.take())
    finally:
        child.stop()
