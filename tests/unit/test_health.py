import json
import os
import time
from dataclasses import asdict, replace

import pytest
from typer.testing import CliRunner

from edge.adapters.health import HealthReport, main, read_report, write_report
from edge.adapters.last_good import save_last_good
from edge.cli import cli
from edge.errors import BadInputError

GOOD = HealthReport(
    written_at="2026-01-01T00:00:00Z",
    pid=1,
    frames=100,
    fps=8.0,
    detect_ms=17.5,
    frames_dropped=0,
    video="ok",
    queue=0,
    unsaved=0,
    time="ntp",
    waits_for_time=False,
    outbox_trouble=None,
    broker="connected",
    last_error=None,
    memory_mb=100.0,
    disk_free_mb=1000.0,
    temperature_c=None,
)


def test_a_device_that_does_its_job_has_no_problems():
    assert GOOD.problems(5.0) == []


@pytest.mark.parametrize(
    ("report", "age_s", "said"),
    [
        (GOOD, 600.0, "has not reported for 600 s"),
        (replace(GOOD, video="no_camera"), 5.0, "no healthy picture: no_camera"),
        (replace(GOOD, unsaved=3), 5.0, "3 intervals could not be stored"),
        (replace(GOOD, last_error="refused"), 5.0, "nothing is being delivered: refused"),
        (replace(GOOD, time="unsynced", waits_for_time=True), 5.0, "the clock is not set"),
        (replace(GOOD, outbox_trouble="it was damaged"), 5.0, "it was damaged"),
    ],
)
def test_each_problem_is_named(report, age_s, said):
    (problem,) = report.problems(age_s)
    assert said in problem


@pytest.mark.parametrize(("reason", "said"), [("hot", "设备过热"), ("overload", "处理不过来")])
def test_a_slower_pace_is_noted_and_is_no_problem(reason, said):
    report = replace(GOOD, fps_target=8.0, fps_asked=4.44, slowed=reason)
    (note,) = report.notes()
    assert note.startswith("4.44 of 8 pictures a second; ")
    assert said in note
    assert report.problems(5.0) == GOOD.notes() == []


def test_a_report_of_the_version_before_is_read(tmp_path):
    before = {
        k: v for k, v in asdict(GOOD).items() if k not in {"fps_target", "fps_asked", "slowed"}
    }
    (tmp_path / "health.json").write_text(json.dumps(before), "utf-8")
    assert read_report(tmp_path)[0] == GOOD


def test_a_report_comes_back_as_it_was_written(tmp_path):
    write_report(tmp_path, GOOD)
    report, age_s = read_report(tmp_path)
    assert report == GOOD
    assert 0 <= age_s < 60


def test_a_report_of_another_version_is_not_guessed_at(tmp_path):
    (tmp_path / "health.json").write_text('{"pid": 1}', "utf-8")
    with pytest.raises(BadInputError, match="no health report"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    "report",
    [
        GOOD,
        replace(GOOD, broker="not connected", last_error="refused"),
        replace(GOOD, time="unsynced", waits_for_time=True),
        replace(GOOD, config_trouble="line 3"),
        replace(GOOD, video="dark"),
    ],
    ids=["good", "no-network", "no-time", "config", "evening"],
)
def test_a_container_that_counts_is_healthy(tmp_path, report, capsys):
    write_report(tmp_path, report)
    main(str(tmp_path))
    assert "counting, 100 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (replace(GOOD, video="no_camera"), "no healthy picture: no_camera"),
        (replace(GOOD, video="covered"), "no healthy picture: covered"),
        (replace(GOOD, unsaved=2), "2 intervals could not be stored"),
    ],
)
def test_one_that_does_not_is_not(tmp_path, report, said):
    write_report(tmp_path, report)
    with pytest.raises(SystemExit, match=said):
        main(str(tmp_path))


def test_nor_is_one_that_hangs_or_never_came_up(tmp_path):
    with pytest.raises(SystemExit, match="no health report"):
        main(str(tmp_path))
    write_report(tmp_path, GOOD)
    long_ago = time.time() - 600
    os.utime(tmp_path / "health.json", (long_ago, long_ago))
    with pytest.raises(SystemExit, match="has not reported for 600 s"):
        main(str(tmp_path))


def test_what_is_no_failure_of_a_container_is_a_problem_all_the_same():
    (problem,) = replace(GOOD, video="dark").problems(5.0)
    assert "no healthy picture: dark" in problem


CONFIG = """\
device: {tenant: t, id: d}
camera: {source: /dev/video0}
lines: [{id: door, points: [[0.2, 0.5], [0.8, 0.5]], in: down}]
mqtt: {host: x, insecure_lab: true}
"""


@pytest.mark.parametrize(
    "broken", [CONFIG.replace("in: down", "in: north"), "", CONFIG + "oops: [1"]
)
def test_while_the_file_is_broken_the_running_service_is_found_and_the_mistake_told(
    tmp_path, monkeypatch, broken
):
    """Where the data is, only the last good copy may know."""
    path, data = tmp_path / "lobby.yaml", tmp_path / "data"
    good = f"{CONFIG}records: {{data_dir: {data}}}\n"
    data.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(data))
    save_last_good(data, path, good)
    write_report(data, GOOD)

    def health():
        done = CliRunner().invoke(cli, ["health", "--json", "-c", str(path)])
        return done.exit_code, json.loads(done.stdout)

    path.write_text(good, "utf-8")
    assert health()[0] == 0
    path.write_text(broken, "utf-8")
    code, told = health()
    (problem,) = told["problems"]
    assert (code, told["frames"]) == (1, 100)
    assert f"{path}:" in problem
    assert "配置文件有错未生效" in problem
    assert problem.count("第 ") == 1


def test_without_a_last_good_copy_the_mistake_in_the_file_is_the_error(tmp_path, monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    path = tmp_path / "lobby.yaml"
    path.write_text(CONFIG.replace("in: down", "in: north"), "utf-8")
    done = CliRunner().invoke(cli, ["health", "-c", str(path)])
    assert done.exit_code != 0
    assert "lobby.yaml:3: lines[0].in" in str(done.exception)
