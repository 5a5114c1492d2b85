"""An update that comes over MQTT, from the wish of a backend to a file that is handed over.

    wanted ─▶ waiting ⇄ downloading ─▶ verifying ─▶ (the root side: installing … applied)
        └───▶ refused: too large, older, twice with another hash

Nothing is installed here: the file is handed over, and whoever takes it checks its signature.
Pure but for the folder behind its port: time is passed in.
"""

from collections.abc import Callable

from edge.updating.answers import ENDS, Reported, State, Want
from edge.updating.asking import Asking, Moment, StagingLimits, what_forbids
from edge.updating.incoming import Begun, Incoming
from edge.updating.pieces import Download
from edge.updating.staging_words import STATE_WORDS, WORDS, Reason
from edge.updating.versions import is_newer
from edge.updating.wanted import Piece, Wanted

MOST_FAILURES = 2
"""Downloads with another hash than was announced; then the bundle is refused."""


class Staging:
    """Decides what is asked for and taken. One instance per process, asked from one thread."""

    def __init__(
        self, incoming: Incoming, in_use: str, *, share: float, limits: StagingLimits | None = None
    ) -> None:
        """Prepare; nothing is wanted yet. in_use: the version that runs. share: see Asking."""
        self._incoming, self._in_use = incoming, in_use
        self._limits = limits or StagingLimits()
        self._asking = Asking(self._limits, share)
        self._wanted: Wanted | None = None
        self._begun: Begun | None = None
        self._download: Download | None = None
        self._root: Reported | None = None
        self._state: State = "idle"
        self._reason: Reason | None = None

    @property
    def is_busy(self) -> bool:
        """Whether `tick` has something to decide."""
        return self._wanted is not None and self._answer() is None and self._state not in ENDS

    @property
    def said(self) -> Reported:
        """What there is to say, for `update/reported`."""
        wanted, root = self._wanted, self._answer()
        if root is not None:
            state, reason, zh, en = root.state, root.reason, root.zh, root.en
        else:
            words = WORDS[self._reason] if self._reason else STATE_WORDS[self._state]
            state, reason, zh, en = self._state, self._reason, words.zh, words.en
        if wanted is None:
            version, bundle = (root.wanted, root.bundle) if root else (None, None)
            return Reported(self._in_use, state, version, bundle, 0, 0, reason, zh, en)
        over = root is not None or (self._begun is not None and self._begun.handed_over)
        had = wanted.size if over else self._download.had if self._download else 0
        return Reported(
            self._in_use, state, wanted.version, wanted.bundle, had, wanted.size, reason, zh, en
        )

    # --- What is heard -----------------------------------------------------------------------

    def hear_desired(self, wanted: Wanted | None, now: float) -> None:
        """Take what a backend wants; the same once more says that somebody answers again."""
        if wanted == self._wanted:
            self.reconnected(now)
            return
        self._wanted = wanted
        self._begun = self._download = None  # read anew from the folder
        if wanted is None:
            self._say("idle")
            self._guarded(self._forget_unfinished, now)
            return
        self._asking.begin(now, wanted.spread_s)
        self._say("waiting", "spread")
        self._judge(wanted)

    def hear_report(self, report: Reported | None) -> None:
        """Take what the root side says of the last bundle it was given."""
        self._root = report

    def reconnected(self, now: float) -> None:
        """Take notice of a new connection: what was asked for on the old one is not awaited."""
        if self._download is not None and self._download.asked:
            self._download.forget_asking()
            self._asking.resume(now, self._download.wanted.spread_s)

    def hear_piece(self, piece: Piece, now: float) -> bool:
        """Take a piece; return whether it was the one that was missing."""
        download = self._download
        if download is None or not self.is_busy or not download.take(piece):
            return False
        self._asking.answered(now)
        if not self._guarded(lambda: self._store(piece, download), now):
            self._begun = self._download = None
            return False
        self._say("downloading")
        return True

    # --- What is done ------------------------------------------------------------------------

    def tick(self, moment: Moment) -> Want | None:
        """Go on; return what is to be asked for now."""
        wanted, now = self._wanted, moment.now
        if wanted is None or not self.is_busy:
            return None
        if self._reason == "disk" and now < self._asking.not_before:
            return None
        if self._download is None:
            self._guarded(lambda: self._open(wanted, now), now)
        download, begun = self._download, self._begun
        if download is None or begun is None or self._is_over(begun):
            return None
        why = self._waits_for(wanted, begun, moment)
        if why is not None:
            download.forget_asking()
            self._say("waiting", why)
        elif download.is_complete:
            self._guarded(lambda: self._finish(wanted, begun), now)
        else:
            return self._ask(download, moment)
        return None

    def _ask(self, download: Download, moment: Moment) -> Want | None:
        asking, now, again = self._asking, moment.now, download.is_asking
        if again and asking.is_patient(now):
            return None
        if now < asking.not_before or not moment.connected or not moment.drained():
            return None
        if not self._has_room(download.wanted.size - download.had):
            self._say("waiting", "disk")
            asking.put_off(now)
            return None
        want = download.ask(self._limits.window_bytes)
        asking.asked(now, download.asked - download.had, again=again)
        if asking.in_vain > 1:
            self._say("waiting", "no-answer")
        else:
            self._say("downloading")
        return want

    def _waits_for(self, wanted: Wanted, begun: Begun, moment: Moment) -> Reason | None:
        """Return what has to come first, None when it may go on."""
        why = what_forbids(wanted, self._limits, moment)
        if why is not None:
            return why
        waits = self._reason == "spread" and not begun.had
        return "spread" if waits and moment.now < self._asking.not_before else None

    def _judge(self, wanted: Wanted) -> None:
        """Refuse at once what would be refused in the end."""
        if wanted.version == self._in_use:
            self._say("applied")
        elif not is_newer(wanted.version, than=self._in_use):
            self._say("refused", "downgrade")
        elif wanted.size > self._limits.max_bytes:
            self._say("refused", "too-large")

    def _is_over(self, begun: Begun) -> bool:
        if begun.handed_over:
            self._say("verifying")
        elif begun.failures >= MOST_FAILURES:
            self._say("refused", "hash")
        return begun.handed_over or begun.failures >= MOST_FAILURES

    # --- The folder --------------------------------------------------------------------------

    def _open(self, wanted: Wanted, now: float) -> None:
        begun = self._incoming.begun()
        if begun is None or begun.bundle != wanted.bundle or begun.had > wanted.size:
            self._incoming.begin(wanted.bundle, 0)
            begun = Begun(wanted.bundle)
        self._begun, self._download = begun, Download(wanted, begun.had, begun.had)
        if begun.had:
            self._asking.resume(now, wanted.spread_s)

    def _store(self, piece: Piece, download: Download) -> None:
        self._incoming.append(piece.data)
        if not download.is_asking:
            self._incoming.sync()

    def _finish(self, wanted: Wanted, begun: Begun) -> None:
        self._incoming.sync()
        if self._incoming.digest() == wanted.bundle:
            self._incoming.hand_over()
            self._begun = Begun(wanted.bundle, wanted.size, handed_over=True)
            self._say("verifying")
            return
        failures = begun.failures + 1
        self._incoming.begin(wanted.bundle, failures)
        self._begun, self._download = Begun(wanted.bundle, 0, failures), Download(wanted)

    def _forget_unfinished(self) -> None:
        begun = self._incoming.begun()
        if begun is not None and not begun.handed_over:
            self._incoming.discard()

    def _has_room(self, more_bytes: int) -> bool:
        try:
            return self._incoming.has_room(more_bytes)
        except OSError:
            return False

    def _guarded(self, act: Callable[[], None], now: float) -> bool:
        """Do it; a disk that is full or gone is said, and tried again later."""
        try:
            act()
        except OSError:
            self._say("waiting", "disk")
            self._asking.put_off(now)
            return False
        return True

    # --- What is said ------------------------------------------------------------------------

    def _answer(self) -> Reported | None:
        """Return what the root side says of the bundle that is wanted, or of any without one."""
        root, wanted = self._root, self._wanted
        if root is None or (wanted is not None and root.bundle != wanted.bundle):
            return None
        return root

    def _say(self, state: State, reason: Reason | None = None) -> None:
        self._state, self._reason = state, reason
