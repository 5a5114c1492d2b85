"""The config a service starts with: its file, or the last good one where that has a mistake.

Nobody is there when the power comes back: a device that counted with its last good config
yesterday does so today, and says loudly what is wrong with the file.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import structlog

from edge.adapters.detectors import missing_provider
from edge.adapters.last_good import find_last_good, save_last_good
from edge.adapters.model_catalog import load_catalog
from edge.answered_for import require_acknowledgement
from edge.config import Config, checked, missing_files, password, with_broker
from edge.config_sections import RecordsSection
from edge.config_text import read_text
from edge.config_watch import ConfigWatch, problems_of
from edge.errors import AcknowledgementError, ConfigError, Mistake, ModelError
from edge.file_state import FileState

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What the service begins with. text: of the config in force. broker: of the command line."""

    path: Path
    config: Config
    text: str
    state: FileState
    broker: str | None = None

    def watch(self, folder: Path, rehearse: Callable[[Config], None]) -> ConfigWatch:
        """Keep what is in force as the last good one, and return what watches the file.

        SIGHUP has it look at once.
        """

        def prove(config: Config) -> Config:
            config = _with(config, self.broker)
            check_parts(config)
            require_acknowledgement(config)
            rehearse(config)
            return config

        def keep(text: str) -> None:
            _keep(folder, self.path, text)

        watch = ConfigWatch(self.path, prove, keep=keep, good=self.text, told=self.state.problems)

        def hurry(_number: int, _frame: FrameType | None) -> None:
            watch.hurry()

        signal.signal(signal.SIGHUP, hurry)
        keep(self.text)
        return watch


def configured(path: Path, broker: str | None) -> Start:
    """Read the config file of a service that starts; see the top of this module.

    Raises ConfigError when it cannot be used and no last good one is there.
    """
    text: str | None = None
    config: Config | None = None
    try:
        text = read_text(path)
        config = _with(checked(path, text), broker)
        check_parts(config)
        require_acknowledgement(config)
    except ConfigError as error:
        refusal = error
    else:
        return Start(path, config, text, FileState(str(path)), broker)
    found = _last_good(path, text, broker)
    if found is not None and _may_stand_in(found[0], refusal):
        state = FileState(str(path), problems_of(path, refusal, text))
        said = {"errors": list(state.errors), "zh": list(state.chinese)}
        _log.error("config.last_good", file=str(path), **said)
        return Start(path, found[0], found[1], state, broker)
    if config is None or text is None:
        raise refusal
    return Start(path, config, text, FileState(str(path)), broker)  # what is absent says so itself


def last_known(path: Path) -> tuple[Config, FileState]:
    """Return the config to look at a running service with, and how the file stands to it.

    It is the last good one where the file has a mistake. Raises ConfigError when there is none.
    """
    text: str | None = None
    try:
        text = read_text(path)
        return checked(path, text), FileState(str(path))
    except ConfigError as error:
        found = _last_good(path, text, None)
        if found is None:
            raise
        return found[0], FileState(str(path), problems_of(path, error, text))


def _may_stand_in(good: Config, refusal: ConfigError) -> bool:
    """Say whether the last good config may run instead: never lab where production is wanted."""
    if isinstance(refusal, AcknowledgementError) and good.privacy.mode != "production":
        return False
    try:
        require_acknowledgement(good)
    except AcknowledgementError:
        return False
    return True


def check_parts(config: Config) -> None:
    """Check what a config refers to, so that it can still be started with tomorrow.

    A camera that is away is no mistake. Raises ConfigError.
    """
    absent = [line for line in missing_files(config) if not line.startswith("camera.source: /dev/")]
    if absent:
        raise ConfigError(*map(_absent, absent))
    password(config.mqtt)
    try:
        load_catalog(config.model.folder).entry(config.model.name)
    except ModelError as error:
        zh = f"模型不能用；运行 lobbycount models list 查看可用的模型（{error}）"
        raise ConfigError(Mistake(str(error), zh, "model.name")) from error
    if missing := missing_provider(config.model.provider):
        why = missing.removeprefix("model.provider: ")
        zh = f"本机不能这样运行模型；可以用 provider: cpu（{why}）"
        raise ConfigError(Mistake(why, zh, "model.provider"))


def _absent(line: str) -> Mistake:
    """Tell a line of `missing_files`."""
    setting, _, file = line.partition(": ")
    return Mistake(
        f"{file} is not on this machine; copy it there or correct the path",
        f"本机没有 {file}；请复制过来，或改正路径",
        setting,
    )


def _with(config: Config, broker: str | None) -> Config:
    return with_broker(config, broker) if broker else config


def _last_good(path: Path, broken: str | None, broker: str | None) -> tuple[Config, str] | None:
    of_systemd = [Path(each) for each in os.environ.get("STATE_DIRECTORY", "").split(":") if each]
    usual = [*of_systemd, RecordsSection().data_dir]
    text = find_last_good(path, broken, usual)
    if text is None:
        return None
    try:
        return _with(checked(path, text), broker), text
    except ConfigError:
        return None


def _keep(folder: Path, path: Path, text: str) -> None:
    try:
        save_last_good(folder, path, text)
    except OSError as error:
        _log.warning("config.not_kept", reason=error.strerror)
