"""Alerts handed to a command of the operators' own, which sends them by SMS or to a chat.

It gets `{"v": "1.0", "alerts": [...]}` on its standard input, at most 100 at a time, and has
30 s. They are handed on again until it ends with 0, so after a crash one may come twice: the
`id` of an alert and its `state` are the same then.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any

from edge.errors import BadInputError
from evaluation.alert_store import as_dict, mark_told, to_tell
from evaluation.database import Database
from evaluation.errors import CommandError
from evaluation.fleet_facts import placed

VERSION = "1.0"
LIMIT_S = 30.0
AT_A_TIME = 100
EXAMPLE = "--on-alert '/usr/local/bin/send-sms --to 13800000000'"
POLL_S = 0.1
# The signals that this process blocks would else be blocked in the command for ever.
_UNBLOCKED = (
    "import os, signal, sys; signal.pthread_sigmask(signal.SIG_SETMASK, []);"
    " os.execvp(sys.argv[1], sys.argv[1:])"
)


class AlertCommand:
    """A command line without a shell. Raises BadInputError where there is no such program."""

    def __init__(self, line: str, limit_s: float = LIMIT_S) -> None:
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise BadInputError(f"--on-alert {line}: {error}; e.g. {EXAMPLE}") from None
        if not self._words or shutil.which(self._words[0]) is None:
            raise BadInputError(
                f"--on-alert {line}: there is no such program that can be run; e.g. {EXAMPLE}"
            )
        self._limit_s = limit_s

    def run(self, text: str, stop: threading.Event) -> None:
        """Run it once with a text on its standard input. Raises CommandError."""
        with tempfile.TemporaryFile() as given:  # a pipe could be left unread
            given.write(text.encode())
            given.seek(0)
            process = subprocess.Popen(  # noqa: S603  it is the operator's own
                [sys.executable, "-c", _UNBLOCKED, *self._words],
                stdin=given,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        code = self._wait(process, stop)
        if code != 0:
            reason = f"has no more than {self._limit_s:.0f} s" if code is None else f"ended: {code}"
            raise CommandError(f"--on-alert {self._words[0]}: {reason}")

    def _wait(self, process: "subprocess.Popen[bytes]", stop: threading.Event) -> int | None:
        """Return the exit code; None when it was killed with all that it had started."""
        until = time.monotonic() + self._limit_s
        while process.poll() is None:
            if time.monotonic() > until or stop.wait(POLL_S):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return None
        return process.returncode


def hand_over(
    database: Database, command: AlertCommand, stop: threading.Event, only_tenant: str | None = None
) -> int:
    """Hand on what is new; return how many alerts. Raises StoreError and CommandError."""
    now_ms = time.time_ns() // 1_000_000
    with database.reading() as connection:
        alerts = to_tell(connection, now_ms, AT_A_TIME, only_tenant)
        places = {each: placed(connection, each, now_ms) for each in {a.tenant for a in alerts}}
    if not alerts:
        return 0
    command.run(_text([as_dict(each, places[each.tenant]) for each in alerts]), stop)
    mark_told(database, alerts)
    return len(alerts)


def _text(alerts: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"v": VERSION, "alerts": alerts}, ensure_ascii=False)
