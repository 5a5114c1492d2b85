"""A process of the backend that is held for a while (Ctrl-Z, a debugger) goes on afterwards."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluation.service import POLL_S

WORK = """
from evaluation.service import until_stopped

def beat(stop):
    while not stop.wait(0.01):
        print("beat", flush=True)
    print("told", flush=True)

until_stopped(beat)
"""
LIMIT_S = 30.0


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE, text=True) as own:
        yield own
        own.kill()


def is_held(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def wait_until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to this"
        time.sleep(0.005)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_on_and_can_still_be_ended(process, ending):
    assert process.stdout.readline() == "beat\n"
    for _ in range(2):
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_held(process.pid))
        over = time.monotonic() + POLL_S
        wait_until(lambda over=over: time.monotonic() > over)
        process.send_signal(signal.SIGCONT)
        # What it had written before it was held may lie in the pipe; that is under 100 lines.
        for _ in range(100):
            assert process.stdout.readline() == "beat\n"
    process.send_signal(ending)
    assert process.stdout.read().splitlines()[-1] == "told"
    assert process.wait(LIMIT_S) == 0
