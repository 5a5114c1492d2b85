"""A changed file is noticed, not while it is being written, and told once."""

import os
from pathlib import Path

import pytest

from edge.config_watch import SETTLE_REJECTED_S, SETTLE_S, TRY_AGAIN_S, ConfigWatch
from edge.errors import ConfigError, Mistake

GOOD = """\
device: {tenant: t, id: d}
camera: {source: /dev/video0}
lines: [{id: door, points: [[0.2, 0.5], [0.8, 0.5]], in: down}]
mqtt: {host: x, insecure_lab: true}
"""


class Bench:
    def __init__(self, folder, prove=lambda config: config, **given):
        self.path = folder / "lobby.yaml"
        self.write(GOOD)
        self.now, self.kept = 0.0, []
        self.watch = ConfigWatch(
            self.path, prove, keep=self.kept.append, now=lambda: self.now, **given
        )

    def write(self, text):
        draft = self.path.with_suffix(".new")
        draft.write_text(text, "utf-8")
        draft.replace(self.path)

    def at(self, now):
        """Look at a time; return the name of the device or the errors that were found."""
        self.now = now
        self.watch.look(now)
        edit = self.watch.take()
        if edit is None:
            return None
        return edit.config.device.name if edit.config else [(p.line, p.path) for p in edit.problems]


def named(name):
    return GOOD.replace("id: d}", f"id: d, name: {name}}}")


def test_an_edit_is_taken_when_it_was_left_alone_for_a_second(tmp_path):
    bench = Bench(tmp_path)
    bench.write(named("A"))
    assert bench.at(1.0) is None
    bench.write(named("B"))
    assert bench.at(2.0) is None
    assert bench.at(2.5) is None
    assert bench.at(3.0) == "B"
    assert bench.kept == [named("B")]
    assert bench.at(9.0) is None


def test_a_half_written_file_is_not_told_of_for_two_seconds(tmp_path):
    bench = Bench(tmp_path)
    bench.write(GOOD[:50])
    assert [bench.at(t) for t in (1.0, 2.0)] == [None, None]
    bench.write(named("whole"))
    assert [bench.at(t) for t in (3.0, 4.0)] == [None, "whole"]
    bench.write(GOOD[:50])
    found = {t: bench.at(t) for t in (10.0, 11.0, 12.0, 13.0)}
    assert {t: bool(f) for t, f in found.items()} == {10: False, 11: False, 12: True, 13: False}
    assert found[12.0][0][1] == "the file"
    assert 12.0 - 10.0 == SETTLE_REJECTED_S > SETTLE_S
    assert bench.kept == [named("whole")]


def test_a_hangup_has_it_looked_at_at_once(tmp_path):
    bench = Bench(tmp_path)
    bench.write(named("A"))
    bench.watch.hurry()
    assert bench.at(0.1) == "A"
    bench.write("device: 1\n")
    bench.watch.hurry()
    assert (1, "camera") in bench.at(0.2)


def test_a_mistake_is_told_once_and_what_is_repaired_is_taken(tmp_path):
    bench = Bench(tmp_path)
    bench.write(GOOD + "frist: 1\n")
    assert [bench.at(t) for t in (1.0, 2.0, 3.0, 4.0, 100.0)] == [
        None,
        None,
        [(5, "frist")],
        None,
        None,
    ]
    os.utime(bench.path, (1, 1))
    assert [bench.at(t) for t in (201.0, 202.0, 203.0, 204.0)] == [None] * 4
    bench.write(GOOD)  # as it was when the service started
    assert [bench.at(t) for t in (301.0, 302.0)] == [None, ""]


def test_a_file_that_is_touched_or_written_anew_unchanged_is_no_edit(tmp_path):
    bench = Bench(tmp_path)
    bench.write(GOOD)
    os.utime(bench.path, (1, 1))
    assert [bench.at(t) for t in (1.0, 2.0, 3.0, 4.0)] == [None] * 4


def test_a_file_that_is_gone_is_told_and_may_come_back(tmp_path):
    bench = Bench(tmp_path)
    bench.path.unlink()
    assert [bench.at(t) for t in (1.0, 2.0, 3.0)] == [None, None, [(1, "the file")]]
    bench.write(GOOD)
    assert [bench.at(t) for t in (4.0, 5.0)] == [None, ""]


def test_what_was_missing_may_come_later(tmp_path):
    certificate = tmp_path / "ca.pem"

    def prove(config):
        if config.device.name and not certificate.exists():
            mistake = Mistake(f"{certificate} is not on this machine", "本机没有", "mqtt.host")
            raise ConfigError(mistake)
        return config

    bench = Bench(tmp_path, prove)
    bench.write(named("A"))
    assert [bench.at(t) for t in (1.0, 2.0, 3.0)] == [None, None, [(4, "mqtt.host")]]
    certificate.touch()
    assert bench.at(4.0) is None
    assert bench.at(3.0 + TRY_AGAIN_S) == "A"


def test_whatever_a_trial_raises_is_said_of_the_edit(tmp_path):
    def prove(config):
        if config.device.name:
            raise ZeroDivisionError
        return config

    bench = Bench(tmp_path, prove)
    bench.write(named("A"))
    assert [bench.at(t) for t in (1.0, 2.0, 3.0)] == [None, None, [(1, "the file")]]
    bench.write(named('""'))
    assert [bench.at(t) for t in (4.0, 5.0)] == [None, ""]


@pytest.mark.parametrize("password", ["sentinel-s3cret"])
def test_a_camera_password_is_in_no_sentence(tmp_path, password):
    bench = Bench(tmp_path)
    url = f"rtsp://u:{password}@192.0.2.1/x"
    bench.write(GOOD.replace("{source: /dev/video0}", f"{{source: [{url}], source: {url}}}"))
    bench.watch.hurry()
    bench.watch.look(1.0)
    edit = bench.watch.take()
    assert edit.problems
    assert password not in str(edit)


def test_the_thread_looks_by_itself(tmp_path):
    path = Path(tmp_path) / "lobby.yaml"
    path.write_text(GOOD, "utf-8")
    watch = ConfigWatch(path, lambda config: config)
    watch.start()
    path.write_text(named("A"), "utf-8")
    watch.hurry()
    edit = None
    for _ in range(100):
        if edit := watch.take():
            break
        watch._stop.wait(0.1)
    watch.stop()
    assert edit is not None
    assert edit.config.device.name == "A"
