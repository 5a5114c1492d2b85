"""Tally mode: somebody at the door counts on a phone beside the device, then both are compared.

One tally at a time; it lives here, not in the browser, and every crossing is on the disk. What
comes of it is what `lobbycount audit` says and writes.
"""

import threading
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from edge.audit import DIRECTIONS
from edge.audit_intervals import unrecorded
from edge.audit_records import (
    audit_by_intervals,
    calibration_records,
    keep,
    stored_records,
)
from edge.audit_report import AuditResult
from edge.config import Config
from edge.config_sections import find_time_zone
from edge.errors import BadInputError, LobbyCountError
from edge.sealing import iso_utc
from edge.setup_page.answers import Refusal
from edge.setup_page.device import Device
from edge.setup_page.tally_words import nothing_usable, too_short, undecided, verdict
from edge.tally import Tally, parse_tally
from edge.tally_file import TallyFile
from edge.vocabulary import Outcome

VALID_DAYS = 365
STORED_WITHIN_MS = 60_000
"""Sooner after its end the record of an interval may still be missing."""
RETRY_S = 10


class _Made:
    """The tally that is being made, or was made last."""

    def __init__(self, file: TallyFile, config: Config, line: str, by: str) -> None:
        self.file, self.line, self.by = file, line, by
        self.lines = [section.id for section in config.lines]
        self.interval_ms = config.records.interval_min * 60_000
        self.running = True
        self.verdict: dict[str, Any] | None = None


class TallyDesk:
    """The one tally of this device; every thread may use it. Its errors are Refusals."""

    def __init__(self, device: Device) -> None:
        self._device, self._lock = device, threading.Lock()
        self._made: _Made | None = None

    def state(self) -> dict[str, Any] | None:
        """Return how far it is, with the verdict when there is one; None before the first."""
        with self._lock:
            return None if self._made is None else self._state(self._made)

    def start(self, line: str, by: str) -> dict[str, Any]:
        """Begin a tally of a line, in a file in the data folder."""
        with self._lock:
            if self._made is not None and self._made.running:
                raise Refusal(
                    409,
                    f"正在计数：{self._made.line}（{self._made.by}），请先结束",
                    f"A tally of {self._made.line} by {self._made.by} is being made; stop it first",
                    result="one at a time",
                )
            config = self._device.current()
            if line not in {section.id for section in config.lines}:
                known = ", ".join(section.id for section in config.lines)
                raise Refusal(
                    422,
                    f"没有计数线 {line}；现有 {known}",
                    f"There is no line {line}; there is {known}",
                    result="bad input",
                )
            try:
                file = TallyFile(self._path(config, line), line, self._device.now_ms)
                file.path.chmod(0o600)
            except (BadInputError, OSError) as error:
                raise _failed(error) from error
            self._made = _Made(file, config, line, by)
            return self._state(self._made)

    def mark(self, direction: Outcome) -> dict[str, Any]:
        """Note a crossing now."""
        with self._lock:
            made = self._running()
            try:
                made.file.add(direction)
            except BadInputError as error:
                raise _failed(error) from error
            return self._state(made)

    def undo(self) -> dict[str, Any]:
        """Take the last crossing back, if there is one."""
        with self._lock:
            made = self._running()
            try:
                made.file.undo()
            except BadInputError as error:
                raise _failed(error) from error
            return self._state(made)

    def stop(self) -> dict[str, Any]:
        """End the tally and compare it; return the verdict. May be repeated."""
        with self._lock:
            made = self._made
            if made is None:
                raise _none()
            if made.verdict is None:
                made.verdict = self._ended(made)
            return made.verdict

    def close(self) -> None:
        """Let go of the file; a tally that was not stopped stays there, for `lobbycount audit`."""
        with self._lock:
            if self._made is not None:
                self._made.file.close()
                self._made.running = False

    def _running(self) -> _Made:
        if self._made is None or not self._made.running:
            raise _none()
        return self._made

    def _ended(self, made: _Made) -> dict[str, Any]:
        """Evaluate; nothing decided about an empty tally, or when nothing can be compared."""
        try:
            if made.running:
                made.file.end()
                made.file.close()
                made.running = False
            if not made.file.marks:
                made.file.path.unlink(missing_ok=True)
                return undecided(
                    "没有记录任何越线，无法比较",
                    "Nobody was tallied, so nothing can be compared",
                )
            tally = parse_tally(made.file.path, made.file.path.read_bytes(), made.lines)
            config = self._device.current()
            self._wait_for_records(config, tally, made.interval_ms)
            result = self._compared(config, tally, made.by)
        except BadInputError as error:
            return self._not_compared(made, error)
        except (LobbyCountError, OSError) as error:
            raise _failed(error) from error
        return verdict(result, made.file.path.name)

    def _not_compared(self, made: _Made, error: BadInputError) -> dict[str, Any]:
        ended_ms, file = made.file.ended_ms, made.file.path
        if ended_ms is not None and _whole(made, ended_ms):
            return nothing_usable(error, file, made.interval_ms)
        time_zone = find_time_zone(self._device.current().device.time_zone)
        return too_short(self._device.now_ms(), time_zone, file, made.interval_ms)

    def _compared(self, config: Config, tally: Tally, by: str) -> AuditResult:
        result = audit_by_intervals(config, self._device.conditions(), [tally])
        result.records = calibration_records(
            result, [tally], by=by, valid_days=VALID_DAYS, now_ms=self._device.now_ms()
        )
        keep(config.records.data_dir, result)
        return result

    def _wait_for_records(self, config: Config, tally: Tally, interval_ms: int) -> None:
        gaps = unrecorded(stored_records(config), tally.watches, interval_ms)
        if any(self._device.now_ms() - gap.to_ms < STORED_WITHIN_MS for gap in gaps):
            raise Refusal(
                409,
                f"计数已结束，最后一个时段正在保存，请 {RETRY_S} 秒后再点“结束”",
                f"It has ended; its last interval is being stored, so stop again in {RETRY_S} s",
                result="not stored yet",
                more={"retry_after_s": RETRY_S},
            )

    def _state(self, made: _Made) -> dict[str, Any]:
        now_ms = self._device.now_ms()
        whole = _whole(made, now_ms)
        next_ms = _first_ms(made) + (whole + 1) * made.interval_ms
        return {
            "line": made.line,
            "by": made.by,
            "running": made.running,
            "began_at": iso_utc(made.file.began_ms),
            **{str(d): sum(m.direction is d for m in made.file.marks) for d in DIRECTIONS},
            "whole_intervals": whole,
            "next_interval_s": ceil((next_ms - now_ms) / 1000),
            "interval_min": made.interval_ms // 60_000,
            "verdict": made.verdict,
        }

    def _path(self, config: Config, line: str) -> Path:
        began = datetime.fromtimestamp(self._device.now_ms() / 1000, UTC)
        return config.records.data_dir / f"tally-{line}-{began:%Y%m%d-%H%M%SZ}.csv"


def _first_ms(made: _Made) -> int:
    """Return when the first interval of the device begins that was watched from its beginning."""
    return ceil(made.file.began_ms / made.interval_ms) * made.interval_ms


def _whole(made: _Made, until_ms: int) -> int:
    """Return how many whole intervals were watched until then."""
    return max(0, (until_ms - _first_ms(made)) // made.interval_ms)


def _none() -> Refusal:
    return Refusal(409, "没有正在进行的计数", "No tally is being made", result="no tally")


def _failed(error: Exception) -> Refusal:
    return Refusal(503, "计数无法保存：磁盘是否已满？", str(error), result="not stored")
