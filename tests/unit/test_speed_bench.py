"""The parts of `scripts/bench speed`. The peers are not needed, except where it says so."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from speed import capacity, clips, job, library, made_clips, meter, report, rows, stages

from edge.adapters.camera_opencv import ClipSource

PLAIN = clips.SpeedClip("a clip", "nowhere.mp4", 10.0, (64, 48))
SMALL = made_clips.Look((64, 36), (0.125, 0.875), 10.0, 2.0, made_clips.CAMERA)
PEERS = all(importlib.util.find_spec(name) for name in ("trackers", "supervision"))


def write_clip(path, pictures, fps=10.0):
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def walkers(count, size=(48, 64)):
    """A grey place that a white block goes through."""
    found = []
    for i in range(count):
        picture = np.full((*size, 3), 90, np.uint8)
        picture[10:30, 2 * i % 50 : 2 * i % 50 + 8] = 255
        found.append(picture)
    return found


def first_seconds(folder, pictures):
    """Return the beginning of the bundled clip as a clip of the bench."""
    every = made_clips.read(clips.BUNDLED)
    path = write_clip(folder / "short.mp4", [next(every) for _ in range(pictures)])
    return clips.SpeedClip("short", str(path), 10.0, (768, 576))


def answer(cpu_s, wall_s=2.0, counted=(), pictures=100):
    return {
        "pictures": pictures,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "rss_mb": 50.0 + cpu_s,
        "start_cpu_s": 0.5,
        "stages": {"decode": {"p50": cpu_s, "p95": 2.0, "mean": 1.0, "calls": 100}},
        "counted": [list(c) for c in counted],
        "versions": {"python": "3"},
    }


def spent(ms, clip="a clip", system="ours"):
    row = rows.row_of(replace(PLAIN, name=clip, empty=True), system, [answer(ms / 10)])
    return {**row, "cpu_ms_per_camera_second": ms}


def test_the_place_is_the_median_and_the_noise_what_is_left():
    rng = np.random.default_rng(3)
    still = np.stack(walkers(25)).astype(np.float32)
    noisy = still + rng.normal(0.0, 4.0, (*still.shape[:3], 1))
    place, sigma = made_clips.background(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))
    assert np.abs(place.astype(int) - 90).mean() < 2
    assert sigma == pytest.approx(4.0, rel=0.3)


def test_noise_is_as_strong_as_wanted_and_the_same_every_time():
    grey = np.full((60, 80, 3), 120, np.uint8)
    first, again = (list(made_clips.with_noise([grey, grey], 3.0)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert np.std(first[0].astype(float) - 120) == pytest.approx(3.0, rel=0.1)
    assert np.mean(first[0].astype(float) - 120) == pytest.approx(0.0, abs=0.2)


def test_pictures_are_held_to_the_higher_rate():
    shown = [int(p[0, 0, 0]) for p in made_clips.at_rate(numbered(8), 10.0, 25.0, 11)]
    assert shown == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4]
    assert [int(p[0, 0, 0]) for p in made_clips.at_rate(numbered(3), 10.0, 10.0, 99)] == [0, 1, 2]


def numbered(count):
    return [np.full((2, 2, 3), i, np.uint8) for i in range(count)]


def test_an_empty_lobby_has_nobody_in_it_and_is_made_once(tmp_path):
    original = write_clip(tmp_path / "original.mp4", walkers(80))
    made = made_clips.make_empty(original, tmp_path / "made", "empty", SMALL)
    pictures = list(made_clips.read(made))
    assert len(pictures) == SMALL.pictures == 20
    assert {p.shape for p in pictures} == {(36, 64, 3)}
    assert max(int(p.max()) for p in pictures) < 140  # the block is white
    before = made.stat().st_mtime_ns
    assert made_clips.make_empty(original, tmp_path / "made", "empty", SMALL) == made
    assert made.stat().st_mtime_ns == before


def test_a_busy_camera_shows_the_block_at_the_higher_rate(tmp_path):
    original = write_clip(tmp_path / "original.mp4", walkers(30))
    look = replace(SMALL, fps=25.0, seconds=2.0)
    pictures = list(made_clips.read(made_clips.make_busy(original, tmp_path, "busy", look)))
    assert len(pictures) == 50
    assert all(p.max() > 200 for p in pictures)


def test_lines_and_truth_of_the_16_to_9_part_are_those_of_the_whole():
    whole = replace(PLAIN, size=(768, 576))
    wide = replace(whole, size=(1280, 720), rows=clips.WIDE)
    for one, part in zip(whole.lines(), wide.lines(), strict=True):
        assert one.entry == part.entry
        for (x, y), (px, py) in zip(one.points, part.points, strict=True):
            assert px == x
            assert 0 <= py <= 1
            assert py * 0.75 + 0.125 == pytest.approx(y)
    assert wide.truth() == whole.truth()
    assert len(whole.truth().certain) == 211
    assert clips.SpeedClip.from_json(json.loads(json.dumps(wide.as_json()))) == wide


def test_the_truth_ends_with_a_cut_clip_and_is_nothing_where_nobody_is():
    camera = replace(PLAIN, fps=clips.CAMERA_FPS)
    assert 0 < len(camera.truth().certain) < 211
    assert max(c.at for c in camera.truth().certain) <= clips.CAMERA_S
    assert replace(PLAIN, empty=True).truth().certain == ()


@pytest.mark.parametrize(("clip_fps", "fps"), [(25.0, 8.0), (10.0, 10.0), (10.0, 8.0)])
def test_the_peers_look_at_the_pictures_that_the_product_looks_at(tmp_path, clip_fps, fps):
    path = write_clip(tmp_path / "clip.mp4", walkers(60), clip_fps)
    source = ClipSource(path, fps, speed="max")
    ours = [frame.index for frame in source.frames()]
    assert job.used_frames(60, clip_fps, fps) == ours


def test_a_job_survives_its_way_to_the_worker():
    asked = job.Job("ours", PLAIN, 8.0, 2, (0, 1), "net", "boxes.npz")
    assert job.Job.from_text(asked.to_text()) == asked


BURN = """
import sys, time
sum(i * i for i in range(8_000_000))
print(time.process_time(), flush=True)
sys.stdin.read()
"""


def test_processor_time_of_children_is_counted_as_it_is_used():
    watched = meter.Meter()
    watched.tick(meter.WARM_UP - 1)
    others_s = watched.total_s() - time.process_time()  # a database of other tests may be running
    with subprocess.Popen(
        [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        watched.look()
        used_s = float(child.stdout.readline())
        watched.tick(meter.WARM_UP)
        assert sum(watched.children_ms) / 1000 == pytest.approx(used_s, rel=0.1, abs=0.02)
        watched.look()
        assert watched.rss_mb > meter.peak_rss_kib(os.getpid()) / 1024 + 5
        child.stdin.close()
    gone_s = watched.total_s() - time.process_time() - others_s
    assert gone_s == pytest.approx(used_s, rel=0.2, abs=0.05)


def test_what_is_used_before_the_measurement_is_kept_apart():
    watched = meter.Meter()
    began_s = time.process_time()
    assert [watched.tick(i) for i in range(meter.WARM_UP)] == [False] * 9 + [True]
    assert watched.start_cpu_s >= began_s
    assert (watched.pictures, watched.cpu_s) == (0, 0.0)
    watched.tick(meter.WARM_UP + 4)
    assert watched.pictures == 5
    assert 0 < watched.cpu_s < 1


def test_a_stopwatch_times_methods_and_forgets_the_warm_up():
    class Worker:
        def work(self, n):
            return sum(range(n))

    watch = stages.Stopwatch()
    watch.wrap(Worker, "work", "inference")
    assert Worker().work(10) == 45
    watch.clear()
    for _ in range(3):
        Worker().work(200_000)
    watch.note("decode", 0.002)
    found = watch.quantiles()
    assert list(found) == ["decode", "inference"]
    assert found["inference"]["calls"] == 3
    assert 0 < found["inference"]["p50"] <= found["inference"]["p95"]
    assert found["decode"]["p50"] == 2.0


def test_a_row_has_the_median_of_the_repeats_and_their_spread():
    row = rows.row_of(PLAIN, "ours", [answer(3.0), answer(1.0), answer(2.0, 4.0)])
    assert row["cpu_ms_per_frame"] == 20.0
    assert row["spread"]["cpu_ms_per_frame"] == [10.0, 30.0]
    assert row["wall_ms_per_frame"] == 20.0
    assert row["fps"] == 50.0
    assert row["rss_mb"] == 52.0
    assert row["cpu_ms_per_camera_second"] == 200.0
    assert row["stages"]["decode"]["p50"] == 2.0  # those of the median run
    assert list(row)[:7] == [
        "clip", "system", "cpu_ms_per_frame", "wall_ms_per_frame", "fps", "rss_mb", "event_f1",
    ]  # fmt: skip
    json.dumps(row)


def test_event_f1_is_that_of_the_truth_and_none_where_nobody_is():
    true = [(c.line, str(c.outcome), c.at) for c in PLAIN.truth().certain]
    assert rows.row_of(PLAIN, "x", [answer(1.0, counted=true)])["event_f1"] == 1.0
    half = rows.row_of(PLAIN, "x", [answer(1.0, counted=true[::2])])["event_f1"]
    assert half == pytest.approx(2 * 106 / (211 + 106), abs=1e-3)
    empty = rows.row_of(replace(PLAIN, empty=True), "x", [answer(1.0, counted=true[:2])])
    assert (empty["event_f1"], empty["counted"]) == (None, 2)


def test_tables_say_how_much_dearer_the_others_are():
    found = [spent(100.0), spent(450.0, system="library-fp32"), spent(7.0, "b", "library-fp32")]
    body = report.per_frame_cells(found)[1:]
    assert [row[4] for row in body] == ["", "4.5", ""]
    assert {len(row) for row in report.per_frame_cells(found)} == {10}
    text = report.markdown(report.per_frame_cells(found)).splitlines()
    assert text[1].startswith("| --- | --- | ---:")
    assert "**a clip**" in text[2]
    assert "**" not in text[3]
    assert report.table(report.stage_cells(found), "t").row_count == 3


@pytest.mark.parametrize(
    ("clip", "ms", "told"),
    [
        ("camera-busy-720p", 200.0, "≤ 200: met"),
        ("camera-busy-720p", 201.0, "≤ 200: missed"),
        ("camera-empty-720p", 76.0, "≤ 75: missed"),
        ("camera-busy-360p", 10.0, ""),
    ],
)
def test_the_goal_is_said_to_be_met_or_missed(clip, ms, told):
    (_, row) = report.camera_cells([spent(ms, clip)])
    assert row[5] == told
    assert row[6] == str(int(2000 // ms))


def test_figures_go_between_their_marks_and_the_prose_stays(tmp_path):
    path = tmp_path / "speed.md"
    path.write_text("# Speed\n\nProse.\n", encoding="utf-8")
    report.write(path, "one")
    report.write(path, "other", " --camera-second")
    path.write_text(path.read_text(encoding="utf-8") + "\nThe end.\n", encoding="utf-8")
    report.write(path, "two")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Speed\n\nProse.\n\n<!-- figures")
    assert text.endswith("\nThe end.\n")
    assert "one" not in text
    assert text.index("two") < text.index("other")
    assert text.count("end of figures") == 2


def test_what_many_cameras_did_adds_up():
    held = capacity.Held(cameras=4, seconds=10.0, used=316, dropped=4, cpu_s=15.0)
    assert held.as_row() == {
        "cameras": 4,
        "seconds": 10.0,
        "used_per_second": 7.9,
        "dropped_share": 0.0125,
        "cores_busy": 1.5,
    }


def test_the_product_is_measured_in_a_process_of_its_own(tmp_path):
    clip = first_seconds(tmp_path, 25)
    core = min(os.sched_getaffinity(0))
    found = job.run(job.Job("ours", clip, clip.fps, 1, (core,)))
    assert found["pictures"] == 25 - meter.WARM_UP
    assert found["cpu_s"] > 0
    assert found["wall_s"] > 0
    assert found["rss_mb"] > 50
    assert found["start_cpu_s"] > 0.1
    assert {"decode", "inference", "track", "count"} <= set(found["stages"])
    assert found["stages"]["decode"]["mean"] > 0
    assert "onnxruntime" in found["versions"]


def test_a_worker_that_fails_says_why(tmp_path):
    lost = replace(PLAIN, path=str(tmp_path / "lost.mp4"))
    with pytest.raises(job.JobFailedError, match=r"ours on a clip: .*lost\.mp4"):
        job.run(job.Job("ours", lost, 10.0, 1, (0,)))


def test_two_cameras_are_really_run(tmp_path):
    clip = first_seconds(tmp_path, 20)
    cores = tuple(os.sched_getaffinity(0))
    held = capacity.hold(job.Job("ours", clip, 5.0, 1, cores), 2, 1.0)
    assert held.used > 0
    assert held.cpu_s > 0
    assert 0 < held.used_per_second < 8


@pytest.mark.skipif(not PEERS, reason="the peers are not installed, see scripts/bench speed")
def test_the_library_counts_the_clip_too(tmp_path):
    net = library.network()
    if net is None:
        pytest.skip(f"no fp32 network; {library.HOW_TO_GET}")
    clip = first_seconds(tmp_path, 25)
    found = job.run(job.Job("library-fp32", clip, 10.0, 1, (0,), net.name))
    assert found["pictures"] == 25 - meter.WARM_UP
    assert set(stages.STAGES) <= set(found["stages"])


def test_the_letterbox_of_the_library_can_be_undone():
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[180:, :] = 200
    tensor, scale = library.letterboxed(picture, planes=False)
    assert tensor.shape == (1, 416, 416, 3)
    assert scale == pytest.approx(0.65)
    assert tensor[0, 200, 0, 0] == 200
    assert tensor[0, 300, 0, 0] == 114
    planes, _ = library.letterboxed(picture, planes=True)
    assert (planes.shape, planes.dtype) == ((1, 3, 416, 416), np.float32)
