"""The tables, in the words of the contract, and the rows that go into them.

Times are UTC milliseconds and durations milliseconds, because integers add up to the same
sum in any order. `body` is the sealed text, which is the truth; the other columns of a
record are read from it. A count that is NULL was not taken: null is not 0.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    insert,
)

from edge.records import CountRecord
from evaluation.ingest import Head, Reading, Reject, Sealed

MOST_REASON = 500
"""Characters of a reason that are kept."""

METADATA = MetaData()


def _numbers(*names: str) -> list[Column[int]]:
    return [Column(name, BigInteger) for name in names]


STREAMS = Table(
    "streams",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("tenant", Text, nullable=False),  # as of the latest message
    Column("upto", BigInteger, nullable=False),
    Column("have", Text, nullable=False),  # JSON, the spans beyond `upto`
    Column("seen_ms", BigInteger, nullable=False),
)

RECORDS = Table(
    "records",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("line", Text),
    Column("zone", Text),
    Column("kind", Text),
    Column("t0_ms", BigInteger, nullable=False),
    Column("t1_ms", BigInteger, nullable=False),
    *_numbers("count_in", "count_out", "uturn", "ambiguous", "born_past_line"),
    *_numbers("in_low", "in_high", "out_low", "out_high", "tot_in", "tot_out"),
    *_numbers("presence_ms", "used_ms", "arrivals", "departures", "peak", "dwell_ms", "wait_ms"),
    *_numbers("window_ms", "in_window_ms", "tot_presence_ms", "tot_arrivals"),
    Column("cov", Float(53), nullable=False),
    Column("cov_reason", Text),
    Column("tq", Text, nullable=False),
    Column("cfg", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("cal", Text),
    Column("chain", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("audience", Text),
)
Index("records_t0", RECORDS.c.t0_ms)
Index("records_dev_t0", RECORDS.c.dev, RECORDS.c.t0_ms)

HEADS = Table(
    "heads",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    # Two different heads of one number are evidence, so both are kept.
    Column("digest", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("day", Text),
    Column("body", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

CONTINUED = Table(
    "continued",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("package", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

REJECTED = Table(
    "rejected",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("dev", Text),
    Column("stream", Text),
    Column("seq", BigInteger),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

Row = dict[str, Any]
INSERT_STREAM = insert(STREAMS)
KEY = (RECORDS.c.dev, RECORDS.c.stream, RECORDS.c.seq)
_EMPTY: Mapping[str, Any] = dict.fromkeys(column.name for column in RECORDS.columns)
_COMMON = ("dev", "stream", "seq", "t0_ms", "t1_ms", "cov", "cov_reason", "tq")
_SOURCE = ("cfg", "model", "cal", "chain")
_OF_LINE = ("line", "uturn", "ambiguous", "born_past_line", "in_low", "in_high")
_MORE_OF_LINE = ("out_low", "out_high", "tot_in", "tot_out")
_OF_ZONE = ("zone", "kind", "arrivals", "departures", "peak", "tot_arrivals")
_TIMES = ("presence", "used", "dwell", "wait", "window", "in_window", "tot_presence")


def record_row(sealed: Sealed, tenant: str, received_ms: int) -> Row:
    """Return the row of a record."""
    record = sealed.record
    row: Row = {**_EMPTY, "tenant": tenant, "body": sealed.body, "received_ms": received_ms}
    row |= {name: getattr(record, name) for name in (*_COMMON, *_SOURCE)}
    if isinstance(record, CountRecord):
        row |= {name: getattr(record, name) for name in (*_OF_LINE, *_MORE_OF_LINE)}
        row |= {"count_in": record.entered, "count_out": record.left}
        row |= {"audience": _text(record.raw.get("audience"))}
        return row
    row |= {name: getattr(record, name) for name in _OF_ZONE}
    return row | {f"{name}_ms": _milliseconds(getattr(record, f"{name}_s")) for name in _TIMES}


def head_row(head: Head, tenant: str, received_ms: int) -> Row:
    """Return the row of a signed head."""
    return {
        **head.key._asdict(),
        "digest": _digest(head.body.encode()),
        "tenant": tenant,
        "day": head.day,
        "body": head.body,
        "received_ms": received_ms,
    }


def continued_row(head: Head, tenant: str, received_ms: int) -> Row:
    """Return the row of what a head says its stream goes on from."""
    key = {"dev": head.key.dev, "package": head.continues, "stream": head.key.stream}
    return {**key, "tenant": tenant, "received_ms": received_ms}


def reject_row(reject: Reject, reading: Reading, received_ms: int) -> Row:
    """Return the row of something that is kept but not counted."""
    key = reject.key
    # Neither half characters nor NUL, which one of the databases would refuse.
    topic = reading.topic.encode("utf-8", "replace").decode().replace("\0", "?")
    return {
        "digest": _digest(topic.encode(), reject.raw),
        "topic": topic,
        "dev": key.dev if key else None,
        "stream": key.stream if key else None,
        "seq": key.seq if key else None,
        "reason": reject.reason.encode("utf-8", "replace")
        .decode()
        .replace("\0", "?")[:MOST_REASON],
        "raw": reject.raw,
        "received_ms": received_ms,
    }


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
