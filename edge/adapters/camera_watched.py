"""Says of pictures that are not the view the camera was set up for, and why."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import inf

import structlog

from edge.adapters.view_features import look_at
from edge.adapters.view_file import ViewFile
from edge.view_verdict import ViewSettings
from edge.view_watch import ViewWatch
from edge.vocabulary import CoverageReason, Frame, NoFrame

_KEEP_S = 3600.0
_LOOK_FOR_FILE_S = 10.0

_log = structlog.get_logger(__name__)


class WatchedView:
    """Passes pictures on with a reason where the view watch has one.

    What it says is worse than overload: that goes by itself, this may wait for somebody.
    Everything but `confirm` belongs to one thread.
    """

    def __init__(
        self, file: ViewFile, settings: ViewSettings | None = None, *, masked: float = 0.0
    ) -> None:
        """Begin with the view that is kept in `file`, if there is one.

        masked: the share of the picture that masks black out.
        """
        self._file, self._settings = file, settings or ViewSettings()
        self._masked = masked
        self._watch = ViewWatch(file.load(), self._settings)
        self._known = self._watch.signature is not None
        self._look_at = self._keep_at = self._look_for_file_at = -inf
        self._confirmed = threading.Event()

    def frames(self, items: Iterable[Frame | NoFrame]) -> Iterator[Frame | NoFrame]:
        """Yield what a source yields; where the view is not as it should be, with the reason."""
        try:
            for item in items:
                yield self._judged(item)
        finally:
            self._keep()

    def confirm(self) -> None:
        """Have the view from now on taken for the right one; any thread."""
        self._confirmed.set()

    def look_anew(self, file: ViewFile, *, masked: float) -> None:
        """Learn the view again and keep it there: masks were drawn into it or taken out."""
        self._file, self._masked = file, masked
        self._confirmed.set()

    def _judged(self, item: Frame | NoFrame) -> Frame | NoFrame:
        if isinstance(item, NoFrame):
            self._watch.nothing()
            return item
        if item.at >= self._look_at:
            # A little less, so that pictures at equal distances are not late by one of them.
            self._look_at = item.at + self._settings.look_s - 1e-3
            self._look(item)
        reason = self._watch.reason
        return item if reason is None else replace(item, reason=reason)

    def _look(self, frame: Frame) -> None:
        if self._is_confirmed(frame.at):
            self._confirm()
        before = self._watch.reason
        self._tell(before, self._watch.see(frame.at, look_at(frame.image, self._masked)))
        if not self._known and self._watch.signature is not None:
            self._known = True
            share = float((self._watch.signature.edges > 0).mean())
            _log.info("view.learned", cells_with_edges=round(share, 2))
            self._keep_at = -inf
        if frame.at >= self._keep_at and self._watch.reason is None:
            self._keep_at = frame.at + _KEEP_S
            self._keep()

    def _confirm(self) -> None:
        self._tell(self._watch.reason, None)
        self._watch.confirm()
        self._known = False
        self._file.remove()
        _log.info("view.confirmed")

    def _is_confirmed(self, at: float) -> bool:
        if self._confirmed.is_set():
            self._confirmed.clear()
            return True
        if at < self._look_for_file_at:
            return False
        self._look_for_file_at = at + _LOOK_FOR_FILE_S
        return self._known and not self._file.is_there()

    def _keep(self) -> None:
        signature = self._watch.renewed()
        if signature is not None:
            self._file.save(signature)

    @staticmethod
    def _tell(before: CoverageReason | None, now: CoverageReason | None) -> None:
        if before is now:
            return
        if before is not None:
            _log.info(f"view.{before}.ends")
        if now is not None:
            _log.warning(f"view.{now}.begins")
