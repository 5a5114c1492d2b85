"""The demo as a visitor sees it: a real broker, bundled footage, what was received."""

import subprocess
import sys


def test_the_demo_receives_what_was_counted():
    command = [sys.executable, "scripts/demo.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Received, beside the ground truth" in done.stdout
    assert "error" not in done.stdout.replace("count error", "")
