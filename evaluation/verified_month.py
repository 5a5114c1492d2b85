"""Whether a month's report is what the devices sealed: records, days, totals, revisions.

1. The records of every device: chain, numbers, cumulative readings, signed heads, by the same
   verification that a device's own `verify` runs on an export.
2. The days by slots, made anew from the records, are the days that the report was made of.
3. The columns of the database, from which days are made, add up to what the sealed texts say.
4. Every revision is the text that it was closed with, and what has changed since is said.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from edge.evidence import StreamReport
from edge.evidence_text import finding_text
from edge.months import Month
from edge.verify_verb import verify
from evaluation.assessment.slots import DAY_MS
from evaluation.closing import Revision, revisions
from evaluation.database import Database
from evaluation.month_report import Report, as_text, digest
from evaluation.month_tables import DEVICE_DAYS
from evaluation.registry import sites_of
from evaluation.reports import Period, export
from evaluation.rollup import DeviceDayBody, body_text, lines_of, made
from evaluation.tables import RECORDS

MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class DeviceEvidence:
    """What was found of one device.

    stale_days: days that are not what their records make. sealed, columns: sums of the month by
    the sealed texts and by the columns of the database: in, out, presence in ms, arrivals.
    """

    dev: str
    streams: tuple[StreamReport, ...]
    stale_days: int
    sealed: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong with it."""
        intact = all(stream.intact for stream in self.streams)
        return intact and not self.stale_days and self.sealed == self.columns


@dataclass(frozen=True, slots=True)
class MonthEvidence:
    """What was found of a month. changed: whether the report is another one than the latest."""

    tenant: str
    month: str
    devices: tuple[DeviceEvidence, ...]
    revisions: tuple[Revision, ...]
    altered: tuple[int, ...]
    report_digest: str

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return all(device.holds for device in self.devices) and not self.altered

    @property
    def changed(self) -> bool:
        """Whether data has come since the last revision."""
        return bool(self.revisions) and self.revisions[-1].digest != self.report_digest


def verify_month(
    database: Database, report: Report, zone_month: Month, keys: Sequence[str] = ()
) -> MonthEvidence:
    """Verify a month of a tenant. Raises StoreError, BadInputError for a wrong key."""
    tenant = report["tenant"]
    with database.reading() as connection:
        sites = sites_of(connection, tenant)
        kept = revisions(connection, tenant, report["month"])
    devices = sorted({placement.dev for site in sites for placement in site.placements})
    return MonthEvidence(
        tenant,
        report["month"],
        tuple(_device(database, dev, zone_month, keys) for dev in devices),
        tuple(kept),
        tuple(each.number for each in kept if digest(each.body) != each.digest),
        digest(as_text(report)),
    )


def sheet_text(found: MonthEvidence) -> str:
    """Return what an auditor reads and signs."""
    return "\n".join(_sheet(found))


def _device(database: Database, dev: str, month: Month, keys: Sequence[str]) -> DeviceEvidence:
    of = Period(month.t0_ms, month.t1_ms, None, dev)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{dev}.ndjson"
        with file.open("wb") as out:
            out.writelines(text.encode() + b"\n" for text in export(database, of))
        streams = verify(month, [file], keys).streams if file.stat().st_size else ()
    sealed = [0, 0, 0, 0]
    for stream in streams:
        for subject, sums in stream.sums.items():
            at = 0 if subject.field == "line" else 2
            sealed[at] += sums.first
            sealed[at + 1] += sums.second
    with database.reading() as connection:
        columns = _columns(connection, dev, month)
        stale = _stale_days(connection, dev, month)
    return DeviceEvidence(dev, streams, stale, tuple(sealed), columns)


def _columns(connection: Connection, dev: str, month: Month) -> tuple[int, ...]:
    c = RECORDS.c
    summed = (c.count_in, c.count_out, c.presence_ms, c.arrivals)
    query = select(*(func.coalesce(func.sum(each), 0) for each in summed))
    where = (c.dev == dev, c.t0_ms >= month.t0_ms, c.t0_ms < month.t1_ms)
    return tuple(int(value) for value in connection.execute(query.where(*where)).one())


def _stale_days(connection: Connection, dev: str, month: Month) -> int:
    """Return how many days of a device are not what its records make."""
    lines = lines_of(connection, {dev}).get(dev)
    c = DEVICE_DAYS.c
    first = month.t0_ms // DAY_MS * DAY_MS
    query = select(c.day_ms, c.body).where(c.dev == dev, c.day_ms >= first, c.day_ms < month.t1_ms)
    stored: dict[int, str] = dict(connection.execute(query).all())
    empty = body_text(DeviceDayBody(None))
    return sum(
        stored.get(day_ms, empty) != body_text(made(connection, dev, day_ms, lines))
        for day_ms in range(first, month.t1_ms, DAY_MS)
    )


def _sheet(found: MonthEvidence) -> Iterator[str]:
    yield f"{found.tenant} {found.month}  核对单 · verification"
    for device in found.devices:
        yield from _device_lines(device)
    for each in found.revisions:
        what = "被改动 ALTERED" if each.number in found.altered else "一致 as closed"
        closed_at = datetime.fromtimestamp(each.made_ms / 1000, UTC).isoformat(timespec="seconds")
        yield (
            f"修订 revision {each.number}: {what}, {closed_at}, {each.made_by},"
            f" {each.reason or '-'}, SHA-256 {each.digest}"
        )
    if not found.revisions:
        yield f"尚未冻结 not closed yet; 现在的月报 the report now: SHA-256 {found.report_digest}"
    elif found.changed:
        yield (
            "冻结后数据有变化，需要时请作修订 data has changed since; make a revision if it"
            f" matters: SHA-256 {found.report_digest}"
        )
    yield "结论 verdict: " + ("相符 holds" if found.holds else "不相符 DOES NOT HOLD")
    yield "审核人 auditor ____________________   日期 date ____________"


def _device_lines(device: DeviceEvidence) -> Iterator[str]:
    records = sum(stream.records for stream in device.streams)
    signed = all(stream.signed is not None for stream in device.streams) and records
    entered, left, *_ = device.sealed
    yield (
        f"{device.dev}: {records} 条记录 records, 进 in {entered}, 出 out {left},"
        f" {'有签名 signed' if signed else '未签名 not signed'},"
        f" {'相符 holds' if device.holds else '不相符 DOES NOT HOLD'}"
    )
    findings = [each for stream in device.streams for each in stream.findings]
    for finding in findings[:MOST_FAULTS]:
        yield "  " + finding_text(finding).replace("\n", "\n  ")
    if len(findings) > MOST_FAULTS:
        yield f"  … {len(findings) - MOST_FAULTS}"
    if device.sealed != device.columns:
        yield (
            f"  数据库各列的合计与封存的记录不符 the columns of the database add up to"
            f" {device.columns}, the sealed records to {device.sealed}"
        )
    if device.stale_days:
        yield (
            f"  {device.stale_days} 天的数据与记录不符 days are not what the records make:"
            " evaluation roll-up --again"
        )
