"""What goes on beside the requests: days are rolled up, drafts made anew, due months frozen.

`evaluation watch` does the first and the last too; where it runs there is nothing left of them.
"""

import threading
from collections.abc import Callable

import structlog

from edge.errors import LobbyCountError
from evaluation.assessment.scheme import Scheme
from evaluation.closing import State
from evaluation.database import Database
from evaluation.freeze import freeze_due
from evaluation.pages.calendar import MonthState, months_of
from evaluation.pages.drafts import Drafts
from evaluation.registry import tenants
from evaluation.rollup import RollUp

LOOK_S = 15.0
FREEZE_EVERY_MS = 600_000
_log = structlog.get_logger(__name__)


class Keeper:
    """A thread; a context manager. `wake` lets it look at once."""

    def __init__(
        self, database: Database, drafts: Drafts, scheme: Scheme, now_ms: Callable[[], int]
    ) -> None:
        self._db, self._drafts, self._scheme, self._now_ms = database, drafts, scheme, now_ms
        self._frozen_ms: int | None = None
        self._due, self._stop = threading.Event(), threading.Event()
        self._asked: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._due.set()
        self._thread.join()

    def wake(self) -> None:
        """Look now: something was changed."""
        self._due.set()

    def ask(self, tenant: str, month: str) -> None:
        """Keep a month's draft up to date although the month is closed: somebody looks at it."""
        if (tenant, month) not in self._asked:
            self._asked.add((tenant, month))
            self.wake()

    def look(self) -> None:
        """Bring everything up to date once. Raises StoreError."""
        RollUp(self._db).run()
        now_ms = self._now_ms()
        if self._frozen_ms is None or now_ms - self._frozen_ms >= FREEZE_EVERY_MS:
            for made in freeze_due(self._db, self._scheme, now_ms):
                # Its page compares it with what the data says now.
                self._drafts.renewed(made.tenant, made.month)
            self._frozen_ms = now_ms
        with self._db.reading() as connection:
            found = {name: months_of(connection, name, now_ms) for name in tenants(connection)}
        asked, self._asked = self._asked, set()
        for tenant, months in found.items():
            for month in months:
                if self._stop.is_set():
                    return
                if (tenant, month.name) in asked or _changes(month):
                    self._drafts.renewed(tenant, month.name)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._due.clear()
            try:
                self.look()
            except LobbyCountError as error:
                _log.warning("pages.not_up_to_date", reason=str(error))
            except Exception:
                _log.exception("pages.not_up_to_date")
            self._due.wait(LOOK_S)


def _changes(month: MonthState) -> bool:
    return month.state is not State.FROZEN or not month.closed
