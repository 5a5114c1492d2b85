"""The fleet and its alerts on a terminal: what needs somebody first."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from evaluation.alerts import Alert
from evaluation.fleet import FleetRow
from evaluation.fleet_facts import Placed
from evaluation.fleet_words import (
    CLOCK_WORDS,
    HEALTHY,
    PRESENCE_WORDS,
    SEVERITY_WORDS,
    Presence,
    Registration,
    Severity,
    Words,
    alert_words,
    video_words,
)

NOTHING = "-"
_WORST = (
    Presence.LOST, Presence.SILENT, Presence.OFFLINE, Presence.NEVER_SEEN, Presence.ONLINE,
)  # fmt: skip


def fleet_table(rows: Sequence[FleetRow], zone: ZoneInfo) -> Table:
    """Return one line a device, those in trouble first."""
    table = Table(
        "device 设备", "site 中心", "place 位置", "state 状态", "last record 最后记录",
        "picture 画面", "clock 时钟", "unaudited 未核查", "version 版本", "missing 缺失",
        "waiting 待报",
    )  # fmt: skip
    for row in sorted(rows, key=_order):
        version = row.version or NOTHING
        _add(
            table, row.dev, _site(row), row.place or NOTHING, _both(PRESENCE_WORDS[row.presence]),
            _moment(row.last_record_ms, zone), _both(video_words(row.video)),
            _both(CLOCK_WORDS[row.clock]),
            "?" if row.unaudited is None else ", ".join(row.unaudited) or NOTHING,
            f"{version} ≠" if row.is_other_version else version,
            _number(row.missing), _number(row.backlog),
        )  # fmt: skip
    return table


def alert_table(alerts: Sequence[Alert], places: Mapping[str, Placed], zone: ZoneInfo) -> Table:
    """Return one line an alert, in the order given."""
    table = Table(
        "since 开始", "closed 结束", "severity 级别", "site 中心", "device 设备", "alert 告警"
    )
    for alert in alerts:
        at = places.get(alert.dev)
        _add(
            table, _moment(alert.since_ms, zone), _moment(alert.closed_ms, zone),
            _both(SEVERITY_WORDS[alert.severity]), (at and at.name) or NOTHING,
            alert.dev or NOTHING, "\n".join(reversed(alert_words(alert.code, alert.detail))),
        )  # fmt: skip
    return table


def _add(table: Table, *cells: str) -> None:
    # As text, because a device or a table may say what would be taken for markup.
    table.add_row(*(Text(cell) for cell in cells))


def by_severity(alert: Alert) -> tuple[bool, int, int]:
    """Sort open ones first, then what costs most, then the latest."""
    return not alert.is_open, list(Severity).index(alert.severity), -alert.since_ms


def _order(row: FleetRow) -> tuple[int, bool, str]:
    return _WORST.index(row.presence), row.video in {None, HEALTHY}, row.dev


def _site(row: FleetRow) -> str:
    if row.registration is Registration.NONE:
        return "not registered 未登记"
    return row.name or row.site or NOTHING


def _both(words: Words) -> str:
    return f"{words[1]} {words[0]}"


def _moment(ms: int | None, zone: ZoneInfo) -> str:
    if ms is None:
        return NOTHING
    return f"{datetime.fromtimestamp(ms / 1000, zone):%m-%d %H:%M}"


def _number(count: int | None) -> str:
    return "?" if count is None else str(count)
