"""What the machine and the process look like, and the health file other tools read.

python -m edge.adapters.health FOLDER      exit code 1, with the reason, while nobody is counted

For a container's health check, which asks all day: a tenth of what the verb `health` takes.
"""

import json
import os
import resource
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from edge.errors import BadInputError
from edge.view_words import ADVICE

FILE_NAME = "health.json"
STALE_AFTER_S = 60.0
_SEES_PEOPLE = frozenset({"ok", "dark"})
"""Dark is every evening, when the lights go out behind the last person."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The state of a running device, as `lobbycount health` shows it. No picture, no track."""

    written_at: str
    pid: int
    frames: int
    fps: float | None
    detect_ms: float | None
    frames_dropped: int
    video: str
    queue: int
    unsaved: int
    time: str
    waits_for_time: bool
    outbox_trouble: str | None
    broker: str
    last_error: str | None
    memory_mb: float | None
    disk_free_mb: float | None
    temperature_c: float | None
    config_over_mqtt: str | None = None
    """The rev of the config in force that came over MQTT; None: the file is in force."""
    config_trouble: str | None = None
    """What is wrong with the config file, or waits for a restart; None when it is in force."""
    fps_target: float | None = None
    fps_asked: float | None = None
    slowed: str | None = None
    """Why fewer pictures are asked for than wanted; see `notes`."""
    looked: float | None = None
    """Share of pictures in which the detector looked; in the others nothing had changed."""

    def notes(self) -> list[str]:
        """Return what is worth knowing though the device does its job, in words."""
        if self.slowed is None:
            return []
        advice = {
            "hot": "the board is hot: does air reach it? 设备过热，请检查通风",
            "overload": "a picture takes too long: lower camera.fps or the camera's resolution"
            " 处理不过来，请降低帧率或分辨率",
        }
        why = advice.get(self.slowed, self.slowed)
        return [f"{self.fps_asked:g} of {self.fps_target:g} pictures a second; {why}"]

    def not_counting(self, age_s: float) -> list[str]:
        """Return why people are not counted now, in words; what only delays is left out."""
        found = []
        if age_s > STALE_AFTER_S:
            found.append(f"the service has not reported for {age_s:.0f} s: is it running?")
        if self.video not in _SEES_PEOPLE:
            found.append(self._no_picture())
        if self.unsaved:
            found.append(f"{self.unsaved} intervals could not be stored: is the disk full?")
        return found

    def _no_picture(self) -> str:
        return f"no healthy picture: {self.video}{_advice(self.video)}"

    def problems(self, age_s: float) -> list[str]:
        """Return what is wrong, in words; empty when the device does its job."""
        found = self.not_counting(age_s)
        if self.video != "ok" and self.video in _SEES_PEOPLE:
            found.append(self._no_picture())
        if self.waits_for_time:
            found.append(
                "the clock is not set, intervals wait for their dates:"
                " is a time server reachable? Or vouch for the clock with device.clock: rtc"
            )
        if self.outbox_trouble:
            found.append(self.outbox_trouble)
        if self.config_trouble:
            found.append(self.config_trouble)
        if self.last_error:
            found.append(f"nothing is being delivered: {self.last_error}")
        return found


def _advice(video: str) -> str:
    """Return what to do about it, where somebody at the camera can."""
    words = {str(reason): advice for reason, advice in ADVICE.items()}.get(video)
    return f"; {words.en} {words.zh}" if words else ""


def write_report(folder: Path, report: HealthReport) -> None:
    """Replace the health file in one step, so that a reader never sees half of one."""
    path = folder / FILE_NAME
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(asdict(report), ensure_ascii=False), encoding="utf-8")
    draft.replace(path)


def read_report(folder: Path) -> tuple[HealthReport, float]:
    """Read the health file of a device and its age in seconds.

    Raises BadInputError when there is none.
    """
    path = folder / FILE_NAME
    try:
        report = HealthReport(**json.loads(path.read_text(encoding="utf-8")))
        return report, time.time() - path.stat().st_mtime
    except (OSError, ValueError, TypeError) as error:
        raise BadInputError(
            f"{path}: no health report there ({type(error).__name__});"
            " is `lobbycount run` running with this config?"
        ) from error


def peak_memory_mb() -> float:
    """Return the peak resident memory of this process and its children, in MB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + children) / 1024


def memory_mb() -> float:
    """Return the resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def disk_free_mb(folder: Path) -> float:
    """Return the free space where the outbox lives, in MB."""
    return shutil.disk_usage(folder).free / 1e6


def main(folder: str) -> None:
    """Tell whether the device with this data folder counts people; exit code 1 when it does not."""
    try:
        report, age_s = read_report(Path(folder))
    except BadInputError as error:
        sys.exit(str(error))
    if reasons := report.not_counting(age_s):
        sys.exit("; ".join(reasons))
    sys.stdout.write(f"counting, {report.frames} pictures, broker {report.broker}\n")


if __name__ == "__main__":
    main(sys.argv[1])
