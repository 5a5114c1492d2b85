"""Real clips through the real camera process, and what happens when it dies or hangs."""

import contextlib
import gc
import hashlib
import itertools
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import structlog

from edge.adapters.camera_channel import Job, Pace
from edge.adapters.camera_opencv import ClipSource, Kind, LiveSource, Patience
from edge.adapters.camera_process import open_capture
from edge.adapters.clock import SystemClock
from edge.errors import CameraError
from edge.testing import ManualClock
from edge.vocabulary import CoverageReason, Frame, NoFrame

CLIP = Path(__file__).parent.parent / "data" / "vtest.mp4"
SHORT = Patience(open_s=2.0, read_s=1.0, stall_s=1.0)
WAIT_S = 10.0
TRIES = 100


def print_of(frame: Frame) -> tuple[float, int, str]:
    return frame.at, frame.index, hashlib.md5(frame.image).hexdigest()


def live(fps: float = 10.0) -> LiveSource:
    clock = SystemClock()
    return LiveSource(str(CLIP), fps, (), clock, patience=SHORT, kind=Kind.FILE)


def pid_of(source: ClipSource | LiveSource) -> int:
    assert source.child_pid is not None
    return source.child_pid


def first_frame(items: Iterator[Frame | NoFrame]) -> Frame:
    return next(x for x in itertools.islice(items, TRIES) if isinstance(x, Frame))


def no_frame(items: Iterator[Frame | NoFrame]) -> NoFrame:
    return next(x for x in itertools.islice(items, TRIES) if isinstance(x, NoFrame))


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again until it is true."""
    never, end = threading.Event(), time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it never came true"
        never.wait(0.02)


def gone(pid: int) -> bool:
    """Wait until a process that need not be our child has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], WAIT_S)[0])
    finally:
        os.close(handle)


def camera_processes() -> set[str]:
    """Find the camera processes whose parent is this one, by the kernel's word."""
    mine = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if (
                parent == str(os.getpid())
                and b"camera_process" in (process / "cmdline").read_bytes()
            ):
                mine.add(process.name)
    return mine


def shared_memories() -> list[str]:
    """Find the shared pictures that this process still has open or mapped."""
    found = Path("/proc/self/maps").read_text().splitlines()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [name for name in found if "memfd:picture" in name]


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    yield
    gc.collect()
    assert not shared_memories()
    assert not camera_processes()


def test_every_picture_comes_once_in_its_own_time_and_half_the_rate_is_every_other() -> None:
    source = ClipSource(CLIP, 10, "max")
    prints = [print_of(frame) for frame in source.frames()]
    assert [index for _, index, _ in prints] == list(range(795))
    assert [at for at, _, _ in prints] == [i / 10 for i in range(795)]
    assert len({digest for _, _, digest in prints}) == 795
    assert (source.length, source.missing, source.dropped) == (795, 0, 0)
    assert [print_of(frame) for frame in ClipSource(CLIP, 5, "max").frames()] == prints[::2]


def test_real_pace_shows_the_same_pictures_and_times_at_the_clips_speed() -> None:
    real, quick = (
        [print_of(f) for f in itertools.islice(ClipSource(CLIP, 10, speed).frames(), count)]
        for speed, count in (("real", 5), ("max", 50))
    )
    assert set(real) < set(quick)  # a busy machine may drop some
    source = ClipSource(CLIP, 10, "real")
    with contextlib.closing(source):
        frames = source.frames()
        next(frames)
        begun = time.monotonic()
        last = list(itertools.islice(frames, 10))[-1]
        assert time.monotonic() - begun == pytest.approx(last.at, abs=0.4)


def test_a_slow_consumer_gets_the_newest_picture_and_the_drops_are_counted() -> None:
    source = ClipSource(CLIP, 10, "real")
    with contextlib.closing(source):
        frames = source.frames()
        before = next(frames)
        wait_until(lambda: source.dropped >= 5)
        after = next(frames)
        assert after.index - before.index >= 6
        assert source.dropped == after.index - before.index - 1


def test_a_large_picture_is_decoded_by_more_threads_than_a_small_one(tmp_path: Path) -> None:
    large = tmp_path / "large.avi"
    writer = cv2.VideoWriter(str(large), cv2.VideoWriter.fourcc(*"mp4v"), 10, (1920, 1080))
    for grey in range(5):
        writer.write(np.full((1080, 1920, 3), 40 * grey, np.uint8))
    writer.release()
    threads = {}
    for path in (CLIP, large):
        job = Job(Kind.FILE, str(path), 10.0, (), Pace.HELD, 2.0, 1.0)
        capture = open_capture(job)
        threads[path] = int(capture.get(cv2.CAP_PROP_N_THREADS))
        capture.release()
    assert threads[CLIP] == 1
    assert threads[large] == len(os.sched_getaffinity(0))
    assert [frame.index for frame in ClipSource(large, 10, "max").frames()] == [0, 1, 2, 3, 4]


def test_a_picture_stays_as_it_is_after_the_next_one_came() -> None:
    source = ClipSource(CLIP, 10, "max")
    with contextlib.closing(source):
        frames = source.frames()
        kept = next(frames)
        as_given = kept.image.copy()
        list(itertools.islice(frames, 5))
        assert np.array_equal(kept.image, as_given)


def test_masks_are_black_in_every_picture_and_the_rest_is_untouched() -> None:
    left = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    masked = itertools.islice(ClipSource(CLIP, 10, "max", (left,)).frames(), 20)
    plain = itertools.islice(ClipSource(CLIP, 10, "max").frames(), 20)
    for one, other in zip(masked, plain, strict=True):
        assert not one.image[:, :384].any()
        assert np.array_equal(one.image[:, 385:], other.image[:, 385:])
    assert other.image[:, :384].any()


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4", "list.m3u8"])
def test_a_text_file_is_no_video_and_a_playlist_leads_nowhere(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:99\n#EXTINF:79,\n{CLIP}\n#EXT-X-ENDLIST\n")
    with pytest.raises(CameraError) as refusal:
        list(ClipSource(path, 10).frames())
    assert str(refusal.value) == (
        f"clip {path}: is not a video that can be decoded; use an MP4, AVI or MKV file"
    )
    assert capfd.readouterr() == ("", "")


def test_a_clip_cut_short_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(CLIP.read_bytes()[: CLIP.stat().st_size // 2])
    source = ClipSource(path, 10, "max")
    with structlog.testing.capture_logs() as logs:
        count = sum(1 for _ in source.frames())
    assert 200 < count < 600
    assert source.length == 795
    assert source.missing == pytest.approx(795 - count, abs=3)
    assert [log["event"] for log in logs] == ["clip.cut_short"]


def test_a_clip_whose_decoder_is_killed_does_not_end_in_silence() -> None:
    source = ClipSource(CLIP, 10, "max")
    frames = source.frames()
    next(frames)
    os.kill(pid_of(source), signal.SIGKILL)
    with pytest.raises(CameraError, match=r"was killed \(SIGKILL\) after picture \d+"):
        list(frames)


def test_a_clip_whose_decoder_hangs_is_given_up() -> None:
    source = ClipSource(CLIP, 10, "max", patience=SHORT)
    frames = source.frames()
    next(frames)
    os.kill(pid_of(source), signal.SIGSTOP)
    with pytest.raises(CameraError, match="got stuck"):
        list(frames)


def test_a_slow_consumer_is_not_mistaken_for_a_hanging_decoder() -> None:
    source = ClipSource(CLIP, 10, "max", patience=SHORT)
    with contextlib.closing(source):
        frames = source.frames()
        next(frames)
        pid = pid_of(source)
        os.kill(pid, signal.SIGSTOP)
        threading.Event().wait(SHORT.stall_s * 1.5)  # nothing to wait for: this is the slowness
        waker = threading.Timer(0.7, os.kill, (pid, signal.SIGCONT))
        waker.start()
        assert [frame.index for frame in itertools.islice(frames, 5)] == [1, 2, 3, 4, 5]
        waker.join()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_a_camera_whose_decoder_dies_or_hangs_comes_back(blow: signal.Signals) -> None:
    source = live()
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        items = source.frames()
        before = first_frame(items)
        pid = pid_of(source)
        os.kill(pid, blow)
        lost = no_frame(items)
        after = first_frame(items)
        assert pid_of(source) != pid
    assert lost.reason is CoverageReason.NO_CAMERA
    assert before.at < lost.at < after.at
    assert before.index < after.index
    assert [log["event"] for log in logs] == ["camera.up", "camera.lost", "camera.up"]


def test_a_camera_dates_its_pictures_by_the_clock_it_was_given() -> None:
    source = live()
    with contextlib.closing(source):
        begun = time.monotonic()
        assert begun < first_frame(source.frames()).at <= time.monotonic()


def test_time_moves_on_even_where_the_clock_stands_still() -> None:
    source = LiveSource("/dev/video99", 8, (), ManualClock(), patience=SHORT)
    with contextlib.closing(source):
        first, second = itertools.islice(source.frames(), 2)
    assert first.at < second.at


def test_a_missing_usb_camera_is_waited_for_and_told_once() -> None:
    source = LiveSource("/dev/video99", 8, (), SystemClock(), patience=SHORT)
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        items = list(itertools.islice(source.frames(), 4))
    assert all(isinstance(item, NoFrame) for item in items)
    assert all(0 < b.at - a.at <= 1.0 for a, b in itertools.pairwise(items))
    assert [(log["event"], log["reason"]) for log in logs] == [("camera.lost", "is not there")]


@pytest.mark.parametrize("make", [live, lambda: ClipSource(CLIP, 1, "real")], ids=["live", "clip"])
def test_close_from_another_thread_ends_the_wait_at_once(
    make: Callable[[], ClipSource | LiveSource],
) -> None:
    source = make()
    frames = source.frames()
    first_frame(frames)
    pid = pid_of(source)
    closer = threading.Timer(0.3, source.close)
    closer.start()
    begun = time.monotonic()
    list(frames)
    assert time.monotonic() - begun < 3
    closer.join()
    source.close()
    assert gone(pid)


def test_a_consumer_that_walks_away_leaves_no_process() -> None:
    source = ClipSource(CLIP, 10, "max")
    for _ in source.frames():
        pid = pid_of(source)
        break
    gc.collect()
    assert gone(pid)


PARENT = """
import sys
from edge.adapters.camera_opencv import ClipSource
if __name__ == "__main__":
    source = ClipSource(sys.argv[1], 10, sys.argv[2])
    frames = source.frames()
    next(frames)
    print(source.child_pid, flush=True)
    sys.stdin.readline()
"""


def parent(tmp_path: Path, speed: str) -> "subprocess.Popen[str]":
    script = tmp_path / "script.py"
    script.write_text(PARENT)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, script, CLIP, speed], text=True, **pipes)


@pytest.mark.parametrize("speed", ["real", "max"])
def test_a_parent_that_is_killed_leaves_no_orphan(speed: str, tmp_path: Path) -> None:
    with parent(tmp_path, speed) as process:
        child = int(process.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        process.kill()
        assert gone(child)


def test_a_parent_that_forgets_to_close_ends_clean_and_quiet(tmp_path: Path) -> None:
    with parent(tmp_path, "max") as process:
        child = int(process.stdout.readline())
        _, errors = process.communicate("\n", timeout=WAIT_S)
        assert process.returncode == 0
        assert errors == ""
        assert gone(child)
