"""The device that `edge.updating.trial` works on: links, files, pip and systemd."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from edge import __version__
from edge.adapters import services_systemd, slot_builder
from edge.adapters import update_trial_file as trial_file
from edge.adapters.clock import boot_id
from edge.adapters.drop_folder import DropFolder, sha256_of
from edge.adapters.update_place import Place
from edge.errors import UpdateError
from edge.update_install import here, make_slot, signed_by, unpack
from edge.updating.acceptance import expect_acceptable
from edge.updating.confirmation import MOST_BYTES, Expected, confirmation_file, parse_confirmation
from edge.updating.report import REPORT_FILE, STATE_WORDS, Report, State, report_text
from edge.updating.slots import Facts, Trial, other
from edge.updating.trial import Candidate
from edge.updating.words import Code, refusal, words
from edge.vocabulary import CoverageReason

REST_S = 2.0
_INSTALLS = "installs"
_LOOKED_AT = {"ok", str(CoverageReason.OVERLOAD)}  # in the dark or covered, nobody can
_log = structlog.get_logger(__name__)


class UpdateDevice:
    """The device that this runs on; at most one at a time, see `only_one`."""

    def __init__(
        self,
        place: Place,
        *,
        allow_older: bool = False,
        told: Callable[[Report], None] = lambda _: None,
    ) -> None:
        """Prepare. allow_older: said by hand, as root. told: gets every report, too."""
        self._place, self._allow_older, self._told = place, allow_older, told
        self._drop = DropFolder(place.drop)
        self._bundle: str | None = None
        self._wanted: str | None = None
        self._clear_leftovers()

    def facts(self) -> Facts:
        """Look."""
        place = self._place
        current = place.slot_of("current") or "a"
        trial = trial_file.read_trial(place.own)
        waits, failures = self._fares(trial) if trial else (frozenset[str](), 0)
        return Facts(
            current,
            place.slot_of("confirmed") or current,
            place.whole(),
            trial,
            incoming=self._drop.has_incoming(),
            taken=place.taken.exists(),
            installs=self._installs(),
            boot=boot_id(),
            now=time.monotonic(),
            waits=waits,
            failures=failures,
        )

    def _fares(self, trial: Trial) -> tuple[frozenset[str], int]:
        waits, failures = set(), 0
        for unit in trial.services:
            name = confirmation_file(services_systemd.config_stem(unit))
            said = parse_confirmation(self._drop.read(name, MOST_BYTES) or b"")
            fare = services_systemd.fare(unit)
            failures = max(failures, fare.starts)
            if said is None or (said.version, said.pid) != (trial.version, fare.pid):
                waits.add(unit)
        return frozenset(waits), failures

    def take(self) -> None:
        """Copy what lies in the drop folder to root's and remove it there. Raises UpdateError."""
        self._note_installs(0)
        self._bundle = self._wanted = None
        try:
            self._drop.take(self._place.taken)
        except OSError as error:
            raise refusal(Code.INSTALL, what=error.strerror) from error

    def install(self) -> Candidate:
        """Verify what was taken and build the other slot. Raises UpdateError."""
        try:
            return self._install()
        except (OSError, subprocess.SubprocessError) as error:
            raise refusal(Code.INSTALL, what=error) from error

    def _install(self) -> Candidate:
        place = self._place
        self._note_installs(self._installs() + 1)
        self._bundle = sha256_of(place.taken)
        self._tell(State.VERIFYING, *STATE_WORDS[State.VERIFYING])
        manifest, key = signed_by(place.taken, place)
        self._wanted = manifest.version
        _log.info("update.signed", version=manifest.version, key=key)
        expect_acceptable(manifest, here(place), allow_older=self._allow_older)
        unpack(place, manifest)
        self._tell(State.INSTALLING, *STATE_WORDS[State.INSTALLING])
        current = place.slot_of("current") or "a"
        slot = other(current)
        place.clear(slot)
        try:
            make_slot(place, slot, current, manifest)
        except BaseException:
            place.clear(slot)
            raise
        return Candidate(slot, manifest.version, self._bundle)

    def services(self) -> Mapping[str, Expected]:
        """Return the services that run and what each does; nobody is asked for more later."""
        slot = self._place.slot_of("current") or "a"
        found: dict[str, Expected] = {}
        if self._place.root != Path("/"):
            return found  # somewhere else than where systemd looks
        for unit in services_systemd.started():
            said = slot_builder.health(self._place, slot, services_systemd.config_stem(unit))
            if not said and not services_systemd.fare(unit).pid:
                continue  # it never ran, perhaps its config is still the example
            pictures, broker = said.get("video") in _LOOKED_AT, said.get("broker") == "connected"
            found[unit] = Expected(pictures=pictures, broker=broker)
        return found

    def put_trial(self, trial: Trial) -> None:
        """Write the trial."""
        trial_file.write_trial(self._place.own, trial)

    def end_trial(self) -> None:
        """Remove the trial."""
        (self._place.own / trial_file.TRIAL_FILE).unlink(missing_ok=True)
        self._clear_leftovers()

    def point(self, link: str, slot: str) -> None:
        """Turn a link."""
        self._place.point(link, slot)

    def restart(self, services: Sequence[str]) -> None:
        """Have services started again; do not wait for them."""
        for unit in services:
            self._drop.remove(confirmation_file(services_systemd.config_stem(unit)))
        services_systemd.restart(services)

    def note_confirmed(self, version: str) -> None:
        """Remember that a version worked here; its wheels are those to keep."""
        self._place.keep_wheels()
        trial_file.note_confirmed(self._place.own, version, __version__)

    def drop_taken(self) -> None:
        """Remove what was taken."""
        self._place.taken.unlink(missing_ok=True)
        self._note_installs(0)

    def clear(self, slot: str) -> None:
        """Remove what is in a slot."""
        self._place.clear(slot)

    def tell(self, state: State, trial: Trial | None = None) -> None:
        """Report a state of a trial."""
        if trial is not None:
            self._bundle, self._wanted = trial.bundle or None, trial.version or None
        reason = trial.reason if trial is not None and state is State.REVERTED else None
        zh, en = words(reason, trial.what if trial else "") if reason else STATE_WORDS[state]
        self._tell(state, zh, en, reason)

    def tell_refused(self, error: UpdateError) -> None:
        """Report that what was taken is refused."""
        self._tell(State.REFUSED, error.zh, error.en, error.code)
        self._clear_leftovers()

    def rest(self) -> None:
        """Wait a little, for a confirmation."""
        time.sleep(REST_S)

    def _tell(self, state: State, zh: str, en: str, reason: str | None = None) -> None:
        _log.info("update", state=state, version=self._wanted, reason=reason, zh=zh, en=en)
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        current = self._place.slot_of("current")
        in_use = (self._place.version_of(current) if current else None) or __version__
        code = None if reason is None else str(reason)
        report = Report(in_use, self._bundle, self._wanted, state, code, zh, en, at)
        self._told(report)
        try:
            self._drop.write(REPORT_FILE, report_text(report).encode())
        except OSError as error:
            _log.error("update.report-not-written", reason=error.strerror)

    def _installs(self) -> int:
        try:
            return int((self._place.own / _INSTALLS).read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def _note_installs(self, count: int) -> None:
        if count:
            (self._place.own / _INSTALLS).write_text(str(count), "ascii")
        else:
            (self._place.own / _INSTALLS).unlink(missing_ok=True)

    def _clear_leftovers(self) -> None:
        if trial_file.read_trial(self._place.own) is None:
            self._place.clear_new_wheels()
