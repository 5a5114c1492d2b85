"""`lobbycount privacy-check`: every promise held against this unit, and what is said of it."""

import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.adapters.data_folder import OUTBOX_FILE
from edge.adapters.health import STALE_AFTER_S, read_report
from edge.adapters.proc import Process
from edge.adapters.stored import journal_of, log_end
from edge.config import Config
from edge.errors import BadInputError, LobbyCountError
from edge.privacy_data import look_at_folder, look_at_log, no_log
from edge.privacy_findings import looks_of, not_probed
from edge.privacy_probe import probe
from edge.privacy_promises import Said
from edge.privacy_running import (
    log_files,
    log_goes_to,
    look_at_links,
    look_at_processes,
    not_running,
    processes_of,
)
from edge.privacy_settings import (
    allowed_links,
    look_at_settings,
    look_at_software,
    secrets_of,
)
from edge.privacy_verdicts import Look, Outcome, Verdict, verdicts

WATCH_S = 5.0
_MARKS = {
    Outcome.KEPT: "✓ 通过 pass   ",
    Outcome.BROKEN: "✗ 违反 FAIL   ",
    Outcome.NOT_RUN: "? 未查 not run",
}


def check(
    config: Config, file: Path, *, watch_s: float = WATCH_S, probes: bool = True
) -> list[Verdict]:
    """Look at everything and return a verdict for each promise. Takes half a minute.

    file: the config file itself. watch_s: how long connections are watched.
    """
    return verdicts(
        [
            *look_at_settings(config, file),
            *look_at_software(config),
            *look_at_unit(config, watch_s=watch_s),
            *(_probed(config) if probes else not_probed(Said("已跳过", "left out"))),
        ]
    )


def look_at_unit(config: Config, *, watch_s: float) -> list[Look]:
    """Look at the data folder and at the service that runs on it."""
    data, hidden = config.records.data_dir, secrets_of(config)
    looks = _stored(config, hidden)
    pid, why = _service(data)
    processes = processes_of(pid) if pid else []
    if pid is None or not processes:
        gone = why or Said("服务没有运行", "the service is not running")
        return [*looks, *not_running(gone), *no_log(gone)]
    allowed, unresolved = allowed_links(config)
    return [
        *looks,
        *look_at_processes(processes, data),
        *look_at_links(
            pid, allowed, config.setup_page.port, watch_s=watch_s, unresolved=unresolved
        ),
        *_logs(processes, hidden),
    ]


def as_json(found: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return verdicts for programs."""
    return [
        {
            "promise": verdict.promise.id,
            "outcome": str(verdict.outcome),
            "said": {"zh": verdict.promise.said.zh, "en": verdict.promise.said.en},
            "looks": [
                {
                    "at": _both(look.at),
                    "problems": [_both(problem) for problem in look.problems],
                    "not_run": None if look.not_run is None else _both(look.not_run),
                }
                for look in verdict.looks
            ],
        }
        for verdict in found
    ]


def as_text(found: Sequence[Verdict]) -> list[str]:
    """Return verdicts for people, Chinese first, what was looked at under each."""
    lines = []
    for verdict in found:
        lines.append(f"{_MARKS[verdict.outcome]} {verdict.promise.said.zh}")
        lines.append(f"                {verdict.promise.said.en}")
        for look in verdict.looks:
            lines += [f"    ✗ {_joined(problem)}" for problem in look.problems]
            if look.not_run is not None:
                lines.append(f"    ? {_joined(look.at)}: {_joined(look.not_run)}")
            elif not look.problems:
                lines.append(f"    · {_joined(look.at)}")
    count = [sum(v.outcome is each for v in found) for each in Outcome]
    lines.append(
        f"{count[0]} 项通过，{count[1]} 项违反，{count[2]} 项未查"
        f" / {count[0]} kept, {count[1]} broken, {count[2]} not run"
    )
    return lines


def _stored(config: Config, hidden: Sequence[str]) -> list[Look]:
    data = config.records.data_dir
    if not data.is_dir():
        why = Said("还没有数据目录", "there is no data folder yet")
        return [Look("pictures-not-stored", Said(str(data), str(data)), not_run=why)]
    return look_at_folder(data, data / OUTBOX_FILE, hidden)


def _service(data: Path) -> tuple[int | None, Said | None]:
    """Return the process of the service that writes the health file, or why there is none."""
    try:
        report, age_s = read_report(data)
    except BadInputError as error:
        return None, Said("服务没有运行过", str(error))
    command = b""
    with suppress(OSError):
        command = Path(f"/proc/{report.pid}/cmdline").read_bytes()
    if b"run" not in command or age_s > STALE_AFTER_S:
        text = f"the service is not running (process {report.pid}, {age_s:.0f} s ago)"
        return None, Said(f"服务没有运行（进程 {report.pid}）", text)
    return report.pid, None


def _logs(processes: Sequence[Process], hidden: Sequence[str]) -> list[Look]:
    looks: list[Look] = []
    for file in log_files(processes):
        try:
            looks += look_at_log(log_end(file), str(file), hidden)
        except OSError as error:
            why = Said(f"{file} 读不了", f"{file} cannot be read ({error.strerror})")
            looks += no_log(why)
    match log_goes_to(processes):
        case "hidden":
            looks += no_log(Said("看不到日志去向，请用 sudo 运行", "it cannot be found; use sudo"))
        case "pipe":
            looks += no_log(Said("日志由其他程序接收，请在那里查看", "another program takes it"))
        case "journal":
            text = journal_of(processes[0].pid)
            why = Said("读不了系统日志，请用 sudo 运行", "the journal cannot be read; use sudo")
            looks += no_log(why) if text is None else look_at_log(text, "journal", hidden)
    return looks


def _probed(config: Config) -> list[Look]:
    with tempfile.TemporaryDirectory(prefix="privacy-check-") as folder:
        try:
            found = probe(config, Path(folder), secrets.randbits(31))
            return looks_of(found, OUTBOX_FILE)
        except LobbyCountError as error:
            return not_probed(Said(f"试运行失败（{error}）", f"the run failed ({error})"))


def _both(said: Said) -> dict[str, str]:
    return {"zh": said.zh, "en": said.en}


def _joined(said: Said) -> str:
    return said.zh if said.zh == said.en else f"{said.zh} / {said.en}"
