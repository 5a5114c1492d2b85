"""What is kept of a view: few bits, a round trip, the same light or dark, and no people."""

import json

import cv2
import numpy as np
import pytest

from edge.adapters.view_features import look_at
from edge.adapters.view_file import ViewFile
from edge.view_match import displaced, match
from edge.view_signature import Memory, Signature


@pytest.fixture(scope="module")
def pictures():
    capture, taken = cv2.VideoCapture("tests/data/vtest.mp4"), []
    for _ in range(30):
        taken.append(capture.read()[1])
        for _ in range(9):
            capture.grab()
    return taken


def remembered(pictures):
    memory = Memory()
    for picture in pictures:
        memory.learn(look_at(picture))
    return memory.signature()


@pytest.fixture(scope="module")
def view(pictures):
    return remembered(pictures)


def test_the_kept_view_survives_json_and_says_the_same(view, pictures):
    back = Signature.of(json.loads(json.dumps(view.fields())))
    again = Memory(back).signature()
    for kept in (back, again):
        assert (kept.edges == view.edges).all()
        assert (kept.coarse == view.coarse).all()
        assert kept.size == (768, 576)
    look = look_at(pictures[3])
    assert match(back, look, 1.3).edges == pytest.approx(match(view, look, 1.3).edges, abs=0.02)


def test_the_kept_view_is_less_than_a_kilobyte_of_directions(view):
    bits = 2 * view.edges.size * np.log2(9) + 12 * 6 + 2 * 6 + 2 * 12
    assert bits / 8 < 640
    assert len(json.dumps(view.fields())) < 2000


def test_people_who_pass_are_not_in_the_view(view, pictures):
    """The same view learned from other moments, with other people, is nearly the same."""
    first, second = remembered(pictures[:15]), remembered(pictures[15:])
    both = (first.edges > 0) & (second.edges > 0)
    apart = np.abs(first.edges.astype(int) - second.edges)[both]
    assert (np.minimum(apart, 8 - apart) <= 1).mean() > 0.99
    assert both.sum() > 0.85 * max((first.edges > 0).sum(), (second.edges > 0).sum())


def test_half_the_light_changes_little_and_a_knock_changes_much(view, pictures):
    dim = match(view, look_at(cv2.convertScaleAbs(pictures[5], alpha=0.5)), 1.3)
    assert dim.edges > 0.9
    assert dim.soft < 0.05
    knocked = look_at(np.roll(pictures[5], 40, axis=1))
    assert match(view, knocked, 1.3).edges < 0.6
    assert displaced(view, knocked) > 0.6
    assert displaced(view, look_at(pictures[5])) < 0.1


@pytest.mark.parametrize("size", [(96, 64), (640, 360), (1280, 720), (1920, 1080)])
def test_pictures_of_every_size_have_features_of_one_shape(pictures, size):
    look = look_at(cv2.resize(pictures[0], size))
    assert look.size == size
    assert (look.edges.shape, look.coarse.shape) == ((48, 64, 3), (24, 32, 2))
    assert look.detail.shape == (24, 32)
    assert all(np.isfinite(part).all() for part in (look.edges, look.coarse, look.detail))


def test_only_the_same_picture_has_the_same_digest(pictures):
    other = pictures[0].copy()
    other[100:104, 100:104] ^= 8
    assert look_at(pictures[0]).digest == look_at(pictures[0].copy()).digest
    assert look_at(other).digest != look_at(pictures[0]).digest


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: fields.pop("edges"),
        lambda fields: fields.update(edges=fields["edges"][:-1]),
        lambda fields: fields.update(coarse=fields["coarse"][:-1] + "9"),
        lambda fields: fields.update(size=["a", 576]),
        lambda fields: fields.update(sharpness=[1.0]),
        lambda fields: fields.update(sharpness=[float("nan")] * 12),
        lambda fields: fields.update(sharpness=["x"] * 12),
        lambda fields: fields.update(usual=[0.0, 0.7]),
    ],
)
def test_what_is_no_view_is_refused(view, spoil):
    fields = view.fields()
    spoil(fields)
    with pytest.raises(ValueError, match=r"view|sharpness|float"):
        Signature.of(fields)


def test_the_file_is_for_its_owner_and_for_one_camera(view, tmp_path):
    file = ViewFile(tmp_path, "lens-1")
    assert (file.load(), file.is_there()) == (None, False)
    file.save(view)
    file.save(view)
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    found = file.load()
    assert found is not None
    assert (found.edges == view.edges).all()
    assert ViewFile(tmp_path, "lens-2").load() is None
    file.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"v": "1.0", "camera": "lens-1"}', "\xff", "[" * 9999]
)
def test_a_damaged_file_is_no_view_and_is_replaced(view, tmp_path, text):
    (tmp_path / "view.json").write_text(text, "latin-1")
    file = ViewFile(tmp_path, "lens-1")
    assert file.load() is None
    file.save(view)
    assert file.load() is not None


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(view, tmp_path):
    file = ViewFile(tmp_path / "gone", "lens-1")
    file.save(view)
    assert not file.is_there()
