"""What a verification says, in English and Chinese: a table, sums, notes, the verdict; JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from edge.evidence import Fault, Finding, Report, StreamReport, Sums
from edge.readings import Subject
from edge.sealing import iso_utc

MOST_SHOWN = 20
"""Of the faults no more are printed; JSON has up to a thousand of each stream."""

_SENTENCES: Mapping[Fault, tuple[str, str]] = {
    Fault.UNREADABLE: (
        "the line in its place cannot be read as a record: {why}",
        "该位置的行不是可读的记录",
    ),
    Fault.CHANGED: (
        "was changed after it was sealed: its content and its chain do not belong together",
        "封存后被改动：内容与链值不符",
    ),
    Fault.CHAIN_CHANGED: (
        "its `chain` was changed; the rest of it is what was sealed",
        "链值被改动，其余内容与封存时一致",
    ),
    Fault.DOES_NOT_FOLLOW: (
        "does not follow record {before}, which nothing vouches for: one of the two was changed",
        "与记录 {before} 不衔接，而后者无从核对：两者之一被改动",
    ),
    Fault.RENUMBERED: (
        "its number was changed: it calls itself record {claimed}",
        "序号被改动：自称记录 {claimed}",
    ),
    Fault.TWICE: (
        "is there twice with different content",
        "出现两次且内容不同",
    ),
    Fault.OUT_OF_PLACE: (
        "stands behind record {before}: the lines are not in their order",
        "排在记录 {before} 之后：行的次序被改动",
    ),
    Fault.MISSING: (
        "{span} missing between {before} and {after}{lost}",
        "记录 {before} 与 {after} 之间缺少 {range}{lost_zh}",
    ),
    Fault.MISSING_BEFORE: (
        "{span} missing at the beginning: the device signed that the month has them",
        "开头缺少 {range}：设备的签名表明本月有这些记录",
    ),
    Fault.MISSING_AFTER: (
        "{span} missing at the end: the device signed them up to the end of {day};"
        " they were removed, or not yet delivered",
        "末尾缺少 {range}：设备已签名至 {day}；被删除或尚未送达",
    ),
    Fault.TOTALS: (
        "its {field} is {found}, but {before} before it and {count} in it make {expected}",
        "{field} 为 {found}，但之前的 {before} 加上本条的 {count} 应为 {expected}",
    ),
    Fault.OVERLAP: (
        "begins before record {before} of the same {what} ends ({id}): a time is counted twice",
        "开始时间早于同一对象（{id}）记录 {before} 的结束时间：时段重复统计",
    ),
    Fault.OUTSIDE: (
        "is dated {t0}, outside of the month, and stands between records of the month",
        "日期为 {t0}，不在本月，却位于本月记录之间",
    ),
    Fault.HEAD_INVALID: (
        "the signed head at this record is not valid: {why}",
        "该记录处的签名摘要无效",
    ),
    Fault.HEAD_KEY: (
        "the head of {day} at this record is signed with another key, {key}",
        "该记录处 {day} 的签名摘要由另一密钥 {key} 签署",
    ),
    Fault.HEAD_CHAIN: (
        "its chain is not the one that the device signed for {day}: one of the records {since}"
        " to {seq} was changed and all behind it were chained anew",
        "链值与设备为 {day} 签名的不同：记录 {since} 至 {seq} 之一被改动，其后的链被重新生成",
    ),
    Fault.NOT_SIGNED: (
        "no head in the files is signed with the expected key",
        "文件中没有由指定密钥签署的摘要",
    ),
}


def sentences(finding: Finding) -> tuple[str, str]:
    """Return what is wrong, in English and in Chinese, without where."""
    known = {"seq": finding.seq, **_seconds(finding), **_ranges(finding)}
    english, chinese = _SENTENCES[finding.fault]
    return printable(english.format(**known)), printable(chinese.format(**known))


def _seconds(finding: Finding) -> Mapping[str, Any]:
    details = finding.details
    if details.get("field") != "tot_presence_s":
        return details
    amounts = ("found", "before", "count", "expected")
    return {**details, **{name: details[name] / 1000 for name in amounts}}


def _ranges(finding: Finding) -> Mapping[str, str]:
    upto, sums = finding.details.get("upto"), finding.details.get("sums")
    first = finding.seq
    one = upto == first
    lost = lost_zh = ""
    if sums is not None:
        lost = f"; by the running totals they held {sums[0]} in and {sums[1]} out"
        lost_zh = f"；按累计数，其中进 {sums[0]}、出 {sums[1]}"
    return {
        "span": "it is" if one else f"it and all up to record {upto} are",
        "range": str(first) if one else f"{first}–{upto}",
        "lost": lost,
        "lost_zh": lost_zh,
    }


def finding_text(finding: Finding) -> str:
    """Return one fault as two lines: where and what, in English and in Chinese."""
    english, chinese = sentences(finding)
    what, what_zh = "", ""
    if finding.seq is not None:
        what, what_zh = f", record {finding.seq}", f"，记录 {finding.seq}"
    place = finding.place
    where = printable(f" ({place.file}:{place.line})") if place else ""
    return (
        f"device {finding.dev}, stream {finding.stream}{what}{where}: {english}\n"
        f"设备 {finding.dev}，流水 {finding.stream}{what_zh}{where}：{chinese}"
    )


def verdict_text(report: Report) -> str:
    """Return the faults, if there are any, and the verdict in one line."""
    findings = [finding for stream in report.streams for finding in stream.findings]
    count = sum(stream.faults for stream in report.streams)
    if not findings:
        return f"{report.month}: intact 完好{_signature(report)}"
    shown = [finding_text(finding) for finding in findings[1:MOST_SHOWN]]
    more = count - 1 - len(shown)
    also = ["also found 另外还有:", *shown] if shown else []
    also += [f"and {more} more 以及另外 {more} 处"] if more > 0 else []
    return "\n".join(
        [
            f"{report.month}: broken 被破坏",
            f"first broken record 首个问题记录:\n{finding_text(findings[0])}",
            *also,
        ]
    )


def _signature(report: Report) -> str:
    if any(stream.signed is None for stream in report.streams):
        return (
            ", but not all of it is signed: whoever wrote the file could have made it up"
            " （部分未签名，文件作者可自行编造）"
        )
    return ""


def notes(stream: StreamReport, expected: bool) -> list[str]:
    """Return what a reader must know beside the verdict. expected: a key was given."""
    who = f"{stream.dev}/{stream.stream}"
    told = []
    if stream.trusted is not None:
        told.append(
            f"{who}: nothing before record {stream.trusted} is in the files; it is taken on trust"
            " 之前的记录不在文件中，该条无从核对"
        )
    if stream.undated:
        told.append(
            f"{who}: {stream.undated} record(s) without a date to rely on, in no sum"
            " 条记录日期不可靠，未计入合计"
        )
    if stream.key is None:
        told.append(f"{who}: not signed 未签名")
    elif stream.unsigned:
        told.append(f"{who}: {stream.unsigned} record(s) not yet signed 条记录尚未签名")
    if stream.key is not None and not expected:
        told.append(
            f"{who}: signed with the key {stream.key}; compare it with that of the device's `info`"
            " message, or give it with --key 请与设备 info 消息中的密钥核对"
        )
    return told


def streams_table(report: Report) -> Table:
    """One row per device and stream."""
    table = _table(
        "device 设备", "stream 流水", "first 起", "last 止", "signed 签名至", "verdict 结论"
    )
    table.title = report.month
    table.add_column("records 记录", justify="right")
    for stream in report.streams:
        span = [iso_utc(ms) if ms is not None else "-" for ms in (stream.t0_ms, stream.t1_ms)]
        signed = f"{stream.signed}, {stream.signed_at}" if stream.signed is not None else "-"
        verdict = "intact 完好" if stream.intact else f"broken 被破坏 ({stream.faults})"
        table.add_row(stream.dev, stream.stream, *span, signed, verdict, str(stream.records))
    return table


def sums_table(report: Report) -> Table:
    """One row per device, stream and line or zone."""
    table = _table("device 设备", "stream 流水", "line, zone 线、区域")
    for head in ("in 进", "out 出", "arrivals 到达", "person-h 人时"):
        table.add_column(head, justify="right")
    table.add_column("intervals 时段", justify="right")
    table.add_column("unseen 无画面", justify="right")
    for stream in report.streams:
        for subject, sums in sorted(stream.sums.items()):
            numbers = ("-",) * 4 if sums.unseen == sums.records else _shown(subject, sums)
            name = Text(printable(subject.id))  # a name, not markup
            table.add_row(
                stream.dev, stream.stream, name, *numbers, str(sums.records), str(sums.unseen)
            )
    return table


def _table(*heads: str) -> Table:
    table = Table()
    for head in heads:
        table.add_column(head, overflow="fold")  # nothing of a name is left out
    return table


def _shown(subject: Subject, sums: Sums) -> Sequence[str]:
    if subject.field == "line":
        return str(sums.first), str(sums.second), "", ""
    return "", "", str(sums.second), f"{sums.first / 3_600_000:.1f}"


def report_json(report: Report) -> dict[str, object]:
    """Return all of it for programs."""
    first = report.first
    return {
        "month": report.month,
        "verdict": "intact" if report.intact else "broken",
        "first_broken": None if first is None else _finding_json(first),
        "streams": [_stream_json(stream) for stream in report.streams],
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    english, chinese = sentences(finding)
    place = finding.place
    return {
        "dev": finding.dev,
        "stream": finding.stream,
        "seq": finding.seq,
        "fault": str(finding.fault),
        "what": english,
        "what_zh": chinese,
        "file": printable(place.file) if place else None,
        "line": place.line if place else None,
    }


def _stream_json(stream: StreamReport) -> dict[str, object]:
    names = ("dev", "stream", "records", "others", "first", "last", "trusted", "key", "signed")
    return {
        **{name: getattr(stream, name) for name in (*names, "signed_at", "unsigned", "undated")},
        "t0": None if stream.t0_ms is None else iso_utc(stream.t0_ms),
        "t1": None if stream.t1_ms is None else iso_utc(stream.t1_ms),
        "sums": [_sums_json(subject, sums) for subject, sums in sorted(stream.sums.items())],
        "verdict": "intact" if stream.intact else "broken",
        "faults": stream.faults,
        "findings": [_finding_json(finding) for finding in stream.findings],
    }


def _sums_json(subject: Subject, sums: Sums) -> dict[str, object]:
    """Sums are null where nobody was looking during all of it: null is not 0."""
    seen = sums.unseen < sums.records
    names = ("in", "out") if subject.field == "line" else ("presence_s", "arrivals")
    first = sums.first if subject.field == "line" else sums.first / 1000
    return {
        subject.field: printable(subject.id),
        "records": sums.records,
        "unseen": sums.unseen,
        names[0]: first if seen else None,
        names[1]: sums.second if seen else None,
    }


def printable(text: str) -> str:
    """Return text of a file that nobody vouches for so that a terminal only shows it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
