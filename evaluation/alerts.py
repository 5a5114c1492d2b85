"""From the state of a fleet to alerts that are raised in time, do not flap, and are closed.

Pure. Of each device and code at most one alert is open. A cause must hold for `raise_after_s`
and be gone for `clear_after_s`; one that comes back before then was never gone, so what comes
and goes all the time is raised too, once. Where a cause cannot be told, nothing changes: an
alert is not closed because a device fell silent about it.

| code | the cause can be told | raised after that |
|---|---|---|
| lost | from the last will, 30 s after the connection broke | 5 min |
| offline | when the service was stopped | 10 min (a reboot is shorter) |
| silent | when a record was due that has not come | 10 min |
| video, clock | from the next `health`, at most 5 min (metered: 15) | 5.5 min: two must say it |
| config | at once | 1 min |
| the others | at once | 10 min, `missing` an hour |

`lost`, `offline`, `silent` and `never_seen` begin in opening hours only, a dark picture too: a
centre that switches off at night is no alarm every evening.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from evaluation.fleet import FleetRow, is_intake_stopped
from evaluation.fleet_words import HEALTHY, Clock, Code, Presence, Registration, Severity

ALL = ""
"""The device of an alert that is about all of a tenant's."""
BACKLOG_S = 7200
Key = tuple[str, Code]
"""A device and a code."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alert of a code costs and how long its cause must hold and be gone."""

    severity: Severity
    raise_after_s: int = 600
    clear_after_s: int = 600


RULES: Mapping[Code, Rule] = {
    Code.INTAKE: Rule(Severity.HIGH, 0, 300),
    Code.LOST: Rule(Severity.HIGH, 300, 300),
    Code.OFFLINE: Rule(Severity.HIGH, 600, 300),
    Code.SILENT: Rule(Severity.HIGH, 0, 300),
    Code.NEVER_SEEN: Rule(Severity.LOW),
    Code.VIDEO: Rule(Severity.HIGH, 330, 330),
    Code.CLOCK: Rule(Severity.MEDIUM, 330, 330),
    Code.CONFIG: Rule(Severity.MEDIUM, 60, 300),
    Code.BACKLOG: Rule(Severity.MEDIUM),
    Code.MISSING: Rule(Severity.LOW, 3600),
    Code.UNREGISTERED: Rule(Severity.LOW),
    Code.PLACE: Rule(Severity.MEDIUM),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a cause holds; None: it cannot be told. since_ms: from when, if that is known."""

    holds: bool | None
    since_ms: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """A cause and what became of it, from the moment it was noted.

    since_ms: when it could be told first. raised_ms: None while it might be nothing.
    gone_ms: since when it does not hold any more. told: what was handed on: raised or closed.
    """

    tenant: str
    dev: str
    code: Code
    noted_ms: int
    since_ms: int
    severity: Severity
    detail: str = ""
    raised_ms: int | None = None
    gone_ms: int | None = None
    closed_ms: int | None = None
    told: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether people have to look at it."""
        return self.raised_ms is not None and self.closed_ms is None


def findings(rows: Sequence[FleetRow]) -> dict[Key, Finding]:
    """Return what is to be told of each device of a tenant, and of all."""
    stopped = is_intake_stopped(rows)
    found: dict[Key, Finding] = {(ALL, Code.INTAKE): _intake(rows, stopped)}
    for row in rows:
        for code, finding in _of_row(row, stopped).items():
            found[row.dev, code] = finding
    return found


def follow(
    tenant: str, kept: Iterable[Alert], found: Mapping[Key, Finding], now_ms: int
) -> list[tuple[Alert | None, Alert | None]]:
    """Return what changes, as before and after: None before is new, None after was nothing.

    kept: those that are not closed, at most one of a key. What is not found does not hold.
    """
    before = {(each.dev, each.code): each for each in kept}
    changes = []
    for key in sorted({*before, *found}):
        was = before.get(key)
        now = _next(tenant, key, was, found.get(key, Finding(False)), now_ms)
        if now != was:
            changes.append((was, now))
    return changes


def _next(tenant: str, key: Key, was: Alert | None, finding: Finding, now_ms: int) -> Alert | None:
    rule = RULES[key[1]]
    if finding.holds is None:
        return was if was is not None and was.raised_ms is not None else None
    if not finding.holds:
        return None if was is None else _without_cause(was, rule, now_ms)
    since_ms = now_ms if finding.since_ms is None else finding.since_ms
    alert = was or Alert(tenant, *key, now_ms, min(since_ms, now_ms), rule.severity)
    alert = replace(alert, gone_ms=None, detail=finding.detail)
    if alert.raised_ms is None and now_ms - alert.noted_ms >= 1000 * rule.raise_after_s:
        return replace(alert, raised_ms=now_ms)
    return alert


def _without_cause(was: Alert, rule: Rule, now_ms: int) -> Alert | None:
    gone_ms = now_ms if was.gone_ms is None else was.gone_ms
    is_over = now_ms - gone_ms >= 1000 * rule.clear_after_s
    if was.raised_ms is None:
        return None if is_over else replace(was, gone_ms=gone_ms)
    return replace(was, gone_ms=gone_ms, closed_ms=now_ms if is_over else None)


def _intake(rows: Sequence[FleetRow], stopped: bool) -> Finding:
    if stopped:
        return Finding(True, max(row.since_ms or 0 for row in rows))
    is_any_there = any(row.presence is Presence.ONLINE for row in rows)
    return Finding(False if is_any_there or not rows else None)


def _of_row(row: FleetRow, intake_stopped: bool) -> dict[Code, Finding]:
    there = row.presence is Presence.ONLINE
    found = {
        Code.UNREGISTERED: Finding(
            there and row.registration in {Registration.NONE, Registration.ENDED}
        ),
        Code.PLACE: Finding(bool(row.rivals) and there, detail=", ".join(row.rivals)),
    }
    if row.registration is Registration.PLACED:
        found |= {code: rule(row) for code, rule in _FINDERS.items()}
        if intake_stopped:
            found[Code.SILENT] = Finding(None)
    return found


def _presence(presence: Presence) -> Callable[[FleetRow], Finding]:
    def find(row: FleetRow) -> Finding:
        if row.presence is not presence:
            return Finding(False)
        return Finding(None if row.is_open is False else True, row.since_ms)

    return find


def _video(row: FleetRow) -> Finding:
    if row.video is None or (row.video == "dark" and row.is_open is False):
        return Finding(None)
    return Finding(row.video != HEALTHY, detail=row.video)


def _clock(row: FleetRow) -> Finding:
    if row.clock is Clock.UNKNOWN:
        return Finding(None)
    return Finding(row.clock is not Clock.RIGHT, detail=row.clock.value)


def _config(row: FleetRow) -> Finding:
    if row.config_state is None:
        return Finding(None)
    return Finding(row.config_state in {"rejected", "rolled_back"}, detail=row.config_state)


def _backlog(row: FleetRow) -> Finding:
    if row.backlog_s is None:
        return Finding(None)
    return Finding(row.backlog_s > BACKLOG_S, detail=str(row.backlog))


def _missing(row: FleetRow) -> Finding:
    if row.missing == 0:
        return Finding(False)
    # While others wait on the device, the missing ones may be among them.
    if row.missing is None or row.backlog is None or row.backlog > 0:
        return Finding(None)
    return Finding(True, detail=str(row.missing))


_FINDERS: Mapping[Code, Callable[[FleetRow], Finding]] = {
    Code.LOST: _presence(Presence.LOST),
    Code.OFFLINE: _presence(Presence.OFFLINE),
    Code.SILENT: _presence(Presence.SILENT),
    Code.NEVER_SEEN: _presence(Presence.NEVER_SEEN),
    Code.VIDEO: _video,
    Code.CLOCK: _clock,
    Code.CONFIG: _config,
    Code.BACKLOG: _backlog,
    Code.MISSING: _missing,
}
