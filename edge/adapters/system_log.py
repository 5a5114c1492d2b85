"""The last lines that the service wrote to the system's journal."""

import os
import shutil
import subprocess

UNIT = "lobbycount*"
"""A pattern of journalctl: a machine with several cameras has a unit for each."""
_WITHIN_S = 30.0
_AS_IT_IS = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}


def last_lines(count: int, unit: str = UNIT) -> tuple[str, str | None]:
    """Return up to so many lines of the unit and, where there are none, why.

    They are as `journalctl` prints them, without the name of the machine.
    """
    program = shutil.which("journalctl")
    if program is None:
        return "", "there is no journalctl on this machine; the log is where the service writes it"
    command = [program, "--unit", unit, "--lines", str(count), "--no-pager", "--no-hostname"]
    try:
        done = subprocess.run(  # noqa: S603  a fixed command
            [*command, "--quiet", "--output", "short-iso"],
            capture_output=True,
            timeout=_WITHIN_S,
            check=False,
            env={**os.environ, **_AS_IT_IS},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"journalctl gave nothing ({type(error).__name__})"
    text, said = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    if text.strip() and not done.returncode:
        return text, None
    why = " ".join(said.split()) or (
        f"the journal has no line of {unit}; is the service installed,"
        " and may this user read the journal? Try with sudo"
    )
    return text, why
