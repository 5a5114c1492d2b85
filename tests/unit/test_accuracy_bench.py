"""The pure parts of `scripts/bench accuracy`. The peers are not needed, nor is ../shared."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.config_drawings import LineSection
from edge.scoring import Truth
from edge.vocabulary import Crossing, Detections, Line, Outcome

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from accuracy import (
    clips,
    degrade,
    detections,
    line_choice,
    ours,
    peers,
    report,
    rows,
    tuning,
)

ASPECT = 4 / 3
LINE = Line("door", ((0.5, 0.0), (0.5, 1.0)), -1)


def people(count=200, frames=1):
    rng = np.random.default_rng(1)
    low = rng.uniform(0.1, 0.7, (count, 2))
    boxes = np.concatenate([low, np.add(low, (0.1, 0.2))], axis=1).astype(np.float32)
    return [clips.Labels(np.arange(count, dtype=np.float32), boxes)] * frames


def walk(y=0.6, steps=40, person=1.0, turned=False):
    """One person across the picture, 10 frames a second."""
    xs = np.linspace(0.1, 0.9, steps)[:: -1 if turned else 1]
    return [
        clips.Labels(
            np.array([person], np.float32),
            np.array([[x - 0.03, y - 0.3, x + 0.03, y]], np.float32),
        )
        for x in xs
    ]


def seen(labels):
    return [
        detections.Sample(
            i / 10, Detections(frame.boxes, np.full(len(frame.ids), 0.9, np.float32), ASPECT)
        )
        for i, frame in enumerate(labels)
    ]


def footage(labels, truth=(), lines=(LINE,)):
    return detections.Footage(
        "a clip", "labels", 10.0, (640, 480), lines, Truth(tuple(truth)), seen(labels), 0.5
    )


def spoiled(harm, frames, seed="a"):
    return degrade.degrade(frames, 10.0, ASPECT, degrade.HARMS[harm], seed)


@pytest.mark.parametrize("harm", degrade.HARMS)
def test_a_harm_is_the_same_for_the_same_seed_and_another_for_another(harm):
    frames = people(frames=3)
    first, again, other = (spoiled(harm, frames, seed) for seed in ("a", "a", "b"))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.boxes, two.boxes)
        assert np.array_equal(one.scores, two.scores)
    assert any(
        len(one) != len(two) or not np.array_equal(one.boxes, two.boxes)
        for one, two in zip(first, other, strict=True)
    )


@pytest.mark.parametrize("share", [10, 20, 30, 40])
def test_misses_are_as_many_as_the_name_says(share):
    kept = np.mean([len(d) for d in spoiled(f"miss{share}", people(frames=50))])
    assert kept / 200 == pytest.approx(1 - share / 100, abs=0.02)


def test_bursts_miss_a_fifth_in_runs_of_half_a_second():
    boxes = [len(d) > 0 for d in spoiled("burst20", people(count=1, frames=20_000))]
    gone = np.flatnonzero(~np.array(boxes))
    runs = 1 + np.count_nonzero(np.diff(gone) > 1)
    assert len(gone) / 20_000 == pytest.approx(0.2, abs=0.02)
    assert len(gone) / runs / 10.0 == pytest.approx(0.5, abs=0.05)


def test_jitter_moves_every_side_by_a_share_of_the_box():
    frames = people(frames=20)
    found = spoiled("jitter10", frames)
    moved = np.concatenate([d.boxes - f.boxes for d, f in zip(found, frames, strict=True)])
    assert np.std(moved, axis=0) / (0.1, 0.2, 0.1, 0.2) == pytest.approx([0.1] * 4, rel=0.1)


def test_false_boxes_are_one_a_frame_and_nobody_is_missing():
    found = [len(d) for d in spoiled("false", people(count=10, frames=3000))]
    assert min(found) >= 10
    assert np.mean(found) - 10 == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("fps", [10.0, 5.0, 3.0])
def test_the_frames_nearest_to_the_ticks_are_used(fps):
    used = detections.chosen_frames(300, 25.0, fps)
    assert len(used) == round(300 / 25 * fps)
    for tick, frame in enumerate(used):
        assert abs(frame / 25 - tick / fps) <= 0.5 / 25 + 1e-9


def test_a_higher_rate_than_the_clip_has_uses_every_frame():
    assert detections.chosen_frames(5, 10.0, 25.0) == [0, 1, 2, 3, 4]


def test_lines_are_the_same_every_time_and_lie_across_the_way():
    frames = walk()
    for extra in (walk(0.7, person=2.0), walk(0.8, person=3.0, turned=True)):
        frames = [
            clips.Labels(np.concatenate([a.ids, b.ids]), np.concatenate([a.boxes, b.boxes]))
            for a, b in zip(frames, extra, strict=True)
        ]
    first, again = (line_choice.choose(frames, 10.0, ASPECT, lambda _: 3) for _ in range(2))
    assert first == again
    assert [line["id"] for line in first] == ["main-20", "main-40", "main-60", "main-80"]
    for line in first:
        (x0, y0), (x1, y1) = line["points"]
        assert x0 == pytest.approx(x1, abs=0.01)
        assert min(y0, y1) < 0.6
        assert max(y0, y1) > 0.8
        assert LineSection.model_validate(line).line().id == line["id"]


def test_lines_that_hardly_anybody_passes_are_dropped():
    fewer = line_choice.FEWEST - 1
    assert line_choice.choose(walk(), 10.0, ASPECT, lambda _: fewer) == []


def test_the_committed_lines_can_be_read():
    text = clips.LINES.read_text(encoding="utf-8")
    for clip in ("TUD-Campus", "TUD-Stadtmitte", "MOT17-02", "MOT17-09", "auditorium-IP5"):
        assert f"\n{clip}:\n" in text
        known = clips.Clip(clip, 25.0, (640, 480), Path("nowhere"))
        assert 2 <= len(clips.lines_of(known)) <= 8


def test_rows_add_up():
    truth = [Crossing("door", Outcome.IN, 1.0), Crossing("door", Outcome.OUT, 5.0)]
    counted = [Crossing("door", Outcome.IN, 1.5), Crossing("door", Outcome.IN, 9.0)]
    (row,) = rows.rows_of(footage(walk(), truth), "ours", counted)
    assert row["in"] + row["out"] == 2
    assert row["true_in"] + row["true_out"] - row["misses"] == 1
    assert row["in"] + row["out"] - row["false_counts"] == 1
    both = rows.totals([row, row])
    assert (both.true, both.counted, both.misses, both.false_counts) == (4, 4, 2, 2)
    assert both.count_error == pytest.approx(1.0)
    assert both.f1 == pytest.approx(0.5)


def test_rows_have_the_promised_fields_and_are_json():
    (row,) = rows.rows_of(footage(walk()), "ours", [])
    assert list(json.loads(json.dumps(row))) == [
        "clip",
        "line",
        "fps",
        "system",
        "detections",
        "in",
        "out",
        "true_in",
        "true_out",
        "misses",
        "false_counts",
    ]


def test_errors_of_two_directions_do_not_cancel():
    truth = [Crossing("door", Outcome.IN, 1.0)]
    (row,) = rows.rows_of(footage(walk(), truth), "x", [Crossing("door", Outcome.OUT, 1.0)])
    assert rows.totals([row]).count_error == pytest.approx(2.0)


def test_the_summary_takes_median_and_worst_over_clips():
    def made(clip, misses):
        row = {"clip": clip, "detections": "d", "fps": 10.0, "system": "s", "line": "l"}
        counts = {"in": 10 - misses, "out": 0, "true_in": 10, "true_out": 0}
        return {**row, **counts, "misses": misses, "false_counts": 0}

    (found,) = rows.summarise([made("a", 0), made("b", 1), made("c", 5)])
    assert found.median_error == pytest.approx(0.1)
    assert found.worst_error == pytest.approx(0.5)
    assert found.worst_clip == "c, d"
    assert found.pooled == (30, 6, 0)
    assert report.summary_table([found], "t").row_count == 1


def test_ours_counts_a_walk_over_the_line():
    (crossing,) = ours.count(footage(walk()))
    assert crossing.outcome is Outcome.IN
    assert crossing.at == pytest.approx(2.0, abs=0.11)


def test_overlap_of_boxes():
    a = np.array([[0.0, 0.0, 0.2, 0.2]], np.float32)
    b = np.array([[0.1, 0.0, 0.3, 0.2], [0.5, 0.5, 0.6, 0.6]], np.float32)
    assert detections.iou(a, b)[0] == pytest.approx([1 / 3, 0.0])


def tracked(points, person=1):
    """A tracker's answers whose box has its centre and its bottom centre on x."""
    return [
        peers.Tracked(
            i / 10,
            np.array([[640 * x - 20, 100.0, 640 * x + 20, 200.0]]),
            np.array([person], np.int64),
        )
        for i, x in enumerate(points)
    ]


def counted_by(rule, points):
    peer = peers.Peer("p", "none", rule, {"anchor": "centre"})
    return peers.count(peer, peer.defaults, footage(walk()), tracked(points))


def test_the_once_per_id_rule_loses_the_way_back():
    there_and_back = (0.4, 0.6, 0.4)
    once, both = (counted_by(rule, there_and_back) for rule in ("once-per-id", "centroid"))
    assert [c.outcome for c in once] == [Outcome.IN]
    assert [c.outcome for c in both] == [Outcome.IN, Outcome.OUT]


def test_every_value_that_is_tuned_has_a_default():
    for peer in peers.PEERS:
        for changes in tuning.candidates(peer):
            for change in changes:
                assert set(change) <= set(peer.defaults)


@pytest.mark.skipif(not peers.installed(), reason="the peers are not installed, see the bench")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("entry", [1, -1])
@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_a_peer_counts_a_walk_in_the_same_direction_as_ours(peer, entry):
    clip = footage(walk(steps=60), lines=[Line("door", LINE.points, entry)])
    (own,) = ours.count(clip)
    (theirs,) = peers.count(peer, peer.defaults, clip)
    assert theirs.outcome is own.outcome
