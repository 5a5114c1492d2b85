"""Whether the camera still sees what it was set up to see: covered, dark, blurred, frozen, moved.

Pure: a few numbers of a picture twice a second in, a reason or none out. What one look is like is
said only when it holds; the time before it was said cannot be taken back. See docs/view-watch.md.
"""

from edge.view_look import Look
from edge.view_match import displaced, flat_share, match
from edge.view_signature import Memory, Signature
from edge.view_verdict import Verdict, ViewSettings
from edge.vocabulary import CoverageReason


class ViewWatch:
    """Judges one look after another. Times are seconds that never go back."""

    def __init__(
        self, signature: Signature | None = None, settings: ViewSettings | None = None
    ) -> None:
        """Begin with the view remembered from an earlier run, or learn the first one."""
        self._settings = settings or ViewSettings()
        self.signature = signature
        """The view as it should be; None until it is learned."""
        self._memory = Memory(signature)
        self._verdict = Verdict(self._settings)
        self._digest: int | None = None
        self._same_since = self._last_at = 0.0
        self._learned_s = self._unsettled_s = 0.0

    @property
    def reason(self) -> CoverageReason | None:
        """What is said now; None for a healthy view."""
        return self._verdict.said

    def see(self, at: float, look: Look) -> CoverageReason | None:
        """Judge one look and return what is said from now on."""
        passed_s = min(max(at - self._last_at, 0.0), 2 * self._settings.look_s)
        if look.digest != self._digest:
            self._digest, self._same_since = look.digest, at
        self._last_at = at
        found = self._judge(at, look)
        said = self._verdict.add(at, found)
        if found is None and said is None:
            self._remember(look, passed_s)
        return said

    def nothing(self) -> None:
        """Note that there is no picture, which is told otherwise; what was said stays."""
        self._digest = None
        self._verdict.interrupt()

    def confirm(self) -> None:
        """Take the view as it is now for the right one: it is learned anew."""
        self._begin_anew()
        self._verdict = Verdict(self._settings)

    def renewed(self) -> Signature | None:
        """Return the view with what has slowly changed since; None while it is being learned."""
        if self.signature is not None:
            self.signature = self._memory.signature()
        return self.signature

    def _judge(self, at: float, look: Look) -> CoverageReason | None:
        """Say what this look alone is like, the reason that explains most first."""
        s = self._settings
        if look.grey < s.dark_grey / self._ease(CoverageReason.DARK):
            return CoverageReason.DARK
        if flat_share(look) >= s.flat:
            return CoverageReason.COVERED
        frozen = s.frozen_s is not None and at - self._same_since >= s.frozen_s
        if frozen and self._verdict.said is not CoverageReason.COVERED:
            return CoverageReason.FROZEN
        if self.signature is None:
            return None
        if look.size != self.signature.size:
            return CoverageReason.MOVED
        return self._compare(self.signature, look)

    def _compare(self, view: Signature, look: Look) -> CoverageReason | None:
        s = self._settings
        found = match(view, look, s.unsharp_log2)
        if found.cells < s.least_cells:
            return None
        is_lost = found.coarse < s.lost / self._ease(CoverageReason.COVERED, CoverageReason.MOVED)
        ease = self._ease(CoverageReason.COVERED)
        if is_lost and found.soft >= ease * s.covered_soft and found.crisp < s.covered_crisp / ease:
            return CoverageReason.COVERED
        ease = self._ease(CoverageReason.BLURRED)
        if not is_lost and (
            found.soft >= ease * s.all_soft
            or (found.soft >= ease * s.part_soft and found.coarse >= s.clear)
        ):
            return CoverageReason.BLURRED
        return (
            CoverageReason.MOVED if is_lost or self._is_displaced(view, look, found.edges) else None
        )

    def _is_displaced(self, view: Signature, look: Look, edges: float) -> bool:
        s, ease = self._settings, self._ease(CoverageReason.MOVED)
        return edges < s.in_place / ease and displaced(view, look) >= ease * s.displaced

    def _ease(self, *reasons: CoverageReason) -> float:
        return self._settings.ease if self._verdict.said in reasons else 1.0

    def _remember(self, look: Look, passed_s: float) -> None:
        s, memory = self._settings, self._memory
        if self.signature is not None:
            share = passed_s / s.follow_s
            memory.follow(look, share, share / 24)
            return
        if memory.looks >= 10 and self._compare(memory.signature(), look) is CoverageReason.MOVED:
            self._unsettled_s += passed_s
            if self._unsettled_s >= s.recover_s:  # it is still being set up
                self._begin_anew()
            return
        self._unsettled_s = 0.0
        memory.learn(look)
        self._learned_s += passed_s
        if self._learned_s >= s.learn_s:
            self.signature = memory.signature()

    def _begin_anew(self) -> None:
        self.signature, self._memory = None, Memory()
        self._learned_s = self._unsettled_s = 0.0
