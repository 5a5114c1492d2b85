"""Keeps an export to itself: no telemetry, nothing installed or downloaded, no code from weights.

ultralytics sends usage events, installs packages it misses, fetches weights by name and unpickles
them. Its own switches are set before it is imported, the process may open no connection, and from
when weights are loaded it may start no other process.

This holds for what Python does. It is no sandbox: native code raises no audit events.
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
_CONNECTIONS = {
    *("socket.connect", "socket.sendto", "socket.sendmsg"),
    *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"),
}
_PROCESSES = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn"),
    *("os.fork", "os.forkpty", "pty.spawn"),
}
_LOCAL = 1
"""AF_UNIX: between processes of this machine."""


def isolate() -> None:
    """Call this before ultralytics is imported; it holds for the rest of the process."""
    settings = tempfile.mkdtemp(prefix="lobbycount-export-")
    atexit.register(shutil.rmtree, settings, ignore_errors=True)
    os.environ.update(SWITCHES, YOLO_CONFIG_DIR=settings)
    sys.addaudithook(_refuse_connections)


def refuse_processes() -> None:
    """Call this before weights are loaded, and after what needs processes.

    Those are torch and ultralytics while they are imported, and a recording, which a child reads.
    """
    sys.addaudithook(_refuse_processes)


def _refuse_processes(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _PROCESSES:
        raise ExportError(f"an export starts no process, but something asked for one ({event})")


def _refuse_connections(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTIONS and getattr(arguments[0], "family", None) != _LOCAL:
        raise ExportError(f"an export opens no connection, but something asked for one ({event})")
