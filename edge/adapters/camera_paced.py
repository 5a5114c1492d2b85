"""A source that goes slower while the board is hot or falls behind, and says so."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import structlog

from edge.adapters.camera_clip import ClipSource
from edge.adapters.camera_live import LiveSource
from edge.pacing import Pacer
from edge.sight import Sight
from edge.vocabulary import CoverageReason, Frame, NoFrame, Pace, Point

_TEMPERATURE_S = 2.0

_log = structlog.get_logger(__name__)


class PacedSource:
    """Passes on the pictures of another source, and times what is done with each.

    Everything but `close` belongs to one thread.
    """

    def __init__(
        self,
        source: ClipSource | LiveSource,
        target_fps: float,
        *,
        monotonic: Callable[[], float],
        temperature_c: Callable[[], float | None],
        pacer: Pacer | None = None,
    ) -> None:
        """Begin at the wanted rate.

        monotonic: seconds on a clock that never jumps.
        temperature_c: of the processor, None where the board does not tell.
        """
        self._source, self._monotonic, self._temperature_c = source, monotonic, temperature_c
        self._pacer, self._sight = pacer or Pacer(target_fps), Sight(target_fps)
        self._blind = False
        self._heat_c: float | None = None
        self._feel_at = monotonic()

    @property
    def pace(self) -> Pace:
        """How many pictures a second are wanted and asked for now."""
        return self._pacer.pace

    @property
    def dropped(self) -> int:
        """How many due pictures the consumer was too slow for."""
        return self._source.dropped

    @property
    def child_pid(self) -> int | None:
        """The process that decodes, while there is one."""
        return self._source.child_pid

    def frames(self) -> Iterator[Frame | NoFrame]:
        """Yield what the source yields; where people may have passed unseen, with the reason."""
        for item in self._source.frames():
            began = self._monotonic()
            yield self._judged(item)
            now = self._monotonic()
            self._adapt(now, now - began if isinstance(item, Frame) else None)

    def set_masks(self, masks: Sequence[Sequence[Point]]) -> None:
        """Burn these masks into every picture from the next one on."""
        self._source.set_masks(masks)

    def set_target(self, fps: float) -> None:
        """Want so many pictures a second from now on; what slows them is measured anew."""
        self._pacer, self._sight = self._pacer.again(fps), Sight(fps)
        self._blind = False
        self._source.set_fps(self.pace.fps)

    def close(self) -> None:
        """Release the source; idempotent, callable from another thread."""
        self._source.close()

    def _judged(self, item: Frame | NoFrame) -> Frame | NoFrame:
        if isinstance(item, NoFrame):
            self._sight.nothing()
            return item
        blind = self._sight.is_blind(item.at, self._source.dropped)
        if blind is not self._blind:
            self._blind = blind
            if blind:
                _log.warning("overload.begins", asked_fps=self.pace.fps)
            else:
                _log.info("overload.ends")
        return replace(item, reason=CoverageReason.OVERLOAD) if blind else item

    def _adapt(self, now: float, work_s: float | None) -> None:
        if now >= self._feel_at:
            self._feel_at, self._heat_c = now + _TEMPERATURE_S, self._temperature_c()
        before, dropped = self.pace, self._source.dropped
        pace = self._pacer.decide(now, work_s=work_s, dropped=dropped, temperature_c=self._heat_c)
        if pace.fps == before.fps:
            return
        self._source.set_fps(pace.fps)
        say, event = (
            (_log.warning, "rate.lowered") if pace.fps < before.fps else (_log.info, "rate.raised")
        )
        reason = str(pace.reason) if pace.reason else None
        say(
            event,
            fps=pace.fps,
            of_fps=pace.target_fps,
            reason=reason,
            temperature_c=self._heat_c,
        )
