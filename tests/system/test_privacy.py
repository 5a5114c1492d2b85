"""Promises of the design, kept by the installed software as a whole."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

CONFIG = """
device: {{tenant: t, id: private}}
camera: {{source: {clip}, fps: 10}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
"""
COLLECTORS = (b"events.data.microsoft.com", b"OneCollector", b"sentry.io", b"google-analytics")


def test_a_run_leaves_outbox_key_and_health_file_and_nothing_else(tmp_path):
    clip = Path("tests/data/vtest.mp4").absolute()
    short = tmp_path / "short.mp4"
    capture = cv2.VideoCapture(str(clip))
    writer = cv2.VideoWriter(str(short), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (768, 576))
    for _ in range(20):
        writer.write(capture.read()[1])
    writer.release()
    config = tmp_path / "lobby.yaml"
    config.write_text(CONFIG.format(clip=short, folder=tmp_path), "utf-8")
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    command = [sys.executable, "-m", "edge", "run", "-c", str(config)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    journals = {"data/outbox.sqlite-wal", "data/outbox.sqlite-shm"}
    given = {"lobby.yaml", "short.mp4"}
    kept = {"data/device.key", "data/health.json", "data/lock", "data/outbox.sqlite"}
    kept.add("data/config.last-good.yaml")  # what a start with a broken file uses
    kept.add("data/outbox.sqlite.confirmed")  # number, chain and mark of the last commit
    kept.add("data/config.last-good.yaml")
    assert written - given - journals == kept


@pytest.mark.parametrize("package", ["onnxruntime", "cv2", "numpy", "lap", "ncnn"])
def test_no_native_library_knows_a_telemetry_collector(package):
    spec = importlib.util.find_spec(package)
    if spec is None and package == "ncnn":
        pytest.skip("needs the extra lobbycount[ncnn]")
    assert spec is not None
    assert spec.origin is not None
    libraries = list(Path(spec.origin).parent.rglob("*.so*"))
    assert libraries
    guilty = [p.name for p in libraries if any(c in p.read_bytes() for c in COLLECTORS)]
    assert guilty == []


def test_ncnn_comes_without_the_downloader_in_its_package():
    """Its model zoo fetches files with `requests`; the runtime beside it must not need that."""
    if importlib.util.find_spec("ncnn") is None:
        pytest.skip("needs the extra lobbycount[ncnn]")
    asked = "import sys, edge.adapters.detector_ncnn; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert "ncnn" in loaded
    assert not {"requests", "urllib3", "ncnn.model_zoo", "ncnn.utils"} & loaded
