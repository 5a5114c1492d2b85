"""`evaluation update offer | status | withdraw`: a new version for many devices, in stages."""

import json
import logging
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from edge.adapters.mqtt_settings import MqttSettings
from edge.errors import BadInputError
from edge.messages import checked_name
from edge.terminal import OUT, JsonOption, log_to_stderr
from edge.updating.wanted import LARGEST_PIECE, MOST_SPREAD_S, SMALLEST_PIECE, Wanted
from evaluation import update_report
from evaluation.broker_options import (
    BrokerOption,
    CaOption,
    CertOption,
    KeyOption,
    LabOption,
    PasswordOption,
    UserOption,
    broker_settings,
)
from evaluation.offered_bundle import OfferedBundle, open_bundle
from evaluation.rollout import Device, Plan, Rollout, in_order, stages_of
from evaluation.rollout_file import alone, load, save
from evaluation.service import until_stopped
from evaluation.update_options import hours_of, listed, moment_of, seconds_of
from evaluation.update_server import UpdateServer, known_devices, take_back

update_cli = typer.Typer(
    help="A new version of the program for many devices, in stages. 分批更新设备程序。",
    no_args_is_help=True,
    add_completion=False,
)

StateOption = Annotated[Path, typer.Option("--state", help="Where the rollout is kept. 进度文件。")]


@update_cli.command()
def offer(
    bundle: Annotated[Path, typer.Argument(help="A signed bundle, .lcu. 签名的更新包。")],
    broker: BrokerOption,
    devices: Annotated[
        Path | None, typer.Option(help="A file with tenant/device in each line. 设备清单。")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="All of a tenant that take updates. 该租户全部设备。")
    ] = None,
    stages: Annotated[str, typer.Option(help="How many by when. 分批。")] = "1,10%,100%",
    wait: Annotated[str, typer.Option(help="Between stages. 批间等待。")] = "1h",
    tolerate: Annotated[
        int, typer.Option(min=0, help="Devices of a stage that may be away. 允许失联台数。")
    ] = 0,
    hours: Annotated[
        list[str] | None, typer.Option(help="HH:MM-HH:MM, on the devices' clock. 更新时段。")
    ] = None,
    not_before: Annotated[
        str | None, typer.Option(help="UTC, e.g. 2026-12-01T18:00:00Z. 最早时间。")
    ] = None,
    spread: Annotated[
        str, typer.Option(help="Devices of a stage begin within this time. 错开时间。")
    ] = "10m",
    piece_bytes: Annotated[
        int, typer.Option(min=SMALLEST_PIECE, max=LARGEST_PIECE, help="In one message. 每段字节。")
    ] = 16_384,
    state: StateOption = Path("rollout.json"),
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    username: UserOption = None,
    password_file: PasswordOption = None,
    insecure_lab: LabOption = False,
) -> None:
    """Offer a bundle and serve it until every device runs it, one fails, or this is stopped.

    发布更新包并持续分发：全部完成、任一设备失败或手动停止时结束；再次运行可继续。
    """
    log_to_stderr(logging.INFO)
    settings = broker_settings(broker, ca, cert, key, username, password_file, insecure_lab)
    offered = open_bundle(bundle)
    wanted = Wanted(
        offered.version, offered.digest, offered.size, piece_bytes,
        moment_of(not_before), hours_of(hours or []), seconds_of("--spread", spread, MOST_SPREAD_S),
    )  # fmt: skip
    with alone(state):
        rollout = _kept(state, offered)
        if rollout is None:
            chosen = _chosen(devices, tenant, settings, offered.digest)
            wait_s = seconds_of("--wait", wait, 30 * 86_400)
            plan = Plan(wanted, chosen, stages_of(stages, len(chosen)), wait_s, tolerate)
            rollout = Rollout(plan)
        _serve(UpdateServer(rollout, offered, settings, state), rollout)


@update_cli.command()
def status(state: StateOption = Path("rollout.json"), as_json: JsonOption = False) -> None:
    """Say how a rollout stands, device by device.

    逐台列出更新进展。
    """
    rollout = _known(state)
    if as_json:
        text = json.dumps(update_report.fields(rollout), ensure_ascii=False)
        sys.stdout.write(f"{text}\n")
        return
    OUT.print(update_report.sentence(rollout), highlight=False, markup=False, soft_wrap=True)
    OUT.print(update_report.table(rollout))


@update_cli.command()
def withdraw(
    broker: BrokerOption,
    state: StateOption = Path("rollout.json"),
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    username: UserOption = None,
    password_file: PasswordOption = None,
    insecure_lab: LabOption = False,
) -> None:
    """Take an offer back from every device; what is installed stays.

    撤回更新；已安装的设备不受影响。
    """
    settings = broker_settings(broker, ca, cert, key, username, password_file, insecure_lab)
    with alone(state):
        rollout = _known(state)
        take_back(settings, rollout.plan.devices)
        rollout.state = "withdrawn"
        save(state, rollout)
    OUT.print(update_report.sentence(rollout), highlight=False, markup=False, soft_wrap=True)


def _serve(server: UpdateServer, rollout: Rollout) -> None:
    told = ""

    def tell(now: Rollout) -> None:
        nonlocal told
        text = update_report.sentence(now)
        if text != told:
            told = text
            OUT.print(text, highlight=False, markup=False, soft_wrap=True)

    server.on_change = tell
    tell(rollout)

    def serve(stop: threading.Event) -> None:
        server.run(stop)

    until_stopped(serve)
    tell(rollout)
    if rollout.state == "stopped":
        raise typer.Exit(1)


def _kept(path: Path, offered: OfferedBundle) -> Rollout | None:
    """Return the rollout to go on with; None to begin one."""
    rollout = load(path)
    if rollout is None or rollout.state in {"done", "withdrawn"}:
        return None
    if rollout.plan.wanted.bundle != offered.digest:
        if rollout.state == "stopped":
            return None
        raise BadInputError(
            f"--state {path}: a rollout of {rollout.plan.wanted.version} is going on there;"
            " `evaluation update withdraw` ends it, or give another file with --state"
        )
    if rollout.failed is not None:
        raise BadInputError(f"--state {path}: {update_report.sentence(rollout)}")
    return rollout


def _known(path: Path) -> Rollout:
    rollout = load(path)
    if rollout is None:
        raise BadInputError(
            f"--state {path}: there is no such file; give the one that `evaluation update offer`"
            " was given, e.g. --state rollout.json"
        )
    return rollout


def _chosen(
    path: Path | None, tenant: str | None, broker: MqttSettings, digest: str
) -> tuple[Device, ...]:
    if (path is None) == (tenant is None):
        raise BadInputError(
            "give either --devices FILE or --tenant NAME, e.g. --tenant street-office-1"
        )
    if path is not None:
        return listed(path)
    try:
        found = known_devices(broker, checked_name(str(tenant), "--tenant"))
    except ValueError as error:
        raise BadInputError(str(error)) from None
    if not found:
        raise BadInputError(
            f"--tenant {tenant}: no device there has said that it takes updates over MQTT;"
            " set updates: {over_mqtt: true} in their config files"
        )
    return in_order(found, digest)
