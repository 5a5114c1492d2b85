"""The devices of a tenant: what needs somebody first, then the state of each."""

from collections import Counter
from typing import Any

from starlette.responses import Response

from evaluation.alert_store import alerts_of
from evaluation.alerts import Alert
from evaluation.fleet import FleetRow
from evaluation.fleet_facts import fleet_rows
from evaluation.fleet_words import (
    CLOCK_WORDS,
    HEALTHY,
    PRESENCE_WORDS,
    SEVERITY_WORDS,
    Clock,
    Presence,
    Registration,
    Severity,
    Words,
    alert_words,
    video_words,
)
from evaluation.pages.calendar import zone_of
from evaluation.pages.desk import Desk
from evaluation.pages.reception import Visit
from evaluation.pages.render import page

_WORST = (
    Presence.LOST, Presence.SILENT, Presence.OFFLINE, Presence.NEVER_SEEN, Presence.ONLINE,
)  # fmt: skip


def fleet_page(desk: Desk, visit: Visit) -> Response:
    """Show the devices."""
    with desk.database.reading() as connection:
        rows = sorted(fleet_rows(connection, visit.tenant, desk.now_ms()), key=_order)
        open_ = sorted(alerts_of(connection, visit.tenant, only_open=True), key=_by_severity)
        zone = zone_of(connection, visit.tenant)
    names = {row.dev: row.name or row.site or "" for row in rows}
    present = Counter(row.presence for row in rows)
    values = visit.values(
        zone=zone,
        alerts=[_alert(each, names, visit.language) for each in open_],
        rows=[_row(each, visit.language) for each in rows],
        counts=[(_said(PRESENCE_WORDS[each], visit.language), present[each]) for each in _WORST],
    )
    return page("fleet.html", values)


def _said(words: Words, language: str) -> str:
    en, zh = words
    return zh if language == "zh" else en


def _alert(alert: Alert, names: dict[str, str], language: str) -> dict[str, Any]:
    return {
        "of": alert, "site": names.get(alert.dev, ""),
        "severity": _said(SEVERITY_WORDS[alert.severity], language),
        "says": _said(alert_words(alert.code, alert.detail), language),
    }  # fmt: skip


def _row(row: FleetRow, language: str) -> dict[str, Any]:
    return {
        "of": row, "registered": row.registration is not Registration.NONE,
        "presence": _said(PRESENCE_WORDS[row.presence], language),
        "is_there": row.presence is Presence.ONLINE,
        "video": _said(video_words(row.video), language), "sees": row.video == HEALTHY,
        "clock": _said(CLOCK_WORDS[row.clock], language), "dated": row.clock is Clock.RIGHT,
    }  # fmt: skip


def _order(row: FleetRow) -> tuple[int, bool, str]:
    return _WORST.index(row.presence), row.video in {None, HEALTHY}, row.dev


def _by_severity(alert: Alert) -> tuple[int, int]:
    return list(Severity).index(alert.severity), -alert.since_ms
