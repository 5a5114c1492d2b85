"""What the service writes once it works: confirm.json in the drop folder, for the updater."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from edge.adapters.drop_folder import DropFolder
from edge.adapters.health import HealthReport
from edge.adapters.services_systemd import unit_of
from edge.adapters.update_place import Place
from edge.adapters.update_trial_file import read_trial
from edge.updating.confirmation import (
    STEADY_S,
    Confirmation,
    Expected,
    Proof,
    Work,
    confirmation_file,
    confirmation_text,
)

_log = structlog.get_logger(__name__)


class ConfirmationNote:
    """Follows the health reports of this process; writes the note when they prove it works."""

    def __init__(
        self, version: str, config: Path, place: Place | None = None, steady_s: float = STEADY_S
    ) -> None:
        """Read what is expected. config: the file of this service, which names it."""
        place = place or Place()
        self._version, self._name = version, confirmation_file(config.stem)
        self._drop, self._is_due = DropFolder(place.drop), place.drop.is_dir()
        trial = read_trial(place.own) if self._is_due else None
        expected = trial.services.get(unit_of(config.stem)) if trial else None
        self._proof = Proof(expected or Expected(), steady_s)

    def __call__(self, report: HealthReport) -> None:
        """Take a report that was stored; never raises for a disk that cannot be written."""
        if not self._is_due:
            return
        work = Work(
            at=time.monotonic(),
            frames=report.frames,
            is_stored=not report.unsaved and report.outbox_trouble is None,
            is_connected=report.broker == "connected",
        )
        if not self._proof.is_given_by(work):
            return
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        note = Confirmation(self._version, os.getpid(), at)
        try:
            self._drop.write(self._name, confirmation_text(note).encode())
        except OSError as error:
            _log.warning("update.not-confirmed", reason=error.strerror)  # tried at the next report
            return
        self._is_due = False
        _log.info("update.works", version=self._version)
