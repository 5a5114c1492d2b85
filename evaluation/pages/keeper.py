"""What goes on beside the requests: days are rolled up, drafts made anew, due months frozen."""

import threading
from collections.abc import Callable

import structlog

from edge.errors import LobbyCountError
from evaluation.closing import BY_ITSELF, State, close
from evaluation.database import Database
from evaluation.pages.calendar import MonthState, months_of
from evaluation.pages.drafts import Drafts
from evaluation.registry import tenants
from evaluation.rollup import RollUp

LOOK_S = 15.0
_log = structlog.get_logger(__name__)


class Keeper:
    """A thread; a context manager. `wake` lets it look at once."""

    def __init__(self, database: Database, drafts: Drafts, now_ms: Callable[[], int]) -> None:
        self._db, self._drafts, self._now_ms = database, drafts, now_ms
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
        with self._db.reading() as connection:
            now_ms = self._now_ms()
            found = {name: months_of(connection, name, now_ms) for name in tenants(connection)}
        asked, self._asked = self._asked, set()
        for tenant, months in found.items():
            for month in months:
                if self._stop.is_set():
                    return
                self._bring_up(tenant, month, is_asked=(tenant, month.name) in asked)

    def _bring_up(self, tenant: str, month: MonthState, *, is_asked: bool) -> None:
        is_due = month.state is State.FROZEN and not month.closed
        if not (is_due or is_asked or month.state is not State.FROZEN):
            return
        kept = self._drafts.renewed(tenant, month.name)
        if kept is not None and is_due:
            revision = close(self._db, kept.report, made_by=BY_ITSELF, reason="")
            _log.info("pages.frozen", tenant=tenant, month=month.name, revision=revision.number)

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
