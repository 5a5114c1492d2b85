"""`scripts/demo --city`, in little: every story of the city shows in its report and its pages."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from tests.system.pages_visitor import Visitor

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def test_every_story_shows_in_the_report_and_the_pages_are_served_until_ctrl_c(tmp_path):
    port = free_port()
    command = [sys.executable, "scripts/demo_city.py", "--centres", "9", "--serve", str(port)]
    demo = subprocess.Popen(
        [*command, "--database", f"sqlite:///{tmp_path}/city.db"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    late = threading.Timer(LIMIT_S, os.killpg, (demo.pid, signal.SIGKILL))
    late.start()
    said = []
    try:
        for line in demo.stdout:
            said.append(line)
            if "pages.open" in line:
                break
        told = "".join(said)
        login = re.search(rf"http://127.0.0.1:{port} .* user (\S+) .* password (\S+)", told)
        assert login, told[-3000:]
        visitor = Visitor(port)
        assert visitor.log_in(*login.groups()).status == 303
        league = visitor.get("/t/demo-city/2026-10")
        assert league.status == 200
        assert "site-009" in league.text
    finally:
        with suppress(ProcessLookupError):  # it has failed, and says why
            os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        said += demo.stdout
        demo.stdout.close()
        code = demo.wait(LIMIT_S)
        late.cancel()
    told = "".join(said)
    assert code == 0, told[-3000:]
    assert "Traceback" not in told
    assert "site-003 unpaid: not_rated coverage" in told
    assert "site-006 long_outage: not_rated coverage" in told
    assert told.count("report made") == 2
