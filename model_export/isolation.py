"""Keeps an export to itself: no telemetry, nothing installed or downloaded, no code from weights.

ultralytics sends usage events, installs packages it misses, fetches weights by name and unpickles
them. Its own switches are set before it is imported, and the process may open no connection.
"""

import atexit
import os
import shutil
import sys
import tempfile
from typing import Any

from model_export.errors import ExportError

SWITCHES = {
    "YOLO_OFFLINE": "true",  # no usage events
    "YOLO_AUTOINSTALL": "false",  # no pip
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",  # weights may name known classes only
}
"""In words: versions of ultralytics before 8.4.81 take no other for yes."""
_EVENTS = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}
_LOCAL = 1
"""AF_UNIX: between processes of this machine."""


def isolate() -> None:
    """Call this first; it holds for the rest of the process."""
    settings = tempfile.mkdtemp(prefix="lobbycount-export-")
    atexit.register(shutil.rmtree, settings, ignore_errors=True)
    os.environ.update(SWITCHES, YOLO_CONFIG_DIR=settings)
    sys.addaudithook(_refuse_connections)


def _refuse_connections(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS and getattr(arguments[0], "family", None) != _LOCAL:
        raise ExportError(f"an export opens no connection, but something asked for one ({event})")
