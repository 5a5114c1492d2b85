"""The verbs of the backend's side: `evaluation --help`."""

import json
import logging
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.table import Table

from edge.errors import BadInputError, BrokerError
from edge.messages import checked_name
from edge.terminal import OUT, JsonOption, log_to_stderr
from evaluation import reports
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
from evaluation.fleet_verbs import add_fleet_verbs
from evaluation.month_verbs import add_month_verbs
from evaluation.mqtt_link import SessionSettings
from evaluation.mqtt_session import MqttSession
from evaluation.options import (
    DatabaseOption,
    DevOption,
    MonthArgument,
    TenantOption,
    ZoneOption,
    zone_of,
)
from evaluation.page_verbs import add_page_verbs
from evaluation.receiver import Receiver, ack_of
from evaluation.scheme_verbs import add_scheme_verbs
from evaluation.service import run_parts
from evaluation.store import Store
from evaluation.token_verbs import add_token_verbs
from evaluation.update_verbs import update_cli

DEFAULT_CLIENT = "lobbycount-evaluation"

cli = typer.Typer(
    help="The backend's side: receives counts, stores them, says what is committed."
    " 评估后端：接收、入库并确认计数。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(update_cli, name="update")
add_month_verbs(cli)
add_page_verbs(cli)
add_token_verbs(cli)
add_fleet_verbs(cli)
add_scheme_verbs(cli)


@cli.command()
def receive(
    broker: BrokerOption,
    database: DatabaseOption,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    username: UserOption = None,
    password_file: PasswordOption = None,
    insecure_lab: LabOption = False,
    tenant: TenantOption = None,
    client_id: Annotated[
        str, typer.Option(help="Keep it: the broker holds back messages under it. 客户端标识。")
    ] = DEFAULT_CLIENT,
    share: Annotated[
        str | None,
        typer.Option(
            envvar="EVALUATION_SHARE",
            help="Share the work in this group; own --client-id. 共享组。",
        ),
    ] = None,
    session_days: Annotated[
        float, typer.Option(min=0.01, max=365, help="How long it holds them back. 会话保留天数。")
    ] = SESSION_DAYS,
) -> None:
    """Receive counts and store them, until stopped.

    接收计数并入库，直到停止。
    """
    log_to_stderr(logging.INFO)
    settings = broker_settings(broker, ca, cert, key, username, password_file, insecure_lab)
    if share is not None and client_id == DEFAULT_CLIENT:
        raise BadInputError(
            "--share: every receiver of a group needs a --client-id of its own,"
            f" e.g. --share {share} --client-id {DEFAULT_CLIENT}-1"
        )
    session = SessionSettings(
        client_id, _filters(tenant, share), round(session_days * DAY_S), RECEIVE_MAXIMUM
    )
    with closing(Database(database)) as db:
        pulse = Pulse()
        beat = partial(pulse.beat, "receiver")
        receiver = Receiver(Store(db), settings, session, tenant=tenant, beat=beat)
        run_parts(db, {"receiver": receiver.run}, pulse)


@cli.command()
def export(
    month: MonthArgument,
    database: DatabaseOption,
    tenant: TenantOption = None,
    dev: DevOption = None,
    out: Annotated[Path | None, typer.Option(help="Write there. 输出文件。")] = None,
    time_zone: ZoneOption = "UTC",
) -> None:
    """Write the sealed records of a month, one a line, then the signed heads.

    导出一个月的原始记录，每行一条，之后是签名摘要。
    """
    of = reports.period(month, zone_of(time_zone), tenant, dev)
    with closing(Database(database)) as db:
        db.check()
        if out is None:
            _write(reports.export(db, of), sys.stdout.buffer)
            return
        # Half a month must not look like a whole one.
        part = out.with_name(out.name + ".part")
        with part.open("wb") as file:
            _write(reports.export(db, of), file)
        part.replace(out)


@cli.command()
def sums(
    month: MonthArgument,
    database: DatabaseOption,
    tenant: TenantOption = None,
    dev: DevOption = None,
    time_zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Print a month's sums per device and line, and what is missing.

    按设备和计数线汇总一个月，并列出缺失的记录。
    """
    of = reports.period(month, zone_of(time_zone), tenant, dev)
    with closing(Database(database)) as db:
        db.check()
        found = reports.sums(db, of)
    if as_json:
        sys.stdout.write(json.dumps(asdict(found), ensure_ascii=False) + "\n")
    else:
        _print(found)


@cli.command()
def rewind(
    dev: Annotated[str, typer.Argument(help="The device. 设备。")],
    stream: Annotated[str, typer.Argument(help="Its stream. 流水号。")],
    seq: Annotated[int, typer.Argument(min=1, help="From this number on. 起始序号。")],
    broker: BrokerOption,
    database: DatabaseOption,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    username: UserOption = None,
    password_file: PasswordOption = None,
    insecure_lab: LabOption = False,
) -> None:
    """Ask a device to send its records again from a number on.

    请设备从某个序号起重新发送记录。
    """
    settings = broker_settings(broker, ca, cert, key, username, password_file, insecure_lab)
    with closing(Database(database)) as db:
        db.check()
        # Counted anew, because what is stated as had would be let go once more.
        state = Store(db).recount(dev, stream)
    if state is None:
        raise BadInputError(f"nothing is known of stream {stream} of device {dev}")
    # A broker may know clients by their certificate, and this one for the receiver: then it is
    # pushed off for a moment, and the session must outlive this connection as it does its own.
    own = SessionSettings(f"{DEFAULT_CLIENT}-rewind", (), SESSION_DAYS * DAY_S, 1)
    session = MqttSession(settings, own)
    try:
        refused = session.publish([ack_of(state, seq)])
    finally:
        session.leave()
    if refused:
        raise BrokerError(f"{settings.address}: the broker refuses {refused[0].topic}")
    OUT.print(f"{dev} was asked to send stream {stream} again from {seq} on", highlight=False)


def _write(texts: Iterable[str], file: BinaryIO) -> None:
    file.writelines(text.encode() + b"\n" for text in texts)


def _filters(tenant: str | None, share: str | None) -> tuple[str, ...]:
    try:
        who = "+" if tenant is None else checked_name(tenant, "--tenant")
        group = "" if share is None else f"$share/{checked_name(share, '--share')}/"
    except ValueError as error:
        raise BadInputError(str(error)) from None
    return tuple(f"{group}pc/v1/{who}/+/{leaf}" for leaf in ("counts", "head"))


def _print(found: reports.Sums) -> None:
    table = Table("tenant", "device", "line")
    for name in ("records", "in", "out", "coverage", "missing"):
        table.add_column(name, justify="right")
    missing = {device.dev: device.missing for device in found.devices}
    for line in found.lines:
        counts = ("-" if n is None else str(n) for n in (line.entered, line.left))
        table.add_row(
            line.tenant, line.dev, line.line, str(line.records), *counts,
            f"{100 * line.coverage:.1f} %", str(missing.get(line.dev, 0)),
        )  # fmt: skip
    with_lines = {line.dev for line in found.lines}
    for device in found.devices:
        if device.dev not in with_lines:
            values = (str(device.records), "-", "-", "-", str(device.missing))
            table.add_row("", device.dev, "-", *values)
    OUT.print(table)
    for package in found.shared:
        OUT.print(package.told, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if found.rejected:
        OUT.print(f"{found.rejected} messages or records were kept but not counted: table rejected")
