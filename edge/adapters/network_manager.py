"""NetworkManager is told that its files have changed."""

import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress

_WAIT_S = 20
"""For an address of a connection; it goes on trying by itself."""


def has_network_manager() -> bool:
    """Whether there is one to hand connections to."""
    return shutil.which("nmcli") is not None


def reload_connections(names: Iterable[str]) -> None:
    """Ask it to read its files, to use the radio and to change over to these connections.

    Without the last step what is up already, such as its own try of DHCP, would stay up until the
    next boot. Where it is not running, or there is no such device, it does so later or never.
    """
    program = shutil.which("nmcli")
    up = [("--wait", str(_WAIT_S), "connection", "up", "id", name) for name in names]
    for words in (("connection", "reload"), ("radio", "wifi", "on"), *up):
        if program is not None:
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(  # noqa: S603  fixed words
                    [program, *words], check=False, capture_output=True, timeout=_WAIT_S + 10
                )
