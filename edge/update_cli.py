"""The command lines of `lobbycount update`."""

import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edge import __version__
from edge.adapters.update_keys import read_public_key, trusted_keys
from edge.adapters.update_place import Place
from edge.adapters.update_trial_file import highest_confirmed, read_trial
from edge.errors import BadInputError, UpdateError
from edge.sealing import canonical
from edge.terminal import OUT, JsonOption, log_to_stderr
from edge.update_install import here
from edge.update_usb import from_stick
from edge.update_verb import (
    apply_file,
    last_report,
    require_root,
    run_updates,
)
from edge.update_verb import confirm as confirm_trial
from edge.update_verb import revert as revert_to_before
from edge.updating.acceptance import expect_acceptable
from edge.updating.bundle import Signed, expect_whole, key_id, read_signed
from edge.updating.report import Report, State
from edge.updating.slots import WITHIN_S

update = typer.Typer(
    help="Signed updates, taken back when they do not work. 签名升级，不正常自动退回。",
    no_args_is_help=True,
)
RootOption = Annotated[
    Path, typer.Option("--root", help="Where the device's own files begin, for tests.", hidden=True)
]
WithinOption = Annotated[
    float,
    typer.Option(
        "--within", help="Seconds a new version has to show that it works. 试用期限。", min=10
    ),
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE.lcu", help="The bundle. 升级包。")]


@update.command()
def inspect(
    file: FileArgument,
    key: Annotated[
        Path | None, typer.Option(help="A public key, instead of those this device trusts. 公钥。")
    ] = None,
    root: RootOption = Path("/"),
) -> None:
    """Verify a bundle, all of it, and say what it is; nothing is changed.

    检查升级包并显示内容，不做改动。
    """
    place = Place(root)
    keys = trusted_keys(place.keys)
    if key is not None:
        public = read_public_key(key)
        keys = {key_id(public): public}
    try:
        with file.open("rb") as bundle:
            signed = read_signed(bundle, keys)
            expect_whole(bundle, signed.manifest)
    except OSError as error:
        raise BadInputError(f"{file}: cannot be read: {error.strerror}") from error
    _tell_bundle(file, signed, place)


@update.command()
def apply(
    file: FileArgument,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Also a version older than one that worked here.")
    ] = False,
    within: WithinOption = WITHIN_S,
    root: RootOption = Path("/"),
) -> None:
    """Install a bundle, try it and keep it when it works; as root.

    安装升级包，试用正常后启用（需要 root）。
    """
    told: list[Report] = []

    def tell(report: Report) -> None:
        told.append(report)
        OUT.print(f"{report.zh} · {report.en}", markup=False, highlight=False, soft_wrap=True)

    apply_file(Place(root), file, within, tell, allow_older=allow_older)
    if not told or told[-1].state is not State.APPLIED:
        raise typer.Exit(1)


@update.command()
def status(as_json: JsonOption = False, root: RootOption = Path("/")) -> None:
    """Say which version runs, what became of the last update and which keys are trusted.

    查看版本、上次升级的结果和信任的公钥。
    """
    place = Place(root)
    trial, report = read_trial(place.own), last_report(place)
    current, confirmed = place.slot_of("current"), place.slot_of("confirmed")
    in_use = (place.version_of(current) if current else None) or __version__
    keys = sorted(trusted_keys(place.keys))
    if as_json:
        told = {
            "version": in_use,
            "current": current,
            "confirmed": confirmed,
            "highest": highest_confirmed(place.own, in_use),
            "trial": None if trial is None else {"version": trial.version, "slot": trial.slot},
            "keys": keys,
            "report": None if report is None else asdict(report),
        }
        sys.stdout.write(canonical(told) + "\n")
        return
    _say(f"版本 version: {in_use} ({current})")
    if trial is not None:
        _say(f"试用中 on trial: {trial.version} ({trial.slot}), {trial.stage}")
    if report is not None:
        _say(f"上次升级 last update: {report.wanted}: {report.state}, {report.at}")
        _say(f"  {report.zh} · {report.en}")
    _say(f"信任的公钥 trusted keys: {', '.join(keys) or '没有 none'}")


@update.command()
def confirm(within: WithinOption = WITHIN_S, root: RootOption = Path("/")) -> None:
    """Keep the version on trial because you see that it works; as root.

    人工确认正在试用的版本（需要 root）。
    """
    trial = confirm_trial(Place(root), within)
    _say(f"{trial.version}: kept 已启用")


@update.command()
def revert(within: WithinOption = WITHIN_S, root: RootOption = Path("/")) -> None:
    """Go back to the version before; as root.

    退回原来的版本（需要 root）。
    """
    trial = revert_to_before(Place(root), within)
    _say(f"{trial.version}: taken back 已退回")


@update.command()
def run(within: WithinOption = WITHIN_S, root: RootOption = Path("/")) -> None:
    """Take what lies in the drop folder, or go on with a trial; what the unit runs.

    处理收到的升级包或继续试用（由 systemd 调用）。
    """
    log_to_stderr(logging.INFO)
    run_updates(Place(root), within)


@update.command()
def usb(
    stick: Annotated[Path, typer.Argument(help="Its device, or a folder. U 盘设备或文件夹。")],
    within: WithinOption = WITHIN_S,
    root: RootOption = Path("/"),
) -> None:
    """Apply the newest bundle on a stick and write there how it went; what the unit runs.

    安装 U 盘上最新的升级包，并把结果写回 U 盘。
    """
    log_to_stderr(logging.INFO)
    place = Place(root)
    require_root(place)
    _say(from_stick(stick, place, within) or f"{stick}: no lobbycount*.lcu 没有升级包")


def _tell_bundle(file: Path, signed: Signed, place: Place) -> None:
    manifest = signed.manifest
    left_out = len(manifest.wheels) - len(manifest.carried)
    _say(f"{file}: lobbycount {manifest.version}, {manifest.built}")
    _say(f"签名密钥 signed by: {signed.key}")
    _say(f"平台 for: {manifest.machine}, Python {manifest.python}, from {manifest.requires} on")
    _say(
        f"软件包 wheels: {len(manifest.carried)} in it 包含, {left_out} left out 不含;"
        f" data format {manifest.data_format}"
    )
    try:
        expect_acceptable(manifest, here(place))
    except UpdateError as error:
        _say(f"本机 here: {error.zh} · {error.en}")
    else:
        _say(f"本机 here: 可以升级 it can be applied (from {__version__})")


def _say(text: str) -> None:
    OUT.print(text, markup=False, highlight=False, soft_wrap=True)
