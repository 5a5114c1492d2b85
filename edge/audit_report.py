"""What an auditor reads: the table, the figures, what may be claimed and what not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.table import Table

from edge.audit import CONFIDENCE, LIMIT, Judgement, Mode, Row, Verdict
from edge.calibration import Conditions
from edge.sealing import iso_utc
from edge.vocabulary import Crossing

_LIMIT = f"{100 * LIMIT:.0f} %"
_SURE = f"{100 * CONFIDENCE:.0f} %"

SCOPE: Mapping[Mode, str] = {
    Mode.EVENTS: (
        "能说明：逐次比对，漏计与误计分开。不能说明：录像以外的时段、光线和客流，以及人工计数本身的差错。\n"
        "Shows misses and false counts one by one. Cannot show other hours, light or crowds"
        " than this recording's, nor mistakes of the tally itself."
    ),
    Mode.INTERVALS: (
        "能说明：每个时段合计的差。不能说明：单次越线；同一时段内漏计与误计会抵消，所列差错是最小值。\n"
        "Shows how the sums of each interval differ. Cannot show single crossings: a miss and"
        " a false count within one interval cancel, so the errors given are the least possible."
    ),
}


@dataclass(slots=True)
class AuditResult:
    """An audit that was carried out.

    judgements: of every line that can be judged. intervals: how many were compared per line,
    none for a recording; `missed` and `false` are its events. records: the calibration
    records to write; written: where they are.
    """

    mode: Mode
    conditions: Conditions
    audited_ms: dict[str, tuple[int, int]]
    rows: list[Row]
    judgements: dict[str, Judgement]
    notes: list[str]
    intervals: dict[str, int] = field(default_factory=dict)
    missed: Sequence[Crossing] = ()
    false: Sequence[Crossing] = ()
    records: dict[str, dict[str, object]] = field(default_factory=dict)
    written: dict[str, Path] = field(default_factory=dict)


def audit_table(result: AuditResult) -> Table:
    """Tally and count per line and direction."""
    least = "≥ " if result.mode is Mode.INTERVALS else ""
    spans = result.audited_ms.values()
    since, until = iso_utc(min(a for a, _ in spans)), iso_utc(max(b for _, b in spans))
    table = Table("line", "direction", title=f"audit, {since} to {until}", title_justify="left")
    for head in ("tallied", "counted", "difference", "missed", "false"):
        table.add_column(head, justify="right")
    for row in result.rows:
        errors = (f"{least}{row.misses}", f"{least}{row.false}")
        numbers = (str(row.tallied), str(row.counted), f"{row.difference:+d}")
        table.add_row(row.line, str(row.direction), *numbers, *errors)
    return table


def audit_text(result: AuditResult) -> str:
    """Figures and verdict of each line, scope and notes, as lines."""
    least = "at least " if result.mode is Mode.INTERVALS else ""
    lines = []
    for line, j in result.judgements.items():
        lines += [
            f"{line}: {j.n} crossings, {least}{j.misses} missed and {least}{j.false} false:"
            f" error share {least}{100 * j.errors / j.n:.1f} %"
            f" (95 % Wilson interval {100 * j.low:.1f} to {100 * j.high:.1f} %)",
            claim(line, j, sums=result.mode is Mode.INTERVALS),
        ]
    lines.append(SCOPE[result.mode])
    for what, crossings in (("missed", result.missed), ("false", result.false)):
        lines += [f"  {c.at:7.1f} s into the clip: {c.line} {c.outcome} {what}" for c in crossings]
    return "\n".join(lines + [f"note: {note}" for note in result.notes])


def claim(line: str, j: Judgement, *, sums: bool) -> str:
    """Say what may be claimed of a line, a line of Chinese and one of English."""
    needs = f"with {j.errors} error{'s'[: j.errors != 1]} n ≥ {j.needed} is needed, n is {j.n}"
    match j.verdict:
        case Verdict.UNDER:
            zh = "各时段合计的误差" if sums else "误差"
            en = "error of the sums per interval" if sums else "error"
            return (
                f"结论 {line}：可以声称{zh}低于 {_LIMIT}（置信度 {_SURE}）。\n"
                f"{line}: it may be claimed that the {en} is under {_LIMIT} with {_SURE}"
                f" confidence ({needs})."
            )
        case Verdict.OVER:
            return (
                f"结论 {line}：误差高于 {_LIMIT}（置信度 {_SURE}）。"
                "请检查计数线和摄像机后重新核查。\n"
                f"{line}: the error is over {_LIMIT} with {_SURE} confidence; check line and"
                " camera, then audit again."
            )
        case Verdict.OPEN:
            return (
                f"结论 {line}：尚不能声称误差低于 {_LIMIT}，至少还需 {j.more} 次且无差错的越线。\n"
                f"{line}: nothing may be claimed yet ({needs}): it takes {j.more} more crossings"
                " without another error. Keep the tally, count again, and give both, e.g."
                " lobbycount audit first.csv second.csv"
            )


def calibration_text(result: AuditResult, by: str | None) -> str:
    """Say which calibration records were written, and why not."""
    if by is None:
        return (
            "未写入校准记录。No calibration record was written; to write one, repeat with your"
            " name, e.g. --by 王芳"
        )
    texts = []
    for line, j in result.judgements.items():
        record = result.records.get(line)
        if record is None:
            texts.append(
                f"{line}: 结论未定，未写入校准记录。Nothing is decided, so no calibration record"
                " was written; an earlier one stays."
            )
        elif j.verdict is Verdict.UNDER:
            texts.append(
                f"{line}: 校准记录 calibration record {result.written[line]}, cal {record['hash']},"
                f" until {record['expires']}; 从下一时段起写入计数记录"
                " it appears in the records of this line from the next interval on"
            )
        else:
            texts.append(
                f"{line}: 未通过，已记录 not passed, which is kept in {result.written[line]};"
                " 计数记录不再带校准 the records of this line have no cal from the next"
                " interval on"
            )
    return "\n".join(texts)


def audit_json(result: AuditResult) -> dict[str, object]:
    """The same for programs; single events stay out of it."""
    return {
        "mode": str(result.mode),
        **asdict(result.conditions),
        "at_least": result.mode is Mode.INTERVALS,
        "rows": [asdict(row) | {"difference": row.difference} for row in result.rows],
        "lines": {
            line: {
                "from": iso_utc(result.audited_ms[line][0]),
                "to": iso_utc(result.audited_ms[line][1]),
                "intervals": result.intervals.get(line),
                "n": j.n,
                "misses": j.misses,
                "false": j.false,
                "interval": [j.low, j.high],
                "verdict": str(j.verdict),
                "needed": j.needed,
                "more_needed": j.more,
                "calibration": result.records.get(line),
            }
            for line, j in result.judgements.items()
        },
        "notes": result.notes,
    }
