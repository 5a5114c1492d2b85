"""NetworkManager is told that its files have changed."""

import shutil
import subprocess


def reload_connections() -> None:
    """Ask it to read its files and to use the radio; where it is not running it does so later."""
    program = shutil.which("nmcli")
    for words in (("connection", "reload"), ("radio", "wifi", "on")):
        if program is not None:
            subprocess.run(  # noqa: S603  fixed words
                [program, *words], check=False, capture_output=True, timeout=30
            )
