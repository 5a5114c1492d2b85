"""What the verbs of `lobbycount update` do: run the updater until nothing is left to do."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edge.adapters import services_systemd
from edge.adapters.drop_folder import DropFolder, check_room, write_bounded
from edge.adapters.update_place import Place, only_one
from edge.adapters.update_trial_file import read_trial, write_trial
from edge.errors import BadInputError, BusyError
from edge.update_device import UpdateDevice
from edge.updating.report import MOST_BYTES, REPORT_FILE, Report, parse_report
from edge.updating.slots import Do, Stage, Trial, other
from edge.updating.trial import advance
from edge.updating.words import Code

Told = Callable[[Report], None]


def require_root(place: Place) -> None:
    """Expect root where the device's own files are meant. Raises BadInputError."""
    if place.root == Path("/") and os.geteuid() != 0:
        raise BadInputError("root is needed 需要 root: sudo lobbycount update …")


def last_report(place: Place) -> Report | None:
    """Return what became of the last update."""
    return parse_report(DropFolder(place.drop).read(REPORT_FILE, MOST_BYTES) or b"")


def run_updates(place: Place, within_s: float, told: Told = lambda _: None) -> None:
    """Do what there is to do and return when nothing is left.

    Raises BusyError when an installation or another updater is at work.
    """
    require_root(place)
    _make_own_folder(place)
    with only_one(place) as is_mine:
        if not is_mine:
            raise BusyError("another installation or update is running, wait 另一个安装正在运行")
        _until_nothing_is_left(UpdateDevice(place, told=told), within_s)


def apply_file(
    place: Place, file: Path, within_s: float, told: Told, *, allow_older: bool = False
) -> None:
    """Apply a bundle by hand. Raises UpdateError, BadInputError, BusyError."""
    require_root(place)
    _make_own_folder(place)
    with only_one(place) as is_mine:
        if not is_mine:
            raise BusyError("another installation or update is running, wait 另一个安装正在运行")
        try:
            with file.open("rb") as source:
                size = os.fstat(source.fileno()).st_size
                check_room(place.own, size)
                write_bounded(source, place.taken, size)
        except OSError as error:
            raise BadInputError(f"{file}: cannot be read: {error.strerror}") from error
        device = UpdateDevice(place, allow_older=allow_older, told=told)
        try:
            _until_nothing_is_left(device, within_s)
        except KeyboardInterrupt:
            services_systemd.start_updater()  # the trial goes on without this terminal
            raise


def confirm(place: Place, within_s: float) -> Trial:
    """Keep the version on trial, because a person says that it works."""
    require_root(place)
    trial = read_trial(place.own)
    if trial is None or trial.stage is not Stage.RUNNING:
        raise BadInputError("no version is on trial 没有正在试用的版本: lobbycount update status")
    write_trial(place.own, replace(trial, stage=Stage.KEEPING))
    _go_on(place, within_s)
    return trial


def revert(place: Place, within_s: float) -> Trial:
    """Go back to the version before: of a trial, or the one that is still in the other slot."""
    require_root(place)
    trial = read_trial(place.own)
    if trial is None:
        current = place.slot_of("current")
        if current is None or other(current) not in place.whole():
            raise BadInputError(
                "there is no version to go back to 没有可退回的版本; "
                "install one: lobbycount update apply --allow-older FILE.lcu"
            )
        version = place.version_of(current) or ""
        services = UpdateDevice(place).services()
        trial = Trial(current, other(current), version, "", services=services)
    _make_own_folder(place)
    trial = replace(trial, stage=Stage.REVERTING, reason=Code.BY_HAND, what="")
    write_trial(place.own, trial)
    _go_on(place, within_s)
    return trial


def _go_on(place: Place, within_s: float) -> None:
    """Carry out what the trial says now, unless a running updater does."""
    try:
        run_updates(place, within_s)
    except BusyError:
        sys.stderr.write("the running updater does it 由正在运行的升级程序完成\n")


def _make_own_folder(place: Place) -> None:
    place.own.mkdir(mode=0o755, parents=True, exist_ok=True)


def _until_nothing_is_left(device: UpdateDevice, within_s: float) -> None:
    before = None
    while (do := advance(device, within_s)) is not Do.NOTHING:
        if do is Do.TAKE and before is Do.TAKE:
            raise BadInputError("the drop folder cannot be emptied 无法清空升级文件夹")
        before = do
