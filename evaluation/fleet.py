"""From what devices said last and what the registry says of them: the state of a fleet.

Pure. What is not known is None or `unknown`, never fine: a device that is not there has no
picture and no clock to speak of, and what it said when it was is not repeated as if it held.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from evaluation.fleet_words import HEALTHY, Clock, Presence, Registration
from evaluation.minutes import PARTLY_BELOW

INTERVAL_S = 900
"""Of a device that has not said how long its intervals are."""
LATE_S = 600
"""How long after the end of an interval its record is there at the latest: the half minute over
which a fleet spreads what it sends, and deliveries that failed on the way and were tried again."""
SKEW_S = 120
"""A clock that is further off puts people into the wrong quarter of an hour."""
FEWEST_FOR_INTAKE = 3
"""Of fewer devices that all fall silent together, each may have reasons of its own."""
MOST_COUNT = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """The latest message of one topic of a device.

    is_live: it came as it was published; else the broker had kept it, nobody knows since when.
    until_ms: how long it holds; None: for ever.
    """

    body: Mapping[str, Any]
    received_ms: int
    is_live: bool = True
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LastRecords:
    """The records of a device's last interval. cal: by line of visitors; None: not audited."""

    t1_ms: int
    received_ms: int
    cov: float
    cov_reason: str | None
    tq: str
    cal: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known of one device. is_open: of its site; None: nobody knows.

    heard_ms: when a record came last. rivals: other devices that are there at its place.
    """

    dev: str
    tenant: str
    registration: Registration
    site: str | None = None
    name: str | None = None
    place: str | None = None
    is_open: bool | None = None
    told: Mapping[str, Told] = field(default_factory=dict)
    last: LastRecords | None = None
    heard_ms: int | None = None
    missing: int | None = None
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FleetRow:
    """The state of one device. None: not known.

    since_ms: from when the presence can be told. heard_ms: the last sign of life.
    video: HEALTHY, or why there is no healthy picture. skew_s: the device's clock less ours.
    unaudited: lines of visitors without a calibration. backlog_s: time that its records wait.
    """

    dev: str
    tenant: str
    registration: Registration
    site: str | None
    name: str | None
    place: str | None
    is_open: bool | None
    presence: Presence
    since_ms: int | None
    heard_ms: int | None
    last_record_ms: int | None
    video: str | None
    clock: Clock
    skew_s: float | None
    unaudited: tuple[str, ...] | None
    version: str | None
    is_other_version: bool | None
    missing: int | None
    backlog: int | None
    backlog_s: float | None
    config_state: str | None
    rivals: tuple[str, ...]


def fleet(facts: Sequence[Facts], now_ms: int) -> list[FleetRow]:
    """Return the state of each device, in the order given."""
    rows = [_row(each, now_ms) for each in facts]
    common = _most_common([row.version for row in rows if row.version is not None])
    return [
        row if row.version is None else replace(row, is_other_version=row.version != common)
        for row in rows
    ]


def is_intake_stopped(rows: Sequence[FleetRow]) -> bool:
    """Say whether all devices that should send are silent, so that it is not their doing."""
    there = [row for row in rows if row.presence in {Presence.ONLINE, Presence.SILENT}]
    return len(there) >= FEWEST_FOR_INTAKE and all(row.presence is Presence.SILENT for row in there)


def _row(of: Facts, now_ms: int) -> FleetRow:
    presence, since_ms = _presence(of, now_ms)
    info, reported = _body(of, "info"), _body(of, "config/reported")
    health = _health(of, presence, now_ms)
    queue = None if health is None else _count(health.body.get("queue"))
    clock, skew_s = _clock(of, health, presence)
    live = [each.received_ms for each in of.told.values() if each.is_live]
    return FleetRow(
        dev=of.dev, tenant=of.tenant, registration=of.registration, site=of.site, name=of.name,
        place=of.place, is_open=of.is_open, presence=presence, since_ms=since_ms,
        heard_ms=max((*live, *([of.heard_ms] if of.heard_ms is not None else [])), default=None),
        last_record_ms=None if of.last is None else of.last.t1_ms,
        video=_video(of, health, presence, now_ms), clock=clock, skew_s=skew_s,
        unaudited=_unaudited(of),
        version=_text(info.get("software")), is_other_version=None,
        missing=of.missing, backlog=queue,
        backlog_s=None if queue is None else queue / _records_an_interval(info) * _interval_s(info),
        config_state=_config_state(reported), rivals=of.rivals,
    )  # fmt: skip


def _presence(of: Facts, now_ms: int) -> tuple[Presence, int | None]:
    """Return whether a device is there, and from when on that can be told."""
    status = of.told.get("status")
    state = _text(_body(of, "status").get("state"))
    if status is not None and state in {"lost", "offline"}:
        return (Presence.LOST if state == "lost" else Presence.OFFLINE), status.received_ms
    if status is None and of.heard_ms is None:
        said = [each.received_ms for each in of.told.values()]
        return (Presence.SILENT, max(said)) if said else (Presence.NEVER_SEEN, None)
    interval_ms = 1000 * _interval_s(_body(of, "info"))
    late_ms = interval_ms + 1000 * LATE_S
    online_ms = None if status is None else status.received_ms
    since = [each for each in (of.heard_ms, online_ms) if each is not None]
    # One that connects again and again is not excused for ever by the last time.
    is_long = of.heard_ms is not None and now_ms - of.heard_ms > 3 * late_ms
    if now_ms - max(since) <= late_ms and not is_long:
        return Presence.ONLINE, online_ms if online_ms is not None else of.heard_ms
    from_ms = of.heard_ms if is_long and of.heard_ms is not None else max(since)
    return Presence.SILENT, from_ms + interval_ms


def _health(of: Facts, presence: Presence, now_ms: int) -> Told | None:
    """Return the gauges of a device that is there, as long as they hold."""
    told = of.told.get("health")
    if told is None or presence not in {Presence.ONLINE, Presence.SILENT}:
        return None
    return told if told.until_ms is None or now_ms <= told.until_ms else None


def _video(of: Facts, health: Told | None, presence: Presence, now_ms: int) -> str | None:
    if health is not None and "video" in health.body:
        video = health.body["video"]
        return HEALTHY if video is None else _text(video)
    last = of.last
    if last is None or presence is not Presence.ONLINE:
        return None
    if now_ms - last.t1_ms > 1000 * (_interval_s(_body(of, "info")) + LATE_S):
        return None
    return HEALTHY if last.cov >= PARTLY_BELOW else last.cov_reason


def _clock(of: Facts, health: Told | None, presence: Presence) -> tuple[Clock, float | None]:
    at_ms = None if health is None or not health.is_live else _utc_ms(health.body.get("at"))
    skew_s = None if health is None or at_ms is None else (at_ms - health.received_ms) / 1000
    last = of.last if presence is Presence.ONLINE else None
    ahead_s = 0.0 if last is None else (last.t1_ms - last.received_ms) / 1000
    if (skew_s is not None and abs(skew_s) > SKEW_S) or ahead_s > SKEW_S:
        return Clock.WRONG, skew_s if skew_s is not None else ahead_s
    said = None if health is None else health.body.get("time")
    quality = said if isinstance(said, str) else (last and last.tq)
    if quality is None:
        return Clock.UNKNOWN, skew_s
    return (Clock.UNSYNCED if quality == "unsynced" else Clock.RIGHT), skew_s


def _unaudited(of: Facts) -> tuple[str, ...] | None:
    if of.last is None:
        return None
    return tuple(sorted(line for line, cal in of.last.cal.items() if cal is None))


def _config_state(reported: Mapping[str, Any]) -> str | None:
    file = reported.get("file")
    if isinstance(file, Mapping) and file.get("state") == "rejected":
        return "rejected"
    return _text(reported.get("state"))


def _records_an_interval(info: Mapping[str, Any]) -> int:
    parts = (info.get("lines"), info.get("zones"))
    return max(1, sum(len(each) for each in parts if isinstance(each, list)))


def _interval_s(info: Mapping[str, Any]) -> int:
    said = _count(info.get("interval_s"))
    return said if said is not None and 1 <= said <= 3600 else INTERVAL_S


def _body(of: Facts, leaf: str) -> Mapping[str, Any]:
    told = of.told.get(leaf)
    return {} if told is None else told.body


def _text(value: object) -> str | None:
    return value[:64] if isinstance(value, str) and value.isprintable() else None


def _count(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MOST_COUNT else None


def _utc_ms(value: object) -> int | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None:
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _most_common(versions: Sequence[str]) -> str | None:
    """Return the version that most have; of several the one that sorts last."""
    counts = Counter(versions)
    return max(counts, key=lambda each: (counts[each], each), default=None)
