"""The command that alerts are handed to: a real one, that works, fails, hangs or is stopped."""

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evaluation.alert_command import AlertCommand
from evaluation.errors import CommandError

LIMIT_S = 30.0
CHILD = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
open(sys.argv[1] + ".part", "w").write(str(child.pid))
import os; os.replace(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""


def command(folder, source, *arguments, **options):
    script = folder / "script.py"
    script.write_text(source, "utf-8")
    return AlertCommand(" ".join(map(str, (sys.executable, script, *arguments))), **options)


def ends(pid):
    """Whether it ends soon; a signal is on its way for a moment, longer on a busy machine."""
    deadline = time.monotonic() + LIMIT_S
    while not is_gone(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_gone(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    # A child that nobody waits for stays in the table until init has.
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_it_gets_the_text_on_its_input(tmp_path):
    source = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"
    command(tmp_path, source, tmp_path / "out").run("短信 " * 100_000, threading.Event())
    assert (tmp_path / "out").read_text("utf-8") == "短信 " * 100_000


def test_one_that_does_not_read_is_no_matter(tmp_path):
    command(tmp_path, "print('x' * 10**6)").run("x" * 10**6, threading.Event())


def test_one_that_fails_is_said_to(tmp_path):
    with pytest.raises(CommandError, match="ended: 3"):
        command(tmp_path, "raise SystemExit(3)").run("{}", threading.Event())


def test_one_that_hangs_is_ended(tmp_path):
    slow = command(tmp_path, "import time; time.sleep(600)", limit_s=0.3)
    with pytest.raises(CommandError, match="no more than 0 s"):
        slow.run("{}", threading.Event())


def test_when_the_service_stops_it_is_ended_with_all_that_it_started(tmp_path):
    stop, pid = threading.Event(), tmp_path / "pid"
    running = command(tmp_path, CHILD, pid, limit_s=600)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(running.run, "{}", stop)
        while not pid.exists() and not run.done():
            stop.wait(0.05)
        stop.set()
        with pytest.raises(CommandError):
            run.result()
    assert ends(int(pid.read_text("utf-8")))


def test_it_can_be_stopped_by_signals_though_the_service_waits_for_them(tmp_path):
    source = "import os, signal; os.kill(os.getpid(), signal.SIGTERM); raise SystemExit(0)"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with pytest.raises(CommandError, match="ended: -15"):
            command(tmp_path, source).run("{}", threading.Event())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
