"""The config a device runs with: its file, and over it what came over MQTT and is kept.

`in_force` tells the other verbs; `ConfigInForce` is the running service's, which decides
with `shadow`, keeps on disk with `shadow_file` and checks with `config_remote`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from edge.adapters.shadow_file import ShadowFile
from edge.config import Config
from edge.config_remote import base_of, merged, remote_part
from edge.errors import ConfigError, LobbyCountError, MessageError, Mistake, OutboxError
from edge.file_state import FileState, Problem
from edge.hot_settings import effective
from edge.shadow import PROBATION_S, Desired, Kept, Report, Shadow, digest_of, restored
from edge.shadow_messages import parse_desired, reported_message
from edge.vocabulary import Message

SAVE_AGAIN_S = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InForce:
    """A config, the rev of the document that is in it, and what is said about the last one.

    rev: None when the file alone is in force. superseded: the file was edited after a document
    had come into force; the document ends when the service starts again.
    """

    config: Config
    rev: str | None = None
    report: Report = field(default_factory=Report)
    superseded: bool = False
    file: FileState = field(default_factory=FileState)
    """How the file itself stands to what is in force."""

    @property
    def told(self) -> str | None:
        """What an operator should know beside the file; None when the file is all there is."""
        if self.rev is None:
            return None
        if self.superseded:
            return (
                f"rev {self.rev!r} came over MQTT; this file was edited since, so the file is in"
                " force once the service has read it 本文件已修改，服务读取后以本文件为准"
            )
        trial = ", on probation 试用中" if self.report.state == "probation" else ""
        return (
            f"in force over this file: rev {self.rev!r} of MQTT{trial}, config hash"
            f" {self.config.hash()}; an edit of device.name, lines, zones or counting here ends"
            " it 当前生效的是 MQTT 下发的配置，修改本文件相应部分即恢复为本文件"
        )


def in_force(file: Config) -> InForce:
    """Return what a service that runs with this file has in force; changes nothing."""
    kept = ShadowFile(file.records.data_dir).look()
    if kept is None or kept.wanted is None:
        return InForce(file)
    if kept.base != base_of(file):
        return InForce(file, kept.wanted.rev, kept.report, superseded=True)
    try:
        return InForce(merged(file, kept.wanted.config), kept.wanted.rev, kept.report)
    except ConfigError:
        return InForce(file)


class ConfigInForce:
    """The running service's config, used by one thread; any other may look at `current`."""

    def __init__(
        self,
        file: Config,
        rehearse: Callable[[Config], None],
        *,
        probation_s: float = PROBATION_S,
        state: FileState | None = None,
    ) -> None:
        """Begin with what an earlier process left, if it still holds. Never raises.

        rehearse: a dry run; whatever it raises means that a config cannot be used.
        state: how the file stands to `file`, which may be the last good one instead.
        """
        self._state = state or FileState()
        self._base, self._rehearse = file, rehearse
        self._file = ShadowFile(file.records.data_dir)
        kept, problem = self._file.load()
        self._on_disk, self._save_at = kept, 0.0
        fresh = Kept(base_of(file), Report(errors=(problem,) if problem else ()))
        start = restored(kept, fresh.base) if kept else fresh
        self._shadow = Shadow(start, probation_s=probation_s)
        self._followed: Kept | None = None
        self.current = InForce(file, file=self._state)
        """What is in force now; replaced as a whole at every change."""
        try:
            if start.wanted is not None:
                self._tested(start.wanted)
        except ConfigError as error:
            self._shadow.fail(*str(error).splitlines())
        self._follow(0.0)

    @property
    def on_probation(self) -> bool:
        """Whether a document is being tried."""
        return self._shadow.on_probation

    def hear(self, payload: bytes, now: float, *, unsaved: int = 0) -> None:
        """Take a `config/desired` payload; what it led to is in `current` afterwards.

        now: seconds on the monotonic clock. unsaved: closed intervals not stored by now.
        """
        try:
            if payload:
                self._consider(parse_desired(payload), now, unsaved)
            else:
                self._shadow.take_back()
        except MessageError as error:
            self._reject(digest_of(payload), None, error)
        self._follow(now)

    def edit(self, file: Config, now: float) -> None:
        """Take a changed file that was tried out: it is the base from now on.

        Where it says something else of what can be changed from afar, that ends the document
        that came over MQTT, as it would at the next start.
        """
        self._base, waits = effective(self._base, file)
        self._state, base = FileState(self._state.file, waits=waits), base_of(self._base)
        if base != self._shadow.kept.base:
            self._shadow.kept = restored(self._shadow.kept, base)
        self._followed = None
        try:
            if self._shadow.kept.wanted is not None:
                self._tested(self._shadow.kept.wanted)
        except ConfigError as error:
            self._shadow.fail(*str(error).splitlines())
        self._follow(now)

    def reject_edit(self, problems: tuple[Problem, ...]) -> None:
        """Say what is wrong with a changed file; what is in force stays."""
        self._state = FileState(self._state.file, problems, self._state.waits)
        self.current = replace(self.current, file=self._state)

    def watch(self, now: float, took_s: float, *, picture: bool, unsaved: int) -> None:
        """Follow a step that did not raise; see `Shadow.watch`."""
        self._shadow.watch(now, took_s, picture=picture, unsaved=unsaved)
        self._follow(now)

    def fail(self, reason: str, now: float) -> None:
        """End the trial: what is being tried does not work."""
        self._shadow.fail(reason)
        self._follow(now)

    def stop(self, now: float) -> None:
        """Note that the service stops in order."""
        self._shadow.stop()
        self._follow(now)

    def reported(self, at_ms: int) -> Message:
        """Return the `config/reported` message of this moment; callable from any thread."""
        current = self.current
        return reported_message(
            self._base.device.tenant,
            self._base.device.id,
            at_ms,
            report=current.report,
            in_force=current.rev,
            cfg=current.config.hash(),
            config=remote_part(current.config),
            file=current.file,
        )

    def _consider(self, desired: Desired, now: float, unsaved: int) -> None:
        before = self._shadow.kept
        if desired.digest == before.seen:
            return
        try:
            config = self._tested(desired)
        except ConfigError as error:
            self._reject(desired.digest, desired.rev, error)
            return
        if config.hash() == self._config_of(before.applied).hash():
            self._shadow.apply(desired)
        elif config.hash() == self.current.config.hash():
            self._shadow.rename(desired)
        else:
            self._shadow.try_out(desired, now, unsaved=unsaved)
        # A trial is on disk before anything is done: a crash must find that it was one. If that
        # fails it is not `seen`, so that it is tried when it comes again.
        if self._shadow.kept.trial not in (None, before.trial) and not self._save():
            problem = "it cannot be stored on the device, is its disk full? Nothing was changed"
            report = Report("rejected", desired.rev, (problem,))
            self._shadow.kept = replace(before, report=report)

    def _tested(self, desired: Desired) -> Config:
        """Check and rehearse a document. Raises ConfigError."""
        config = merged(self._base, desired.config)
        try:
            self._rehearse(config)
        except Exception as error:
            _log.exception("shadow.rehearsal_failed", rev=desired.rev)
            what = type(error).__name__
            raise ConfigError(
                Mistake(
                    f"nobody can be counted with it ({what})", f"无法用它计数（{what}）", "config"
                )
            ) from error
        return config

    def _config_of(self, desired: Desired | None) -> Config:
        return merged(self._base, desired.config) if desired else self._base

    def _reject(self, digest: str, rev: str | None, error: LobbyCountError) -> None:
        if digest != self._shadow.kept.seen:
            self._shadow.reject(digest, rev, tuple(str(error).splitlines()))

    def _follow(self, now: float) -> None:
        """Bring the disk and `current` to where the shadow is."""
        kept = self._shadow.kept
        unsaid = self._on_disk is None and kept == Kept(kept.base)
        if kept is not self._on_disk and not unsaid and now >= self._save_at and not self._save():
            self._save_at = now + SAVE_AGAIN_S
        if kept is self._followed:
            return
        self._followed, wanted = kept, kept.wanted
        rev = wanted.rev if wanted else None
        self.current = InForce(self._config_of(wanted), rev, kept.report, file=self._state)
        if not unsaid:
            report = kept.report
            _log.info("shadow", state=report.state, rev=report.rev, errors=list(report.errors))

    def _save(self) -> bool:
        try:
            self._file.save(self._shadow.kept)
        except OutboxError as error:
            _log.error("shadow.unwritable", reason=str(error))
            return False
        self._on_disk = self._shadow.kept
        return True
