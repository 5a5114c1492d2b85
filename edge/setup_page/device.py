"""What the page may know of the running device and do to it: callables, safe from any thread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.calibration import Conditions
from edge.config import Config
from edge.file_state import FileState
from edge.line_findings import DoctorSettings
from edge.messages import Health
from edge.panel import Panel


@dataclass(frozen=True, slots=True)
class Device:
    """The running service as the page sees it.

    file: the config file, None where the service was started without one. current: the config
    in force. file_state: how the file stands to it.
    """

    file: Path | None
    current: Callable[[], Config]
    panel: Panel
    health: Callable[[], Health | None]
    connected: Callable[[], bool]
    conditions: Callable[[], Conditions]
    doctor: Callable[[], DoctorSettings]
    now_ms: Callable[[], int]
    waits_for_time: Callable[[], bool] = lambda: False
    file_state: Callable[[], FileState] = FileState
    is_closed: Callable[[], bool] = lambda: False
    confirm_view: Callable[[], None] = lambda: None
