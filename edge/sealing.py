"""Records as canonical JSON, sealed into the chain of their stream. Pure text in and out.

A record is sealed once, when it is stored: its JSON is canonical (sorted keys,
no spaces, UTF-8; the form of RFC 8785) and `chain` is the SHA-256 of the
previous record's chain followed by that JSON without `chain`. The first chain
of a stream follows `genesis(dev, stream)`, so that a stream cannot be passed
off as another's.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from edge.readings import Totals, reading, subject_of
from edge.vocabulary import Bucket


def canonical(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no escapes of UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def iso_utc(ms: int) -> str:
    """Write UTC milliseconds as ISO 8601 with 'Z', and a fraction only when there is one."""
    seconds, rest = divmod(ms, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def genesis(dev: str, stream: str) -> str:
    """Return what the chain of a stream's first record follows."""
    return hashlib.sha256(f"pc/v1/{dev}/{stream}".encode()).hexdigest()


def link(previous_chain: str, record: Mapping[str, object]) -> str:
    """Return the chain of a record (any `chain` in it is left out) after the previous one."""
    body = canonical({key: value for key, value in record.items() if key != "chain"})
    # A lone surrogate from a hostile payload must give a wrong hash, not an exception.
    return hashlib.sha256((previous_chain + body).encode("utf-8", "surrogatepass")).hexdigest()


def seal(
    bucket: Bucket, dev: str, stream: str, seq: int, *, totals: Totals, previous_chain: str
) -> str:
    """Return the canonical JSON of one record. `totals` already include the bucket.

    Raises ValueError for a bucket with a coverage below 1 and no reason.
    """
    subject = subject_of(bucket)
    record: dict[str, object] = {
        "dev": dev,
        "stream": stream,
        "seq": seq,
        subject.field: subject.id,
        "t0": iso_utc(bucket.t0_ms),
        "t1": iso_utc(bucket.t1_ms),
        "tq": str(bucket.time_quality),
        "cfg": bucket.provenance.cfg,
        "model": bucket.provenance.model,
        "cal": bucket.provenance.cal,
        **reading(bucket, totals),
        **_coverage(bucket),
    }
    record["chain"] = link(previous_chain, record)
    return canonical(record)


def chain_of(sealed: str) -> str:
    """Return the chain of a sealed record, which the next one follows."""
    return str(json.loads(sealed)["chain"])


def _coverage(bucket: Bucket) -> dict[str, object]:
    share = round(bucket.coverage, 4)
    if share >= 1:
        return {"cov": 1}
    if bucket.reason is None:
        field, name = subject_of(bucket)
        raise ValueError(f"the bucket of {field} {name!r} has coverage {share} and no reason")
    # A whole number is written as one, because "0.0" is not canonical outside Python.
    return {"cov": share or 0, "cov_reason": str(bucket.reason)}
