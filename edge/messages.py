"""Records ↔ topics and versioned JSON: the contract with every subscriber.

Pure text in, pure text out. The major version is in the topic (`pc/v1/…`), the
minor in the payload (`"v"`); writers follow `config/schemas/`, readers ignore
fields they do not know. A payload says the lowest minor version that describes it:
1.1 added zones, and what has none is a 1.0 payload, byte for byte; 1.2 added the pace to
`health`, lines for staff to `counts` and `info`, and opening hours to `info`. 1.1 added to
`privacy` who answers for the device. So a reader
that was written against 1.0 and is strict about it loses nothing it could read.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from edge.cloud_events import attributes, batch_id
from edge.payloads import ENCODING, packed
from edge.privacy_details import PrivacyDetails
from edge.readings import RANGE_FIELDS
from edge.sealing import canonical, iso_utc
from edge.vocabulary import (
    CoverageReason,
    Line,
    Message,
    Pace,
    Provenance,
    StoredRecord,
    TimeQuality,
    Zone,
)

VERSION = "1.0"
LATER_VERSION = "1.1"
PACE_VERSION = "1.2"
STAFF_VERSION = "1.2"
Delivery = Literal["puback", "commit"]
"""What makes the device consider a record delivered; subscribers read it in `info` and `status`."""
RECORD_RETENTION_DAYS = 35
"""How long a delivered record stays on the device."""
HEALTH_LIVES_FOR_INTERVALS = 3

State = Literal["online", "offline", "lost"]
Answer = Literal["accepted", "rejected"]
Leaf = Literal[
    "counts",
    "ack",
    "status",
    "info",
    "health",
    "privacy",
    "head",
    "config/desired",
    "config/reported",
    "cmd/backfill",
    "rsp/backfill",
]
RESPONSE_LIVES_S = 3600

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Health:
    """The gauges of a device; None where it cannot know."""

    uptime_s: int
    queue: int
    """Records not yet delivered."""
    video: CoverageReason | None = None
    """Why there is no healthy picture now; None when there is one."""
    fps: float | None = None
    detect_ms: float | None = None
    temperature_c: float | None = None
    memory_mb: float | None = None
    disk_free_mb: float | None = None
    last_accepted_ms: int | None = None
    last_error: str | None = None
    unsaved: int | None = None
    """Closed intervals that are in memory only. With `time` since 1.1; None leaves both out."""
    time: TimeQuality | None = None
    """How good a date made now would be."""
    pace: Pace | None = None
    """How many pictures a second are wanted and asked for. Since 1.2; None leaves it out."""
    looked: float | None = None
    """Share of pictures in which the detector looked; in the others nothing had changed. With
    `pace` since 1.2; None where it looks at every one."""


def checked_name(value: str, what: str = "name") -> str:
    """Return a tenant or device name if it can stand in a topic, else raise ValueError."""
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{what} {value!r} must be 1 to 63 of the characters a-z, 0-9 and '-', "
            "and not begin with '-'"
        )
    return value


def topic(tenant: str, dev: str, leaf: Leaf) -> str:
    """Return the topic of one kind of message of one device."""
    return f"pc/v1/{checked_name(tenant, 'tenant')}/{checked_name(dev, 'dev')}/{leaf}"


def counts_message(
    tenant: str, dev: str, stream: str, records: Sequence[StoredRecord], *, pack: bool = False
) -> Message:
    """Return a batch of sealed records of one stream; their text is passed on untouched.

    pack: for a metered network; a fifth of the bytes, and readers have to unpack it.
    """
    bodies = ",".join(record.body for record in records)
    parsed = [json.loads(record.body) for record in records]
    fields = {name for record in parsed for name in record}
    version = VERSION if fields.isdisjoint({"zone", *RANGE_FIELDS}) else LATER_VERSION
    version = STAFF_VERSION if "audience" in fields else version
    text = (
        f'{{"dev":{canonical(dev)},"records":[{bodies}],'
        f'"stream":{canonical(stream)},"v":{canonical(version)}}}'
    )
    event, time = batch_id(stream, [record.seq for record in records]), parsed[-1]["t1"]
    plain = message(
        tenant, dev, "counts", text, qos=1, retain=False, version=version, event=event, time=time
    )
    if not pack:
        return plain
    properties = (*plain.properties, ENCODING)
    return replace(plain, payload=packed(plain.payload), properties=properties, packed=True)


def status_message(
    tenant: str, dev: str, at_ms: int, state: State, delivery: Delivery = "puback"
) -> Message:
    """Return the retained state. In a will (`lost`) `at` is when the connection was opened."""
    fields = {"at": iso_utc(at_ms), "delivery": delivery, "state": state}
    version = VERSION if delivery == "puback" else LATER_VERSION
    text = _payload(dev, fields, version)
    time = iso_utc(at_ms)
    return message(tenant, dev, "status", text, qos=1, retain=True, version=version, time=time)


def ack_message(
    tenant: str,
    dev: str,
    *,
    stream: str,
    upto: int,
    have: Sequence[tuple[int, int]] = (),
    rewind: int | None = None,
) -> Message:
    """Return what a backend tells a device that it has committed; see `acks`."""
    fields: dict[str, object] = {"v": VERSION, "stream": stream, "upto": upto}
    if have:
        fields["have"] = [list(span) for span in have]
    if rewind is not None:
        fields["rewind"] = rewind
    return message(tenant, dev, "ack", canonical(fields), qos=1, retain=True)


def info_message(
    tenant: str,
    dev: str,
    at_ms: int,
    *,
    software: str,
    stream: str,
    provenance: Provenance,
    lines: Sequence[Line],
    interval_s: int,
    zones: Sequence[Zone] = (),
    delivery: Delivery = "puback",
    key: str | None = None,
    hours: Mapping[str, object] | None = None,
) -> Message:
    """Return the birth message: what runs here and what its numbers mean.

    Of a line or zone its id and name are said here, not where it lies in the picture.
    key: the public key that the device signs its heads with, 64 hex digits.
    hours: when the doors are open, as in the config, with the time zone that they are meant in.
    """
    fields: dict[str, object] = {
        "at": iso_utc(at_ms),
        "capabilities": {"delivery": delivery},
        "interval_s": interval_s,
        "lines": [_line(line) for line in lines],
        "software": software,
        "stream": stream,
        **asdict(provenance),
    }
    version = VERSION if delivery == "puback" and not zones and key is None else LATER_VERSION
    if key is not None:
        fields["key"] = key
    if zones:
        fields["zones"] = [
            {"id": zone.id, "kind": str(zone.kind), "name": zone.name or zone.id} for zone in zones
        ]
    if hours is not None:
        fields["hours"] = hours
    if hours is not None or any(line.is_staff for line in lines):
        version = STAFF_VERSION
    text = _payload(dev, fields, version)
    time = iso_utc(at_ms)
    return message(tenant, dev, "info", text, qos=1, retain=True, version=version, time=time)


def _line(line: Line) -> dict[str, str]:
    marked = {"audience": "staff"} if line.is_staff else {}
    return {"id": line.id, "name": line.name or line.id, **marked}


def health_message(
    tenant: str, dev: str, at_ms: int, health: Health, *, interval_s: int
) -> Message:
    """Return the gauges; they expire when three intervals pass without new ones."""
    fields = asdict(health)
    accepted_ms = fields.pop("last_accepted_ms")
    fields["last_accepted_at"] = None if accepted_ms is None else iso_utc(accepted_ms)
    fields["at"] = iso_utc(at_ms)
    del fields["pace"], fields["looked"]
    version = LATER_VERSION
    if health.unsaved is None or health.time is None:
        del fields["unsaved"], fields["time"]
        version = VERSION
    elif health.pace is not None:
        fields |= {"fps_target": health.pace.target_fps, "fps_asked": health.pace.fps}
        fields |= {"slowed": health.pace.reason, "looked": health.looked}
        version = PACE_VERSION
    expiry_s = HEALTH_LIVES_FOR_INTERVALS * interval_s
    text = _payload(dev, fields, version)
    return message(
        tenant, dev, "health", text, qos=0, retain=True, expiry_s=expiry_s, version=version
    )


def privacy_message(
    tenant: str,
    dev: str,
    at_ms: int,
    *,
    interval_s: int,
    insecure_lab: bool,
    details: PrivacyDetails | None = None,
) -> Message:
    """Return the machine-readable privacy statement. details: since 1.1, None leaves them out."""
    fields: dict[str, object] = {
        "at": iso_utc(at_ms),
        "attributes_recognised": False,
        "bucket_s": interval_s,
        "coordinates_leave_device": False,
        "faces_recognised": False,
        "insecure_lab": insecure_lab,
        "pictures_sent": False,
        "pictures_stored": False,
        "records_kept_days_after_delivery": RECORD_RETENTION_DAYS,
        "reidentification": False,
        "tracks_leave_device": False,
        "transport": "plaintext" if insecure_lab else "tls",
        "unit": "person-visits",
    }
    version = VERSION
    if details is not None:
        fields |= details.fields()
        version = LATER_VERSION
    text, time = _payload(dev, fields, version), iso_utc(at_ms)
    return message(tenant, dev, "privacy", text, qos=1, retain=True, version=version, time=time)


def response_message(
    tenant: str,
    dev: str,
    at_ms: int,
    *,
    command: str | None,
    state: Answer,
    error: str | None = None,
) -> Message:
    """Return the answer to a command, with the id it came with."""
    fields: dict[str, object] = {"at": iso_utc(at_ms), "id": command, "state": state}
    if error is not None:
        fields["error"] = error
    text = _payload(dev, fields)
    return message(
        tenant,
        dev,
        "rsp/backfill",
        text,
        qos=1,
        retain=False,
        expiry_s=RESPONSE_LIVES_S,
        time=iso_utc(at_ms),
    )


def _payload(dev: str, fields: Mapping[str, object], version: str = VERSION) -> str:
    return canonical({"v": version, "dev": dev, **fields})


def message(
    tenant: str,
    dev: str,
    leaf: Leaf,
    text: str,
    *,
    qos: int,
    retain: bool,
    expiry_s: int | None = None,
    version: str = VERSION,
    event: str | None = None,
    time: str | None = None,
) -> Message:
    """Return a message of one kind, with its schema and the attributes of an event.

    event, time: see `cloud_events.attributes`.
    """
    payload = text.encode()
    return Message(
        topic=topic(tenant, dev, leaf),
        payload=payload,
        qos=qos,
        retain=retain,
        expiry_s=expiry_s,
        properties=(
            ("schema", f"{leaf}/{version}"),
            *attributes(tenant, dev, leaf, payload, event=event, time=time),
        ),
    )
