"""What comes of a tally, for the page: the verdict, or why there is none and what to do."""

from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from edge.audit import Mode
from edge.audit_records import NothingToCompareError
from edge.audit_report import SCOPE, AuditResult, claim
from edge.errors import BadInputError


def verdict(result: AuditResult, file: str) -> dict[str, Any]:
    """Return what came of a tally that could be compared, with the name of its file."""
    scope_zh, _, scope_en = SCOPE[Mode.INTERVALS].partition("\n")
    return {
        "lines": [_judged(result, line) for line in result.judgements],
        "notes": result.notes,
        "scope": {"zh": scope_zh, "en": scope_en},
        "file": file,
        "error": None,
    }


def _judged(result: AuditResult, line: str) -> dict[str, Any]:
    judgement = result.judgements[line]
    zh, _, en = claim(line, judgement, sums=True).partition("\n")
    record = result.records.get(line)
    return {
        "line": line,
        "verdict": str(judgement.verdict),
        "zh": zh,
        "en": en,
        "n": judgement.n,
        "misses": judgement.misses,
        "false": judgement.false,
        "interval": [judgement.low, judgement.high],
        "more_needed": judgement.more,
        "intervals": result.intervals[line],
        "rows": [
            {"direction": str(row.direction), "tallied": row.tallied, "counted": row.counted}
            for row in result.rows
            if row.line == line
        ],
        "calibration": record["hash"] if record else None,
    }


def undecided(zh: str, en: str, file: str | None = None) -> dict[str, Any]:
    """Return that nothing came of it, and why."""
    error = {"zh": zh, "en": en}
    return {"lines": [], "notes": [], "scope": None, "file": file, "error": error}


def too_short(now_ms: int, time_zone: tzinfo, file: Path, interval_ms: int) -> dict[str, Any]:
    """Return that not one whole interval was watched, and when the next one that can be ends."""
    begin_ms = (now_ms // interval_ms + 1) * interval_ms
    begin, end = (
        f"{datetime.fromtimestamp(at_ms / 1000, time_zone):%H:%M}"
        for at_ms in (begin_ms, begin_ms + interval_ms)
    )
    minutes = interval_ms // 60_000
    return undecided(
        f"还没有数满一个完整时段（{minutes} 分钟），无法比较；请在 {begin} 之前重新开始，"
        f"数到 {end} 以后再结束",
        f"Not one whole interval of {minutes} min was counted, so nothing can be compared; begin"
        f" again before {begin} and go on until {end}, when the next one ends",
        file.name,
    )


def nothing_usable(error: BadInputError, file: Path, interval_ms: int) -> dict[str, Any]:
    """Return that what was recorded meanwhile cannot be compared."""
    why = error.why if isinstance(error, NothingToCompareError) else str(error)
    minutes = interval_ms // 60_000
    return undecided(
        "无法比较：这段时间没有可用的完整记录；请在设备正常运行时重新计数，"
        f"数满一个完整时段（{minutes} 分钟）",
        f"{why.replace(f'{file}: ', '')}; count again over a whole interval of {minutes} min while"
        " the device runs undisturbed",
        file.name,
    )
