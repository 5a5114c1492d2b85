"""What can be read from the store: the sealed records of a month, and their sums."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, Subquery, Table, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from edge.errors import BadInputError
from evaluation.database import Database
from evaluation.shared_packages import SharedPackage, shared_packages
from evaluation.tables import CONTINUED, HEADS, KEY, RECORDS, REJECTED

ROWS_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month [t0_ms, t1_ms) in a time zone, of all devices or of some."""

    t0_ms: int
    t1_ms: int
    tenant: str | None = None
    dev: str | None = None


@dataclass(frozen=True, slots=True)
class LineSums:
    """A month of one line. Counts are None when nobody was looking all the time.

    coverage: share of the recorded time with healthy video.
    """

    tenant: str
    dev: str
    line: str
    records: int
    entered: int | None
    left: int | None
    coverage: float


@dataclass(frozen=True, slots=True)
class DeviceSums:
    """What there is of a device in a month beside its lines.

    missing: numbers between its first and its last record of that month that are not there.
    """

    dev: str
    records: int
    missing: int


@dataclass(frozen=True, slots=True)
class Sums:
    """A month as sums. rejected: messages and records kept but not counted, by arrival.

    shared: site packages that more than one stream of the month goes on from.
    """

    lines: tuple[LineSums, ...]
    devices: tuple[DeviceSums, ...]
    rejected: int
    shared: tuple[SharedPackage, ...] = ()


def period(month: str, zone: ZoneInfo, tenant: str | None = None, dev: str | None = None) -> Period:
    """Return a month written as 2026-01. Raises BadInputError."""
    try:
        first = datetime.strptime(month, "%Y-%m").replace(tzinfo=zone)
    except ValueError:
        raise BadInputError(f"{month!r} is not a month; e.g. 2026-01") from None
    after = (first + timedelta(days=32)).replace(day=1)
    t0_ms, t1_ms = (round(moment.timestamp() * 1000) for moment in (first, after))
    return Period(t0_ms, t1_ms, tenant, dev)


def export(database: Database, of: Period) -> Iterator[str]:
    """Yield a month as evidence: the sealed text of records, then the signed heads.

    Of every stream there are all records from the first to the last one that begins in the
    month, and the one before, so that the chain enters the month verified; ordered by device,
    stream and number. A head is there when its record is, or when it signs what is right
    before the first one. Raises StoreError.
    """
    span = _spans(of)
    queries = (_records(of, span), _heads(of, span))
    with database.reading() as connection:
        streaming = connection.execution_options(yield_per=ROWS_AT_A_TIME)
        for query in queries:
            yield from streaming.scalars(query)


def sums(database: Database, of: Period) -> Sums:
    """Return the sums of a month. Raises StoreError."""
    with database.reading() as connection:
        lines = [_line_sums(*row) for row in connection.execute(_lines(of))]
        streams = connection.execute(_streams(of)).all()
        rejected = connection.execute(
            select(func.count()).where(*_between(REJECTED.c.received_ms, of))
        ).scalar_one()
        shared = shared_packages(connection, *_continued(of))
    devices: dict[str, DeviceSums] = {}
    for dev, records, missing in streams:
        before = devices.get(dev, DeviceSums(dev, 0, 0))
        devices[dev] = DeviceSums(dev, before.records + records, before.missing + missing)
    return Sums(tuple(lines), tuple(devices.values()), rejected, shared)


def _line_sums(tenant: str, dev: str, line: str, records: int, *values: Any) -> LineSums:
    # PostgreSQL adds up to decimals, so that nothing overflows.
    entered, left, coverage = values
    entered, left = (None if value is None else int(value) for value in (entered, left))
    return LineSums(tenant, dev, line, records, entered, left, float(coverage))


def _lines(of: Period) -> Select[Any]:
    c = RECORDS.c
    length = c.t1_ms - c.t0_ms
    which = (c.tenant, c.dev, c.line)
    return (
        select(
            *which,
            func.count(),
            func.sum(c.count_in),
            func.sum(c.count_out),
            func.sum(c.cov * length) / func.sum(length),
        )
        .where(*_in(of), c.line.is_not(None))
        .group_by(*which)
        .order_by(*which)
    )


def _continued(of: Period) -> list[ColumnElement[bool]]:
    """Choose streams that were there in the month: first heard of in it, or with records of it."""
    c, records = CONTINUED.c, RECORDS.c
    there = (
        select(records.seq)
        .where(records.dev == c.dev, records.stream == c.stream)
        .where(*_between(records.t0_ms, of))
        .exists()
    )
    return [or_(there, *_between(c.received_ms, of)), *_of(c.tenant, c.dev, of)]


def _spans(of: Period) -> Subquery:
    """Select per stream: its records that begin in the month, the first and the last number."""
    c = RECORDS.c
    return (
        select(
            c.dev,
            c.stream,
            func.count().label("records"),
            func.min(c.seq).label("first"),
            func.max(c.seq).label("last"),
        )
        .where(*_in(of))
        .group_by(c.dev, c.stream)
        .subquery()
    )


def _streams(of: Period) -> Select[Any]:
    """Select per stream: device, records of the month, numbers missing between them.

    Between the first and the last number of the month there may be records of another month,
    where a clock was set; they are not missing.
    """
    c, span = RECORDS.c, _spans(of)
    there = (
        select(func.count())
        .select_from(RECORDS)
        .where(c.dev == span.c.dev, c.stream == span.c.stream)
        .where(c.seq.between(span.c.first, span.c.last))
        .scalar_subquery()
    )
    missing = span.c.last - span.c.first + 1 - there
    return select(span.c.dev, span.c.records, missing).order_by(span.c.dev, span.c.stream)


def _records(of: Period, span: Subquery) -> Select[Any]:
    c = RECORDS.c
    query = select(c.body).join(span, _within(RECORDS, span))
    return query.where(*_of(c.tenant, c.dev, of)).order_by(*KEY)


def _heads(of: Period, span: Subquery) -> Select[Any]:
    c, records = HEADS.c, RECORDS.c
    signed = (
        select(records.seq)
        .where(records.dev == c.dev, records.stream == c.stream, records.seq == c.seq)
        .exists()
    )
    query = select(c.body).join(span, _within(HEADS, span))
    query = query.where(or_(c.seq == span.c.first - 1, signed), *_of(c.tenant, c.dev, of))
    return query.order_by(c.dev, c.stream, c.seq, c.received_ms, c.digest)


def _within(table: Table, span: Subquery) -> ColumnElement[bool]:
    return and_(
        table.c.dev == span.c.dev,
        table.c.stream == span.c.stream,
        table.c.seq.between(span.c.first - 1, span.c.last),
    )


def _in(of: Period) -> list[ColumnElement[bool]]:
    return [
        *_between(RECORDS.c.t0_ms, of),
        *_of(RECORDS.c.tenant, RECORDS.c.dev, of),
    ]


def _between(column: ColumnElement[int], of: Period) -> list[ColumnElement[bool]]:
    return [and_(column >= of.t0_ms, column < of.t1_ms)]


def _of(
    tenant: ColumnElement[str], dev: ColumnElement[str], of: Period
) -> list[ColumnElement[bool]]:
    pairs = ((tenant, of.tenant), (dev, of.dev))
    return [column == value for column, value in pairs if value is not None]
