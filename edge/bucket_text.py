"""Buckets as text and back: how intervals wait on disk until they become records."""

import json
from dataclasses import asdict
from typing import Any

from edge.errors import MessageError
from edge.sealing import canonical
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    Doubts,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)


def bucket_text(bucket: Bucket) -> str:
    """Write a bucket as canonical JSON."""
    return canonical(asdict(bucket))


def read_bucket(text: str) -> Bucket:
    """Read what `bucket_text` wrote. Raises MessageError when it is something else."""
    try:
        fields: dict[str, Any] = json.loads(text)
        reason = fields.pop("reason")
        common: dict[str, Any] = {
            "t0_ms": fields["t0_ms"],
            "t1_ms": fields["t1_ms"],
            "coverage": fields["coverage"],
            "reason": None if reason is None else CoverageReason(reason),
            "time_quality": TimeQuality(fields["time_quality"]),
            "provenance": Provenance(**fields["provenance"]),
        }
        return _line(fields, common) if "line" in fields else _zone(fields, common)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MessageError(f"a waiting interval cannot be read ({error})") from None


def _line(fields: dict[str, Any], common: dict[str, Any]) -> CountBucket:
    counts = fields["counts"]
    return CountBucket(
        line=fields["line"],
        counts=None if counts is None else {Outcome(k): n for k, n in counts.items()},
        doubts=Doubts(**fields["doubts"]),
        is_staff=fields.get("is_staff", False),
        **common,
    )


def _zone(fields: dict[str, Any], common: dict[str, Any]) -> ZoneBucket:
    sums = fields["sums"]
    return ZoneBucket(
        zone=fields["zone"],
        kind=ZoneKind(fields["kind"]),
        sums=None if sums is None else ZoneSums(**sums),
        **common,
    )
