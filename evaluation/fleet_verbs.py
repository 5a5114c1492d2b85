"""The verbs of the fleet: watch it, look at it, look at its alerts."""

import json
import logging
import sys
import time
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any

import typer

from edge.errors import BadInputError
from edge.messages import checked_name
from edge.sealing import iso_utc
from edge.terminal import OUT, JsonOption, log_to_stderr
from evaluation.alert_command import AlertCommand
from evaluation.alert_store import alerts_of, as_dict
from evaluation.broker_options import (
    DAY_S,
    RECEIVE_MAXIMUM,
    SESSION_DAYS,
    BrokerOption,
    CaOption,
    CertOption,
    KeyOption,
    LabOption,
    PasswordOption,
    UserOption,
    broker_settings,
)
from evaluation.chores import Pulse
from evaluation.database import Database
from evaluation.fleet import FleetRow
from evaluation.fleet_facts import all_tenants, fleet_rows, placed
from evaluation.fleet_table import alert_table, by_severity, fleet_table
from evaluation.mqtt_link import SessionSettings
from evaluation.options import (
    DatabaseOption,
    SchemeOption,
    TenantOption,
    read_wanted_scheme,
    zone_of,
)
from evaluation.service import run_parts
from evaluation.watch import Intake, filters, parts

WATCH_CLIENT = "lobbycount-watch"
ShownZoneOption = Annotated[
    str, typer.Option("--time-zone", help="Of the times shown, e.g. Asia/Shanghai. 显示时区。")
]


def add_fleet_verbs(cli: typer.Typer) -> None:
    """Add the verbs of this module."""
    for verb in (watch, fleet, alerts):
        cli.command()(verb)


def watch(
    broker: BrokerOption,
    database: DatabaseOption,
    scheme: SchemeOption = None,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    username: UserOption = None,
    password_file: PasswordOption = None,
    insecure_lab: LabOption = False,
    tenant: TenantOption = None,
    client_id: Annotated[
        str, typer.Option(help="Its own, not that of a receiver. 客户端标识。")
    ] = WATCH_CLIENT,
    on_alert: Annotated[
        str | None,
        typer.Option(
            envvar="EVALUATION_ON_ALERT",
            help="A command that gets alerts as JSON on its input. 告警转发命令。",
        ),
    ] = None,
) -> None:
    """Watch the fleet beside the receivers, until stopped: states, alerts, days, months.

    与接收端并行运行：设备状态、告警、每日数据和月报冻结，直到停止。
    """
    log_to_stderr(logging.INFO)
    settings = broker_settings(broker, ca, cert, key, username, password_file, insecure_lab)
    rules = read_wanted_scheme(scheme)
    try:
        who = None if tenant is None else checked_name(tenant, "--tenant")
    except ValueError as error:
        raise BadInputError(str(error)) from None
    command = None if on_alert is None else AlertCommand(on_alert)
    session = SessionSettings(
        client_id, filters(who), SESSION_DAYS * DAY_S, RECEIVE_MAXIMUM, retained_always=True
    )
    with closing(Database(database)) as db:
        pulse = Pulse()
        intake = Intake(db, settings, session, pulse)
        run_parts(db, parts(db, intake, pulse, rules, tenant=who, command=command), pulse)


def fleet(
    database: DatabaseOption,
    tenant: TenantOption = None,
    time_zone: ShownZoneOption = "Asia/Shanghai",
    as_json: JsonOption = False,
) -> None:
    """Print the state of every device.

    列出每台设备的状态。
    """
    zone, now_ms = zone_of(time_zone), time.time_ns() // 1_000_000
    with closing(Database(database)) as db:
        db.check()
        with db.reading() as connection:
            owners = all_tenants(connection) if tenant is None else [tenant]
            rows = [row for each in owners for row in fleet_rows(connection, each, now_ms)]
    if as_json:
        _write([_as_dict(row) for row in rows])
    else:
        OUT.print(fleet_table(rows, zone))


def alerts(
    database: DatabaseOption,
    tenant: TenantOption = None,
    only_open: Annotated[
        bool, typer.Option("--open", help="Those that are not over. 仅未结束的。")
    ] = False,
    time_zone: ShownZoneOption = "Asia/Shanghai",
    as_json: JsonOption = False,
) -> None:
    """Print alerts: those that are open first.

    列出告警，未结束的在前。
    """
    zone, now_ms = zone_of(time_zone), time.time_ns() // 1_000_000
    with closing(Database(database)) as db:
        db.check()
        with db.reading() as connection:
            found = sorted(alerts_of(connection, tenant, only_open=only_open), key=by_severity)
            owners = {alert.tenant for alert in found}
            places = {each: placed(connection, each, now_ms) for each in owners}
    if as_json:
        _write([as_dict(alert, places[alert.tenant]) for alert in found])
    else:
        names = {dev: at for of in places.values() for dev, at in of.items()}
        OUT.print(alert_table(found, names, zone))


def _write(found: list[dict[str, Any]]) -> None:
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")


def _as_dict(row: FleetRow) -> dict[str, Any]:
    """Return a row for programs: times in UTC, null where something is not known."""
    plain = {}
    for name, value in asdict(row).items():
        is_time = name.endswith("_ms") and value is not None
        plain[name.removesuffix("_ms")] = iso_utc(value) if is_time else value
    return plain
