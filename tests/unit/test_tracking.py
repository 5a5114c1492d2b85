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


@pytest.mark.parametrize("fps", [25, 10, 5, 3, 1])
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


def keep_their_ids(settings):
    """Two come from 0.3 to either side, faster and faster, and pass at 5 pictures a second."""
    tracker, starts = Tracker(settings), []
    for k in range(10):
        away = 0.3 - 0.2 * k / 5 - 0.3 * (k / 5) ** 2
        people = frame((0.5 - away / ASPECT, 0.6), (0.5 + away / ASPECT, 0.62))
        live = tracker.update(people, k / 5).live
        starts.append([t.id for t in sorted(live, key=lambda t: t.box[3])])
    return starts[0] == starts[-1]


def test_who_speeds_up_when_two_meet_is_known_by_the_heading():
    assert keep_their_ids(TrackerSettings())
    assert not keep_their_ids(TrackerSettings(heading_worth=0.0))


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


def hidden_after_a_walk(*found, height=0.2):
    """Walk right at 1.25 heights a second, vanish for 1.2 s; whether that is the same one then."""
    tracker = Tracker()
    for k in range(11):
        before = ids(tracker.update(frame((0.2 + 0.25 * k / 10 / ASPECT, 0.6)), k / 10))
    for k in range(11, 22):
        tracker.update(frame(), k / 10)
    return ids(tracker.update(frame(*found, height=height), 2.2)) == before


WALKED, EXPECTED = 0.2 + 0.25 / ASPECT, 0.2 + 0.55 / ASPECT


def test_who_stopped_while_hidden_is_found_where_last_seen():
    assert hidden_after_a_walk((WALKED, 0.6))


def test_who_strayed_while_hidden_is_found_near_where_expected():
    assert hidden_after_a_walk((EXPECTED, 0.6 + 1.02 * 0.2))


def test_somebody_much_smaller_beside_is_somebody_else():
    beside = (WALKED - 0.6 * 0.2 / ASPECT, 0.6)
    assert hidden_after_a_walk(beside)
    assert not hidden_after_a_walk(beside, height=0.2 / 1.6)


def test_the_box_of_a_track_is_mostly_what_was_detected():
    seen = {}
    for share in (0.0, 0.75, 1.0):
        tracker = Tracker(TrackerSettings(detected_share=share))
        for k in range(8):
            (track,) = tracker.update(frame((0.5, 0.5 if k < 7 else 0.52)), k / 10).live
        seen[share] = track.box[3]
    assert seen[1.0] == pytest.approx(0.52, abs=1e-6)
    assert seen[0.75] == pytest.approx(0.25 * seen[0.0] + 0.75 * 0.52, abs=1e-6)
    assert seen[0.0] < 0.516


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
