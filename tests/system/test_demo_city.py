"""`scripts/demo --city`, in little: every story of the city shows in its report."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_story_shows_in_the_report(tmp_path):
    command = [sys.executable, "scripts/demo_city.py", "--centres", "9"]
    done = subprocess.run(
        [*command, "--database", f"sqlite:///{tmp_path}/city.db"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "site-003 unpaid: not_rated coverage" in done.stdout
    assert "site-006 long_outage: not_rated coverage" in done.stdout
    assert done.stdout.count("report made") == 2
