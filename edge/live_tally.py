"""Counting by key press beside a running device: i in, o out, u undo, q finish."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from shlex import quote

from edge.adapters import health as machine
from edge.adapters.keyboard import Keyboard, open_keyboard
from edge.assembly import configured_lines
from edge.audit import DIRECTIONS
from edge.config import Config
from edge.errors import BadInputError, LobbyCountError
from edge.sealing import iso_utc
from edge.tally import Tally, parse_tally
from edge.tally_file import TallyFile
from edge.vocabulary import Line, Outcome

_REFRESH_S = 1.0
_KEYS = {"i": Outcome.IN, "o": Outcome.OUT}
_SIGNS = {Outcome.IN: "进 in", Outcome.OUT: "出 out"}
_CLEAR = "\r\x1b[K"


class LiveTally:
    """One person, one line, one terminal."""

    def __init__(
        self,
        keyboard: Keyboard,
        tally: TallyFile,
        line: Line,
        *,
        interval_ms: int,
        now_ms: Callable[[], int],
        write: Callable[[str], None],
    ) -> None:
        self._keyboard, self._tally, self._line = keyboard, tally, line
        self._interval_ms, self._now_ms, self._write = interval_ms, now_ms, write

    def count(self) -> None:
        """Take keys until q.

        Raises KeyboardInterrupt or EOFError when it is cut off; every key is in the file
        then, but nobody knows how long the line was watched after the last one.
        """
        self._write(self._prompt())
        last = ""
        while True:
            self._write(f"{_CLEAR}{self._status()}{last}")
            for key in self._keyboard.keys(_REFRESH_S).lower():
                if key == "q":
                    self._tally.end()
                    self._write("\n")
                    return
                last = f"  | {self._taken(key)}"

    def _taken(self, key: str) -> str:
        if key in _KEYS:
            mark = self._tally.add(_KEYS[key])
            return f"{_SIGNS[mark.direction]} {iso_utc(mark.at_ms)[11:19]}Z"
        if key == "u":
            undone = self._tally.undo()
            return (
                f"已撤销 undone: {_SIGNS[undone.direction]}"
                if undone
                else "无可撤销 nothing to undo"
            )
        return "按 press i, o, u, q"

    def _prompt(self) -> str:
        minutes = self._interval_ms // 60_000
        named = f"{self._line.id} {self._line.name}".rstrip()
        return (
            f"现场计数 Live tally: {named}\n"
            "  i 进 in    o 出 out    u 撤销 undo    q 结束 finish\n"
            "  每越线一次按一次键，折返算一进一出。\n"
            "  One key per crossing; there and back again is one in and one out.\n"
            f"  只比较完整的 {minutes} 分钟时段。"
            f"Only whole intervals of {minutes} min are compared.\n"
            f"  已存 saved to {self._tally.path}\n"
        )

    def _status(self) -> str:
        marks = self._tally.marks
        counts = "  ".join(
            f"{_SIGNS[d]} {sum(mark.direction is d for mark in marks)}" for d in DIRECTIONS
        )
        whole, wait_ms = self._intervals()
        minutes, seconds = divmod(ceil(wait_ms / 1000), 60)
        return f"{counts}  完整时段 intervals {whole} (+1: {minutes}:{seconds:02d})"

    def _intervals(self) -> tuple[int, int]:
        """Return how many whole intervals were watched, and how long the next one takes."""
        first_ms = ceil(self._tally.began_ms / self._interval_ms) * self._interval_ms
        now_ms = self._now_ms()
        whole = max(0, (now_ms - first_ms) // self._interval_ms)
        return whole, first_ms + (whole + 1) * self._interval_ms - now_ms


def count_live(
    config: Config, path: Path | None, wanted: Sequence[str], now_ms: Callable[[], int], again: str
) -> Tally:
    """Tally one line by key press into a file until q.

    again: what else `lobbycount audit FILE` needs to evaluate it another time.
    Raises LobbyCountError, with the place of the file, when it is cut off.
    """
    lines = {line.id: line for line in configured_lines(config)}
    chosen = list(wanted) or list(lines)
    if len(chosen) != 1:
        raise BadInputError(
            f"--live: one person counts one line, and this config has {', '.join(chosen)};"
            f" choose one, e.g. --line {chosen[0]}"
        )
    _check_running(config.records.data_dir)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%SZ")
    file = path or Path(f"tally-{chosen[0]}-{stamp}.csv")
    with open_keyboard() as keyboard, TallyFile(file, chosen[0], now_ms) as tally:
        live = LiveTally(
            keyboard,
            tally,
            lines[chosen[0]],
            interval_ms=config.records.interval_min * 60_000,
            now_ms=now_ms,
            write=_to_terminal,
        )
        try:
            live.count()
        except (KeyboardInterrupt, EOFError):
            raise LobbyCountError(
                f"\n{file}: the counting was cut off; {len(tally.marks)} crossings are kept there"
                " and the line counts as watched until the last of them;"
                f" evaluate them with lobbycount audit {quote(str(file))}{again}"
            ) from None
    if not tally.marks:
        raise BadInputError(
            f"{file}: the tally is empty, so nothing can be compared;"
            " count while people pass, one key each, and press q at the end"
        )
    sys.stderr.write(f"again 再次评估: lobbycount audit {quote(str(file))}{again}\n")
    return parse_tally(file, file.read_bytes(), list(lines))


def _check_running(folder: Path) -> None:
    report, age_s = machine.read_report(folder)
    if age_s > machine.STALE_AFTER_S:
        raise BadInputError(
            f"{folder}: the device last reported {age_s:.0f} s ago, so there would be nothing"
            " to compare with; start it, e.g. sudo systemctl start lobbycount"
        )
    if report.video != "ok":
        sys.stderr.write(f"设备没有正常画面 the device has no healthy picture: {report.video}\n")


def _to_terminal(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
