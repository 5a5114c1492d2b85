"""`lobbycount doctor line` on the bundled clip and its detections, with good and bad lines."""

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from edge import line_verb
from edge.adapters.camera_channel import Kind
from edge.config import load
from edge.errors import CameraError
from edge.line_verb import watch_camera

CLIP = Path("tests/data/vtest.mp4")
TEXT = ("--clip", "tests/data/vtest.det.txt", "--size", "768x576", "--clip-fps", "10")
GOOD = {"id": "east", "name": "东门", "in": "right", "points": [[0.72, 0.27], [0.72, 0.78]]}
BAD = {
    "heads": {"id": "heads", "in": "down", "points": [[0.2, 0.08], [0.8, 0.08]]},
    "edge": {"id": "edge", "in": "right", "points": [[0.985, 0.3], [0.985, 0.9]]},
    "along": {"id": "along", "in": "down", "points": [[0.35, 0.5], [0.85, 0.5]]},
    "short": {"id": "short", "in": "right", "points": [[0.72, 0.27], [0.72, 0.45]]},
}
REASONS = {
    "heads": "never_reached",
    "edge": "near_edge",
    "along": "lengthwise",
    "short": "ends_short",
}


def doctor(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "edge", "doctor", "line", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def config(tmp_path):
    def written(*lines, source="vtest.mp4", fps=10):
        path = tmp_path / "lobby.yaml"
        document = {
            "device": {"tenant": "test", "id": "door-1"},
            "camera": {"source": source, "fps": fps},
            "lines": list(lines),
            "records": {"data_dir": str(tmp_path / "data")},
            "mqtt": {"host": "127.0.0.1", "port": 1883, "insecure_lab": True},
        }
        YAML().dump(document, path)
        return path

    return written


def test_bad_lines_and_their_reasons(config, tmp_path):
    svg = tmp_path / "lines.svg"
    path = config(*BAD.values())
    done = doctor("-c", path, *TEXT, "--json", "--drawing", svg)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["watched_s"] == pytest.approx(20, abs=1)
    worst = {line["id"]: line["findings"][0]["code"] for line in told["lines"]}
    assert worst == REASONS
    gains = [
        line["suggestion"]["counted"] - line["suggestion"]["counted_now"] for line in told["lines"]
    ]
    assert min(gains) >= 2
    assert svg.read_text("utf-8").count("建议") == len(BAD) + 1, "each line's, and the legend"
    assert not (tmp_path / "data").exists(), "nothing is stored"


def test_a_good_line_on_the_real_pictures(config):
    done = doctor("-c", config(GOOD, fps=5), "--clip", CLIP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("east 东门: 合适 fine\n")
    assert "✗" not in done.stdout


def test_a_suggestion_can_be_pasted_and_is_fine_then(config):
    done = doctor("-c", config(BAD["short"]), *TEXT)
    assert done.returncode == 1
    rows = done.stdout.splitlines()
    begin = rows.index("  - id: short")
    (pasted,) = YAML(typ="safe").load("\n".join(rows[begin : begin + 3]))
    again = doctor("-c", config(pasted), *TEXT)
    assert again.returncode == 0, again.stdout


def test_too_few_people_is_not_fine(config, tmp_path):
    text = tmp_path / "nobody.txt"
    text.write_text("1,-1,100,100,40,100,0.9\n", "utf-8")
    done = doctor("-c", config(GOOD), "--clip", text, "--size", "768x576", "--clip-fps", "10")
    assert done.returncode == 1
    assert "看到的人太少 too few people seen" in done.stdout


def test_the_service_has_the_usb_camera(config, tmp_path):
    path = config(GOOD, source="/dev/video99")
    data = tmp_path / "data"
    data.mkdir()
    with (data / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = doctor("-c", path)
    assert done.returncode == 2
    assert "/dev/video99: the counting service is running and has the camera" in done.stderr
    assert "systemctl stop lobbycount" in done.stderr


def test_a_camera_that_shows_nothing(config):
    settings = load(config(GOOD, source="rtsp://viewer:s3cret@127.0.0.1:9/lobby"))
    with pytest.raises(CameraError, match="no picture came") as told:
        watch_camera(settings, 10, lambda _: None, patience_s=1.0)
    assert "s3cret" not in str(told.value)


def test_so_long_as_wanted(config, monkeypatch):
    """A clip at its own pace stands for a live camera."""
    monkeypatch.setattr(line_verb, "kind_of", lambda _: Kind.RTSP)
    path = config(GOOD, source=str(CLIP.absolute()), fps=5)
    seen = []
    looked = watch_camera(load(path), 2.0, seen.append)
    assert looked.paths().watched_s == pytest.approx(2.0, abs=0.3)
    assert seen[-1] == pytest.approx(2.0, abs=0.3)
    assert len(looked.paths()) > 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--clip", "no-such-clip.mp4"), "no-such-clip.mp4"),
        (("--clip", "tests/data/vtest.det.txt"), "add e.g. --size 768x576 --clip-fps 10"),
        ((*TEXT, "--drawing", "line.jpg"), "is written as SVG"),
        ((*TEXT, "--drawing", "no-such-folder/line.svg"), "cannot be written"),
    ],
)
def test_what_cannot_be_used(config, arguments, reason):
    done = doctor("-c", config(GOOD), *arguments)
    assert done.returncode == 2
    assert reason in done.stderr
