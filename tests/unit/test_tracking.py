import numpy as np
import pytest

from edge.tracking import Tracker, TrackerSettings
from edge.vocabulary import Detections

ASPECT = 16 / 9


def frame(*people: tuple[float, float], score: float = 0.9, height: float = 0.2) -> Detections:
    """Boxes with feet at (x, y) and the given score."""
    half = height * 0.4 / 2 / ASPECT
    boxes = np.array([(x - half, y - height, x + half, y) for x, y in people], np.float32)
    return Detections(boxes.reshape(-1, 4), np.full(len(people), score, np.float32), ASPECT)


def ids(tracks):
    return [t.id for t in tracks.live if t.observed]


@pytest.mark.parametrize("fps", [25, 10, 5, 3])
def test_one_walker_keeps_one_id_at_any_frame_rate(fps):
    tracker = Tracker()
    seen = set()
    for k in range(4 * fps):
        # 1.4 m/s at 1.7 m tall is about 0.8 person-heights a second.
        seen |= set(ids(tracker.update(frame((0.2 + 0.1 * k / fps, 0.6)), k / fps)))
    assert len(seen) == 1


def test_two_who_pass_each_other_keep_their_ids():
    tracker = Tracker()
    first = last = None
    for k in range(41):
        x = 0.2 + 0.015 * k
        tracks = tracker.update(frame((x, 0.6), (1.0 - x, 0.66)), k / 10)
        by_height = {round(t.box[3], 1): t.id for t in tracks.live}
        first = first or by_height
        last = by_height
    assert last == first
    assert len(last) == 2


def test_a_weak_detection_keeps_a_track_but_begins_none():
    tracker = Tracker()
    assert ids(tracker.update(frame((0.5, 0.5), score=0.2), 0.0)) == []
    born = ids(tracker.update(frame((0.5, 0.5), score=0.8), 0.1))
    assert ids(tracker.update(frame((0.5, 0.5), score=0.2), 0.2)) == born


def test_a_walker_hidden_for_a_second_is_found_again():
    tracker = Tracker()
    before = set()
    for k in range(10):
        before |= set(ids(tracker.update(frame((0.2 + 0.01 * k, 0.6)), k / 10)))
    for k in range(10, 19):
        tracker.update(frame(), k / 10)
    assert set(ids(tracker.update(frame((0.2 + 0.01 * 19, 0.6)), 1.9))) == before


def test_a_lost_track_ends_once_and_leaves_nothing():
    tracker = Tracker(TrackerSettings(lost_s=1.0))
    (born,) = {t.id for k in range(8) for t in tracker.update(frame((0.5, 0.5)), k / 10).live}
    ended = [i for k in range(8, 30) for i in tracker.update(frame(), k / 10).ended]
    assert ended == [born]
    assert len(tracker) == 0


def test_two_boxes_on_one_person_make_one_track():
    tracker = Tracker()
    for k in range(10):
        tracks = tracker.update(frame((0.5, 0.5), (0.502, 0.505)), k / 10)
    assert len(tracks.live) == 1


def test_frames_out_of_order_are_refused():
    tracker = Tracker()
    tracker.update(frame(), 1.0)
    with pytest.raises(ValueError, match="come in order"):
        tracker.update(frame(), 1.0)


def test_boxes_come_back_where_they_were_put():
    tracks = Tracker().update(frame((0.3, 0.7)), 0.0)
    half = 0.2 * 0.4 / 2 / ASPECT
    assert tracks.live[0].box == pytest.approx((0.3 - half, 0.5, 0.3 + half, 0.7), abs=1e-6)


def test_a_track_that_never_proved_itself_is_forgotten_sooner():
    settings = TrackerSettings(lost_s=2.0, unproven_lost_s=0.4)
    tracker = Tracker(settings)
    tracker.update(frame((0.5, 0.5)), 0.0)
    assert len(tracker.update(frame(), 0.3).live) == 1
    assert len(tracker.update(frame(), 0.5).live) == 0
