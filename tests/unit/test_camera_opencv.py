import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.camera_address import host_and_port, kind_of, shown
from edge.adapters.camera_opencv import ClipSource, Kind, LiveSource, open_source
from edge.adapters.camera_process import burn
from edge.adapters.camera_timing import Sampler, Timeline, backoff_s
from edge.errors import CameraError
from edge.testing import ManualClock


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("lobby.mp4", Kind.FILE),
        ("clips/2026/door.mkv", Kind.FILE),
        ("0", Kind.USB),
        ("/dev/video2", Kind.USB),
        ("/dev/v4l/by-id/usb-cam", Kind.USB),
        ("rtsp://camera/stream", Kind.RTSP),
        ("RTSPS://camera:322/stream", Kind.RTSP),
    ],
)
def test_a_source_is_told_by_its_name(
    source: str, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kind_of(source) is kind
    if kind is Kind.FILE:
        monkeypatch.chdir(tmp_path)
        Path(source).parent.mkdir(parents=True, exist_ok=True)
        Path(source).write_bytes(b"anything")
    opened = open_source(source, 8.0, (), ManualClock())
    assert isinstance(opened, ClipSource if kind is Kind.FILE else LiveSource)
    opened.close()


@pytest.mark.parametrize("source", ["http://u:pw@camera/", "file:///a.mp4", "rtsp://", "rtsp:///x"])
def test_an_unknown_address_is_refused_with_what_works(source: str) -> None:
    with pytest.raises(CameraError, match="rtsp://host/path") as refusal:
        open_source(source, 8.0, (), ManualClock())
    assert "pw" not in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("lobby.mp4", "lobby.mp4"),
        ("rtsp://cam:554/live/1", "rtsp://cam:554/live/1"),
        ("rtsp://user:pw@cam:554/live", "rtsp://cam:554/live"),
        ("rtsp://user:p/w?a#b@cam/live", "rtsp://cam/live"),
        ("rtsp://user:p@w@cam/live", "rtsp://cam/live"),
        ("rtsp://cam/live?user=a&password=pw", "rtsp://cam/live"),
        ("rtsp://cam?password=pw", "rtsp://cam"),
        ("rtsp://cam/user=a&password=pw&channel=1", "rtsp://cam/…"),
    ],
)
def test_no_password_is_shown(source: str, said: str) -> None:
    assert shown(source) == said


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("rtsp://u:p@cam/live", ("cam", 554)),
        ("rtsp://cam:8554/live", ("cam", 8554)),
        ("rtsp://[fe80::1]:8554/live", ("fe80::1", 8554)),
        ("rtsp://cam:badport/live", ("cam:badport", 554)),
    ],
)
def test_where_a_url_leads(url: str, place: tuple[str, int]) -> None:
    assert host_and_port(url) == place


@pytest.mark.parametrize("fps", [5.0, 8.0, 10.0, 12.5, 25.0, 30.0])
@pytest.mark.parametrize("rounded_to", [3, 6], ids=["mkv", "mp4"])
def test_sampling_keeps_the_wanted_rate(fps: float, rounded_to: int) -> None:
    sampler = Sampler(fps, slack_s=0.001)
    used = sum(sampler.wants(round(i / 30, rounded_to)) for i in range(300))
    assert used == round(10 * fps)


@pytest.mark.parametrize("change_at", [0, 1, 7, 50])
def test_another_rate_holds_from_the_last_used_picture_on(change_at: int) -> None:
    sampler, used = Sampler(8, slack_s=0.001), []
    for i in range(300):
        sampler.set_fps(3.0 if i >= change_at else 8.0)
        if sampler.wants(i / 25):
            used.append(i)
    before = sum(i < change_at for i in used)
    gaps = [b - a for a, b in itertools.pairwise(used[before:])]
    assert set(gaps) <= {8, 9}, "a third of a second of 25 pictures a second"
    if before:
        assert used[before] - used[before - 1] in {8, 9}


def test_a_gap_is_not_made_up_for_by_a_burst() -> None:
    sampler = Sampler(10, slack_s=0.001)
    moments = [0.0, 0.1, 5.0, 5.04, 5.08, 5.1]
    assert [at for at in moments if sampler.wants(at)] == [0.0, 0.1, 5.0, 5.1]


@pytest.mark.parametrize(
    ("stamps_ms", "fps", "expected"),
    [
        ([0, 100, 200], 10, [0, 0.1, 0.2]),
        ([1400, 1440, 1520], 25, [0, 0.04, 0.12]),
        ([0, 0, 0, 0], 10, [0, 0.1, 0.2, 0.3]),
        ([float("nan"), -1, float("inf")], 20, [0, 0.05, 0.1]),
        ([0, 40, 95443717, 95443757], 25, [0, 0.04, 0.08, 0.12]),
        ([0, 0, 0], 0, [0, 0.04, 0.08]),
        ([0, 0, 0], 90000, [0, 0.04, 0.08]),
    ],
    ids=["plain", "offset", "none", "nonsense", "jump", "no rate", "mad rate"],
)
def test_clip_times_are_the_containers_where_sane(
    stamps_ms: list[float], fps: float, expected: list[float]
) -> None:
    timeline = Timeline(fps)
    assert [timeline.at(stamp) for stamp in stamps_ms] == pytest.approx(expected)


def test_back_off_doubles_from_one_second_to_a_minute() -> None:
    assert [backoff_s(n, 0.0) for n in (1, 2, 3, 7, 100)] == [1, 2, 4, 60, 60]
    assert all(1.0 <= backoff_s(n, 1.0) <= backoff_s(n, 0.0) for n in range(1, 20))
    assert backoff_s(5, 1.0) == 8.0


def test_masks_are_black_where_they_overlap_too_and_nothing_else_is() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    square = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.6), (0.1, 0.6))
    other = ((0.3, 0.3), (0.7, 0.3), (0.7, 0.9), (0.3, 0.9))
    burn(image, (square, other))
    black = (image == 0).all(axis=2)
    expected = np.zeros((100, 200), bool)
    expected[10:61, 20:101] = True
    expected[30:91, 60:141] = True
    assert np.array_equal(black, expected)
    assert (image[~expected] == 255).all()


@pytest.fixture(params=["missing", "empty", "folder", "pipe"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "clip.mp4"
    if request.param == "empty":
        path.touch()
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "pipe":
        os.mkfifo(path)
    reasons = {
        "missing": "No such file or directory",
        "empty": "the file is empty",
        "folder": "this is a folder",
        "pipe": "this is not a file",
    }
    return path, reasons[request.param]


def test_what_is_no_clip_is_refused_with_place_reason_and_remedy(
    unusable: tuple[Path, str],
) -> None:
    path, reason = unusable
    with pytest.raises(CameraError) as refusal:
        next(ClipSource(path, 10).frames())
    assert str(refusal.value) == f"clip {path}: {reason}; use an MP4, AVI or MKV file"


def test_a_closed_source_gives_nothing_and_may_be_closed_again() -> None:
    clip = Path(__file__).parent.parent / "data" / "vtest.mp4"
    for source in (ClipSource(clip, 10), LiveSource("/dev/video99", 10, (), ManualClock())):
        source.close()
        source.close()
        assert list(itertools.islice(source.frames(), 1)) == []
