"""Scraped for real: what a Prometheus on the device reads, and who else may not."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge.adapters.metrics_prometheus import Metrics, Pulse
from edge.messages import Health
from edge.vocabulary import CoverageReason, Pace, Slowdown, TimeQuality

CLIP = Path("tests/data/vtest.mp4").absolute()
FULL = Health(
    uptime_s=3600,
    queue=3,
    fps=7.5,
    detect_ms=17.0,
    temperature_c=51.5,
    memory_mb=200.0,
    disk_free_mb=5000.0,
    last_accepted_ms=1_767_225_600_000,
    unsaved=2,
    time=TimeQuality.NTP,
    pace=Pace(8.0, 6.58, Slowdown.HOT),
    looked=0.25,
)
PULSE = Pulse(frames=120, dropped=4, frame_age_s=0.25, connected=True)
MOVING = {
    ("lobbycount_frames_total",): 120,
    ("lobbycount_frames_dropped_total",): 4,
    ("lobbycount_last_frame_age_seconds",): 0.25,
    ("lobbycount_broker_connected",): 1,
}
BEFORE = Pulse(frames=0, dropped=0, frame_age_s=None, connected=False)
NOT_YET = {
    ("lobbycount_frames_total",): 0,
    ("lobbycount_frames_dropped_total",): 0,
    ("lobbycount_broker_connected",): 0,
}
CONFIG = """
device: {{tenant: t, id: scraped, clock: rtc}}
camera: {{source: {source}, fps: 10}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
health: {{prometheus_port: {port}}}
"""


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *map(sample.labels.get, sorted(sample.labels, reverse=True))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_gauge_of_health_and_the_totals(port):
    totals = {("door", "in"): 12, ("door", "out"): 9}
    with Metrics(port, lambda: FULL, lambda: totals, lambda: PULSE):
        first = scrape(port)
        totals[("door", "in")] = 15
        second = scrape(port)
    assert first == MOVING | {
        ("lobbycount_uptime_seconds",): 3600,
        ("lobbycount_queue_records",): 3,
        ("lobbycount_unsaved_intervals",): 2,
        ("lobbycount_video_healthy",): 1,
        ("lobbycount_clock_trusted",): 1,
        ("lobbycount_trouble",): 0,
        ("lobbycount_frames_per_second",): 7.5,
        ("lobbycount_frames_per_second_target",): 8.0,
        ("lobbycount_frames_per_second_asked",): 6.58,
        ("lobbycount_slowed_hot",): 1,
        ("lobbycount_slowed_overload",): 0,
        ("lobbycount_looked_ratio",): 0.25,
        ("lobbycount_detect_seconds",): pytest.approx(0.017),
        ("lobbycount_temperature_celsius",): 51.5,
        ("lobbycount_memory_bytes",): 2e8,
        ("lobbycount_disk_free_bytes",): 5e9,
        ("lobbycount_last_accepted_timestamp_seconds",): 1_767_225_600,
        ("lobbycount_crossings_total", "door", "in"): 12,
        ("lobbycount_crossings_total", "door", "out"): 9,
    }
    assert second == {**first, ("lobbycount_crossings_total", "door", "in"): 15}


def test_what_is_not_known_is_left_out_and_trouble_is_told(port):
    health = Health(
        1, 0, video=CoverageReason.DARK, last_error="refused", unsaved=0, time=TimeQuality.UNSYNCED
    )
    with Metrics(port, lambda: health, dict, lambda: BEFORE):
        assert scrape(port) == NOT_YET | {
            ("lobbycount_uptime_seconds",): 1,
            ("lobbycount_queue_records",): 0,
            ("lobbycount_unsaved_intervals",): 0,
            ("lobbycount_video_healthy",): 0,
            ("lobbycount_clock_trusted",): 0,
            ("lobbycount_trouble",): 1,
        }
    with Metrics(port, lambda: None, dict, lambda: BEFORE):
        assert scrape(port) == NOT_YET, "nothing more is known before the first report"


def test_only_this_machine_can_ask(port):
    with Metrics(port, lambda: FULL, dict, lambda: PULSE):
        listening = Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]
        addresses = [
            fields[1]
            for fields in map(str.split, listening)
            if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port
        ]
    assert [address.split(":")[0] for address in addresses] == ["0100007F"]


def test_nothing_is_left_when_it_ends(port):
    before = set(threading.enumerate())
    with Metrics(port, lambda: FULL, dict, lambda: PULSE):
        scrape(port)
        assert set(threading.enumerate()) - before
    assert not [t for t in set(threading.enumerate()) - before if "serve_forever" in t.name]
    with pytest.raises(urllib.error.URLError, match="refused"):
        scrape(port)


def test_a_port_that_is_taken_is_logged_and_stops_nothing(port, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with Metrics(port, lambda: FULL, dict, lambda: PULSE):
            said = capsys.readouterr().out
    assert "metrics.not_served" in said
    assert str(port) in said


LAST_TOTALS = """
import sys
from edge import cli
from edge.monitor import Monitor
saved = Monitor.saved
def heard(monitor, buckets):
    saved(monitor, buckets)
    print("totals of", sorted(monitor.totals), file=sys.stderr)
Monitor.saved = heard
sys.argv = ["lobbycount", *sys.argv[1:]]
cli.main()
"""


def written(folder, port, *program):
    config = folder / "lobby.yaml"
    config.write_text(CONFIG.format(folder=folder, source=CLIP, port=port), "utf-8")
    return [sys.executable, *(program or ("-m", "edge")), "run", "-c", str(config)]


def test_the_service_can_be_scraped_and_stops_in_order(tmp_path, port):
    command, log = written(tmp_path, port, "-c", LAST_TOTALS), tmp_path / "log"
    with log.open("w") as stderr, subprocess.Popen(command, stderr=stderr) as run:
        try:
            found, until = {}, time.monotonic() + 150
            # One picture is no interval: it has no length, and nothing is recorded of it.
            while found.get(("lobbycount_frames_total",), 0) < 2 and time.monotonic() < until:
                with suppress(urllib.error.URLError):
                    found = scrape(port)
                with suppress(subprocess.TimeoutExpired):
                    run.wait(0.05)
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 0
        finally:
            run.kill()
    # The names of lines appear with the first record of the run, which takes minutes.
    assert not [name for name, *_ in found if name == "lobbycount_crossings_total"]
    assert found["lobbycount_broker_connected",] == 0
    assert 0 <= found["lobbycount_last_frame_age_seconds",] < 60
    assert found["lobbycount_video_healthy",] == 1
    assert found["lobbycount_detect_seconds",] > 0
    assert found["lobbycount_trouble",] in {0, 1}
    assert "totals of [('door', 'in'), ('door', 'out')]" in log.read_text("utf-8")


def test_the_service_counts_with_a_port_that_is_taken(tmp_path, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with subprocess.Popen(written(tmp_path, port), stderr=subprocess.PIPE, text=True) as run:
            try:
                log = ""
                while "metrics.not_served" not in log:
                    line = run.stderr.readline()
                    assert line, log
                    log += line
                run.send_signal(signal.SIGTERM)
                run.communicate(timeout=60)
            finally:
                run.kill()
    assert run.returncode == 0
