"""Chores go on whatever fails, and their heartbeats say that they do."""

import threading

from structlog.testing import capture_logs

from evaluation import chores
from evaluation.chores import Chore, Pulse
from evaluation.errors import StoreError


def run(work, rounds, pulse=None, every_s=0.0):
    """Let a chore go round so often; return its log."""
    stop, done = threading.Event(), []

    def counted(event):
        done.append(1)
        if len(done) == rounds:
            stop.set()
        return work(len(done), event)

    with capture_logs() as log:
        Chore("days", counted, every_s, pulse or Pulse()).run(stop)
    assert len(done) == rounds
    return log


def test_what_fails_is_tried_again(monkeypatch):
    monkeypatch.setattr(chores, "RETRY_MIN_S", 0.001)

    def work(n, _):
        if n == 1:
            raise StoreError("away")
        if n == 2:
            raise KeyError("nobody thought of this")
        return {"days": n}

    pulse = Pulse()
    log = run(work, 3, pulse)
    assert [(each["event"], each.get("reason")) for each in log] == [
        ("not done", "away"),
        ("failed in a way nobody thought of", None),
    ]
    assert beaten(pulse)[0]["days"] == 3


def beaten(pulse):
    with capture_logs() as log:
        pulse.report()
    return log


def test_a_heartbeat_says_what_was_done_since_the_last():
    pulse = Pulse()
    pulse.beat("messages", {"states": 2, "registers": 0})
    pulse.beat("messages", {"states": 3})
    [line] = beaten(pulse)
    assert (line["event"], line["states"]) == ("watching", 5)
    assert "registers" not in line
    assert 0 <= line["rounds_s_ago"]["messages"] < 60
    [line] = beaten(pulse)
    assert "states" not in line


def test_a_part_that_hangs_is_named():
    pulse = Pulse(hangs_after_s=-1.0)
    pulse.beat("alerts")
    pulse.beat("days")
    assert [each["part"] for each in beaten(pulse)[1:]] == ["alerts", "days"]
