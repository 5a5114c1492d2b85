"""What is said about the config file while the device counts: in force, waiting or rejected."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge.errors import Mistake

THE_FILE = "the file"
"""What stands for a setting where no single one is to blame."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the file: in which line, with which setting, and what works.

    text: in English, as it is published. zh: the same in Chinese.
    """

    line: int
    path: str
    text: str
    zh: str


@dataclass(frozen=True, slots=True)
class FileState:
    """How the file stands to what is in force.

    rejected: it cannot be used, `problems` say why, and what was in force before goes on.
    waiting: it is in force but for the settings in `waits`, which need a restart.
    """

    file: str = "lobby.yaml"
    problems: tuple[Problem, ...] = ()
    waits: tuple[str, ...] = ()

    @property
    def state(self) -> Literal["ok", "rejected", "waiting"]:
        """The one word for it."""
        return "rejected" if self.problems else "waiting" if self.waits else "ok"

    @property
    def errors(self) -> tuple[str, ...]:
        """Each problem as `file:line: path: what is wrong; what works`."""
        return tuple(f"{self.file}:{p.line}: {p.path}: {p.text}" for p in self.problems)

    @property
    def chinese(self) -> tuple[str, ...]:
        """The same in Chinese, without the file."""
        settings = [p.path if p.path != THE_FILE else "" for p in self.problems]
        told = zip(self.problems, settings, strict=True)
        return tuple(Mistake(p.text, p.zh, setting, p.line).chinese for p, setting in told)

    @property
    def words(self) -> str | None:
        """What an operator has to know, in one sentence; None when the file is in force."""
        if self.problems:
            more = f" (+{len(self.problems) - 1})" if len(self.problems) > 1 else ""
            return (
                "the config file has a mistake and is not in force, the last good one counts on"
                f" 配置文件有错未生效，继续按上一次正确的配置计数:"
                f" {self.errors[0]} {self.chinese[0]}{more}"
            )
        if self.waits:
            return (
                "takes effect at the next restart of the service"
                f" 重启服务后生效: {', '.join(self.waits)}"
            )
        return None


def problems_in(mistakes: Iterable[Mistake]) -> tuple[Problem, ...]:
    """Return mistakes as they are told of the running service; the line is 1 if not known."""
    return tuple(Problem(m.line or 1, m.setting or THE_FILE, m.en, m.zh) for m in mistakes)


def named(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the names of settings in a steady order."""
    return tuple(sorted(set(paths)))
