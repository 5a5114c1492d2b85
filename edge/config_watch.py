"""The config file of a running service: noticed when it changes, read, checked and tried out.

All of it happens in a thread of its own, so that not even a hostile file holds up the counting;
that takes what was found between two pictures.
"""

import hashlib
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

import structlog

from edge.adapters.config_file import Fingerprint, fingerprint
from edge.config import Config, checked
from edge.config_errors import line_of, without_password
from edge.config_text import parse, read_text
from edge.errors import ConfigError, LobbyCountError, Mistake
from edge.file_state import FileState, Problem, problems_in

LOOK_S = 1.0
SETTLE_S = 1.0
"""So long a file must be left alone: an editor may save in two steps."""
SETTLE_REJECTED_S = 2.0
"""And so long before a mistake in it is told."""
TRY_AGAIN_S = 60.0
"""A rejected file is looked at again: what was missing may have come."""
_NAP_S = 0.2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Edit:
    """What a changed file says: a config that was tried out, or what is wrong with it."""

    config: Config | None
    problems: tuple[Problem, ...] = ()


class ConfigWatch:
    """Watches one file. `look` is for its own thread, `take` for the one that counts."""

    def __init__(
        self,
        path: Path,
        prove: Callable[[Config], Config],
        *,
        keep: Callable[[str], None] = lambda _: None,
        good: str | None = None,
        told: tuple[Problem, ...] = (),
        now: Callable[[], float] = monotonic,
    ) -> None:
        """Begin with the file as it is now.

        prove: tries a config out and returns it as it would be in force; raises what is wrong.
        keep: is given every text that was proved. good: the text in force; None: the file's.
        told: what is wrong with the file and known already.
        """
        self.path = path
        self._prove, self._keep, self._now = prove, keep, now
        self._found: deque[Edit] = deque(maxlen=1)
        self._hurry = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config", daemon=True)
        self._at = now()
        self._print: Fingerprint = fingerprint(path) if good is None else ""
        self._since, self._try_at = self._at, self._at + TRY_AGAIN_S
        self._content = _digest(good) if good is not None else self._read_digest()
        self._rejected = False
        self._told = told

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def hurry(self) -> None:
        """Look at once, whatever the file's age; callable from a signal handler."""
        self._hurry = True

    def take(self) -> Edit | None:
        """Return the last thing that was found and not taken yet."""
        try:
            return self._found.pop()
        except IndexError:
            return None

    def _run(self) -> None:
        while not self._stop.wait(_NAP_S):
            try:
                self.look(self._now())
            except Exception:
                _log.exception("config.watch_failed", file=str(self.path))

    def look(self, now: float) -> None:
        """Look at the file if it is time to, and find what has changed."""
        hurry, self._hurry = self._hurry, False
        if not hurry and now < self._at:
            return
        self._at = now + LOOK_S
        seen = fingerprint(self.path)
        if seen != self._print:
            self._print, self._since, self._try_at = seen, now, now
        if not hurry and (now < self._since + SETTLE_S or now < self._try_at):
            return
        self._consider(now, may_be_half=not hurry and now < self._since + SETTLE_REJECTED_S)

    def _consider(self, now: float, *, may_be_half: bool) -> None:
        self._try_at = float("inf")
        text, digest, edit = None, None, None
        try:
            text = read_text(self.path)
            digest = _digest(text)
            if digest == self._content and not self._rejected:
                return
            edit = Edit(self._prove(checked(self.path, text)))
        except LobbyCountError as error:
            edit = Edit(None, problems_of(self.path, error, text))
        except Exception as error:
            _log.exception("config.rehearsal_failed", file=str(self.path))
            what = type(error).__name__
            refusal = ConfigError(
                Mistake(
                    f"nobody can be counted with it ({what}); undo the last edit",
                    f"无法用它计数（{what}）；请撤销上一次修改",
                )
            )
            edit = Edit(None, problems_of(self.path, refusal, text))
        if edit.problems:
            self._reject(edit, digest, now, may_be_half=may_be_half)
            return
        self._content, self._rejected, self._told = digest, False, ()
        self._found.append(edit)
        if text is not None:
            self._keep(text)

    def _reject(self, edit: Edit, digest: str | None, now: float, *, may_be_half: bool) -> None:
        self._try_at = now + (LOOK_S if may_be_half else TRY_AGAIN_S)
        if may_be_half:
            return
        self._content, self._rejected = digest, True
        if edit.problems == self._told:
            return
        self._told = edit.problems
        state = FileState(str(self.path), edit.problems)
        said = {"errors": list(state.errors), "zh": list(state.chinese)}
        _log.error("config.rejected", file=str(self.path), **said)
        self._found.append(edit)

    def _read_digest(self) -> str | None:
        try:
            return _digest(read_text(self.path))
        except ConfigError:
            return None


def problems_of(path: Path, error: LobbyCountError, text: str | None) -> tuple[Problem, ...]:
    """Return what an error says of a file, each with its line and without a camera's password."""
    mistakes = error.mistakes if isinstance(error, ConfigError) else (_unforeseen(error),)
    found = problems_in(
        replace(m, en=without_password(m.en), zh=without_password(m.zh)) for m in mistakes
    )
    try:
        document = parse(path, text or "")
    except ConfigError:
        return found
    return tuple(replace(p, line=p.line if p.line > 1 else _line(document, p)) for p in found)


def _unforeseen(error: LobbyCountError) -> Mistake:
    return Mistake(str(error), f"不能使用：{error}")


def _line(document: object, problem: Problem) -> int:
    parts = re.findall(r"[^.\[\]]+", problem.path)
    return line_of(document, tuple(int(part) if part.isdigit() else part for part in parts))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
