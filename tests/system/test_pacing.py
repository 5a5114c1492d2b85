"""Too slow for real: a camera process, a service that cannot keep up, and who is told."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from edge.adapters.camera_opencv import ClipSource, Kind, LiveSource, Patience
from edge.adapters.camera_paced import PacedSource
from edge.adapters.clock import SystemClock
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.pacing import Pacer, PacingSettings
from edge.vocabulary import CoverageReason, Frame, NoFrame, Slowdown

CLIP = Path(__file__).parent.parent / "data" / "vtest.mp4"
QUICK = PacingSettings(hot_c=78.0, window_s=1.0, recover_s=1.0, hot_step_s=0.05)
TRIES = 300


def live() -> LiveSource:
    patience = Patience(open_s=2.0, read_s=1.0, stall_s=5.0)
    return LiveSource(str(CLIP), 10.0, (), SystemClock(), patience=patience, kind=Kind.FILE)


def paced(source: LiveSource, temperature_c: float | None = None) -> PacedSource:
    pacer = Pacer(10.0, QUICK)
    return PacedSource(
        source,
        10.0,
        monotonic=time.monotonic,
        temperature_c=lambda: temperature_c,
        pacer=pacer,
    )


def pictures(items: Iterator[Frame | NoFrame]) -> Iterator[Frame]:
    return (item for item in itertools.islice(items, TRIES) if isinstance(item, Frame))


def test_the_camera_process_follows_the_rate_and_drops_nothing_for_it() -> None:
    source = live()
    with contextlib.closing(source):
        seen = pictures(source.frames())
        next(seen)
        source.set_fps(2.5)
        frames = list(itertools.islice(seen, 6))
    steps = [b.index - a.index for a, b in itertools.pairwise(frames[1:])]
    assert sorted(steps)[2] >= 4, "every fourth of ten pictures a second"
    assert source.dropped <= 1


def test_the_rate_outlives_the_camera_process() -> None:
    source = live()
    with contextlib.closing(source):
        items = source.frames()
        next(pictures(items))
        source.set_fps(2.5)
        before = source.child_pid
        os.kill(before, signal.SIGKILL)
        frames = list(itertools.islice(pictures(items), 6))
        assert source.child_pid != before
    steps = [b.index - a.index for a, b in itertools.pairwise(frames[1:])]
    assert sorted(steps)[2] >= 4


def test_a_clip_as_fast_as_it_goes_gives_the_same_pictures_whatever_is_asked() -> None:
    source = ClipSource(CLIP, 10, "max")
    with contextlib.closing(source):
        frames = source.frames()
        first = next(frames)
        source.set_fps(1.0)
        found = [first.index, *(frame.index for frame in itertools.islice(frames, 30))]
    assert found == list(range(31))


def test_a_consumer_that_is_too_slow_gets_fewer_pictures_and_the_reason() -> None:
    source, slowness = paced(live()), threading.Event()
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        for frame in pictures(source.frames()):
            if frame.reason is not None:
                break
            slowness.wait(0.55)  # nothing to wait for: this is the work
    assert frame.reason is CoverageReason.OVERLOAD
    assert (source.pace.fps, source.pace.reason) == (3.0, Slowdown.OVERLOAD)
    assert source.dropped > 0
    said = [log for log in logs if log["event"] in {"rate.lowered", "overload.begins"}]
    assert {log["event"] for log in said} == {"rate.lowered", "overload.begins"}
    assert {log["log_level"] for log in said} == {"warning"}
    lowered = next(log for log in said if log["event"] == "rate.lowered")
    assert (lowered["of_fps"], lowered["reason"]) == (10.0, "overload")


def test_when_there_is_time_again_it_is_as_fast_as_before_and_sees_everybody() -> None:
    source, slowness = paced(live()), threading.Event()
    rates, reasons = [], []
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        for frame in pictures(source.frames()):
            rates.append(source.pace.fps)
            reasons.append(frame.reason)
            if CoverageReason.OVERLOAD not in reasons:
                slowness.wait(0.55)
            elif source.pace.fps == 10.0 and frame.reason is None:
                break
    assert min(rates) == 3.0
    assert source.pace.reason is None
    assert frame.reason is None
    assert [log["event"] for log in logs if log["event"] == "overload.ends"]
    assert [log["event"] for log in logs if log["event"] == "rate.raised"]


def test_a_hot_board_gets_fewer_pictures_and_loses_none() -> None:
    source = paced(live(), temperature_c=79.0)
    with structlog.testing.capture_logs() as logs, contextlib.closing(source):
        frames = list(itertools.islice(pictures(source.frames()), 15))
    assert (source.pace.fps, source.pace.reason) == (3.0, Slowdown.HOT)
    steps = [b.index - a.index for a, b in itertools.pairwise(frames)]
    assert steps[0] < 3 <= sorted(steps[-4:])[1], "every third or fourth of ten pictures a second"
    assert {frame.reason for frame in frames} == {None}
    told = next(log for log in logs if log["event"] == "rate.lowered")
    assert (told["reason"], told["temperature_c"]) == ("hot", 79.0)


SLOW = """
import sys, threading
from edge import cli
from edge.adapters.detector_onnx import OnnxDetector
quick, slowness = OnnxDetector.detect, threading.Event()
def slow(detector, frame):
    slowness.wait(0.6)
    return quick(detector, frame)
OnnxDetector.detect = slow
sys.argv = ["lobbycount", *sys.argv[1:]]
cli.main()
"""
CONFIG = """
device: {{tenant: t, id: slow, clock: rtc}}
camera: {{source: {source}, fps: 10}}
model: {{gate: false}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
health: {{prometheus_port: {port}}}
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


def scraped(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError:
        return ""


def test_a_service_that_cannot_keep_up_says_so_everywhere(tmp_path: Path, port: int) -> None:
    config, log = tmp_path / "lobby.yaml", tmp_path / "log"
    config.write_text(CONFIG.format(folder=tmp_path, source=CLIP, port=port), "utf-8")
    command = [sys.executable, "-c", SLOW, "run", "-c", str(config)]
    with log.open("w") as stderr, subprocess.Popen(command, stderr=stderr) as run:
        try:
            found, until = "", time.monotonic() + 60
            while "lobbycount_slowed_overload 1.0" not in found and time.monotonic() < until:
                found = scraped(port)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.wait(0.1)
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 0
        finally:
            run.kill()
    assert "lobbycount_frames_per_second_target 10.0" in found
    assert "lobbycount_frames_per_second_asked 3.0" in found
    assert "lobbycount_video_healthy 0.0" in found

    said = log.read_text("utf-8")
    assert "overload.begins" in said
    assert "rate.lowered" in said

    health = [sys.executable, "-m", "edge", "health", "-c", str(config)]
    told = subprocess.run([*health, "--json"], capture_output=True, check=False)
    report = json.loads(told.stdout)
    assert told.returncode == 1
    assert "no healthy picture: overload" in report["problems"]
    assert "3 of 10 pictures a second" in report["notes"][0]
    shown = subprocess.run(health, capture_output=True, check=False, text=True)
    assert "note: 3 of 10 pictures a second" in " ".join(shown.stdout.split())

    with contextlib.closing(SqliteOutbox(tmp_path / "data" / "outbox.sqlite", "slow")) as outbox:
        records = [json.loads(record.body) for record in outbox.pending(10)]
    assert records
    # Two when a quarter of an hour ended meanwhile; the first seconds of a run are watched.
    assert records[-1]["cov"] < 0.5
    assert {record.get("cov_reason") for record in records} <= {"overload", None}
    assert records[-1]["cov_reason"] == "overload"
