"""What an auditor reads: the table, the figures, what may be claimed and what not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rich.table import Table

from edge.audit import CONFIDENCE, LIMIT, Judgement, Mode, Row, Verdict
from edge.calibration import Conditions
from edge.messages import iso_utc
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
    """An audit that was carried out. `missed` and `false` are events of a recording."""

    mode: Mode
    conditions: Conditions
    lines: list[str]
    audited_ms: tuple[int, int]
    rows: list[Row]
    judgement: Judgement
    notes: list[str]
    intervals: int = 0
    missed: Sequence[Crossing] = ()
    false: Sequence[Crossing] = ()
    record: dict[str, object] | None = field(default=None)


def audit_table(result: AuditResult) -> Table:
    """Tally and count per line and direction."""
    least = "≥ " if result.mode is Mode.INTERVALS else ""
    since, until = map(iso_utc, result.audited_ms)
    table = Table("line", "direction", title=f"audit, {since} to {until}", title_justify="left")
    for head in ("tallied", "counted", "difference", "missed", "false"):
        table.add_column(head, justify="right")
    for row in result.rows:
        errors = (f"{least}{row.misses}", f"{least}{row.false}")
        numbers = (str(row.tallied), str(row.counted), f"{row.difference:+d}")
        table.add_row(row.line, str(row.direction), *numbers, *errors)
    return table


def audit_text(result: AuditResult) -> str:
    """Figures, verdict, scope and notes, as lines."""
    j = result.judgement
    least = "at least " if result.mode is Mode.INTERVALS else ""
    lines = [
        f"{j.n} crossings, {least}{j.misses} missed and {j.false} false:"
        f" error share {least}{100 * j.errors / j.n:.1f} %"
        f" (95 % Wilson interval {100 * j.low:.1f} to {100 * j.high:.1f} %)",
        _claim(result),
        SCOPE[result.mode],
    ]
    for what, crossings in (("missed", result.missed), ("false", result.false)):
        lines += [f"  {c.at:7.1f} s into the clip: {c.line} {c.outcome} {what}" for c in crossings]
    return "\n".join(lines + [f"note: {note}" for note in result.notes])


def _claim(result: AuditResult) -> str:
    j = result.judgement
    sums = result.mode is Mode.INTERVALS
    needs = f"with {j.errors} error{'s'[: j.errors != 1]} n ≥ {j.needed} is needed, n is {j.n}"
    match j.verdict:
        case Verdict.UNDER:
            zh = "各时段合计的误差" if sums else "误差"
            en = "error of the sums per interval" if sums else "error"
            return (
                f"结论：可以声称{zh}低于 {_LIMIT}（置信度 {_SURE}）。\n"
                f"It may be claimed that the {en} is under {_LIMIT} with {_SURE} confidence"
                f" ({needs})."
            )
        case Verdict.OVER:
            return (
                f"结论：误差高于 {_LIMIT}（置信度 {_SURE}）。请检查计数线和摄像机后重新核查。\n"
                f"The error is over {_LIMIT} with {_SURE} confidence; check line and camera,"
                " then audit again."
            )
        case Verdict.OPEN:
            return (
                f"结论：尚不能声称误差低于 {_LIMIT}，至少还需 {j.more} 次且无差错的越线。\n"
                f"Nothing may be claimed yet ({needs}): it takes {j.more} more crossings"
                " without another error."
            )


def audit_json(result: AuditResult) -> dict[str, object]:
    """The same for programs; single events stay out of it."""
    j = result.judgement
    return {
        "mode": str(result.mode),
        **asdict(result.conditions),
        "lines": result.lines,
        "from": iso_utc(result.audited_ms[0]),
        "to": iso_utc(result.audited_ms[1]),
        "intervals": result.intervals or None,
        "rows": [asdict(row) | {"difference": row.difference} for row in result.rows],
        "n": j.n,
        "misses": j.misses,
        "false": j.false,
        "at_least": result.mode is Mode.INTERVALS,
        "interval": [j.low, j.high],
        "verdict": str(j.verdict),
        "needed": j.needed,
        "more_needed": j.more,
        "notes": result.notes,
        "calibration": result.record,
    }
