"""The gauges for a Prometheus on this machine: http://127.0.0.1:PORT/metrics.

Nothing is there that the device does not also say in `health` and in its records: the totals
of people move when an interval has become a record, never with a person.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import start_wsgi_server
from prometheus_client.registry import Collector

from edge.messages import Health
from edge.vocabulary import Pace, Slowdown, TimeQuality

ADDRESS = "127.0.0.1"

Totals = Mapping[tuple[str, str], int]
"""People over a line since this process began, by line and direction ("in", "out")."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What moves with every picture, and so is asked for at the scrape itself."""

    frames: int
    """Pictures looked at since this process began."""
    dropped: int
    """Pictures that were not looked at, because there was no time."""
    frame_age_s: float | None
    """Since the last picture; None before the first."""
    connected: bool
    """Whether there is a connection to the broker."""


class Metrics(Collector):
    """Answers scrapes, as a context. A port that is taken is logged; the counting goes on."""

    def __init__(
        self,
        port: int,
        gauges: Callable[[], Health | None],
        totals: Callable[[], Totals],
        pulse: Callable[[], Pulse],
    ) -> None:
        """Prepare. The callables are asked by another thread at every scrape."""
        self._port, self._gauges, self._totals, self._pulse = port, gauges, totals, pulse
        self._close: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        """Begin to answer, in a thread."""
        registry = CollectorRegistry()
        registry.register(self)
        try:
            server, thread = start_wsgi_server(self._port, ADDRESS, registry)
        except OSError as error:
            _log.error("metrics.not_served", port=self._port, reason=str(error))
            return self

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self._close = close
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Free the port; the thread is over."""
        self._close()

    def collect(self) -> Iterator[Metric]:
        """Yield what is known now; what is not known is left out."""
        yield from _moving(self._pulse())
        health = self._gauges()
        if health is not None:
            for name, what, value in _values(health):
                if value is not None:
                    yield GaugeMetricFamily(f"lobbycount_{name}", what, value)
        people = CounterMetricFamily(
            "lobbycount_crossings",
            "Person-visits in the records since the service began.",
            labels=["line", "direction"],
        )
        for labels, count in self._totals().items():
            people.add_metric(labels, count)
        yield people


def _moving(pulse: Pulse) -> Iterator[Metric]:
    yield CounterMetricFamily("lobbycount_frames", "Pictures looked at.", pulse.frames)
    skipped = "Pictures that were not looked at: there was no time."
    yield CounterMetricFamily("lobbycount_frames_dropped", skipped, pulse.dropped)
    connected = "1: connected to the broker."
    yield GaugeMetricFamily("lobbycount_broker_connected", connected, float(pulse.connected))
    if pulse.frame_age_s is not None:
        since = "Since the last picture."
        yield GaugeMetricFamily("lobbycount_last_frame_age_seconds", since, pulse.frame_age_s)


def _values(health: Health) -> Iterator[tuple[str, str, float | None]]:
    yield "uptime_seconds", "Since the service began.", health.uptime_s
    yield "queue_records", "Records not delivered yet.", health.queue
    yield "unsaved_intervals", "Closed intervals that are in memory only.", health.unsaved
    yield "video_healthy", "1: there is a healthy picture.", float(health.video is None)
    trusted = health.time is not None and health.time is not TimeQuality.UNSYNCED
    yield "clock_trusted", "1: the dates of intervals can be trusted.", float(trusted)
    yield "trouble", "1: health has an error.", float(health.last_error is not None)
    yield "frames_per_second", "Pictures looked at.", health.fps
    if health.pace is not None:
        yield from _pace(health.pace)
    yield "looked_ratio", "Share of pictures looked at; the others had not changed.", health.looked
    yield "detect_seconds", "What the detector takes for a picture.", _times(health.detect_ms, 1e-3)
    yield "temperature_celsius", "Of the processor.", health.temperature_c
    yield "memory_bytes", "Resident memory.", _times(health.memory_mb, 1e6)
    yield "disk_free_bytes", "Where the outbox lies.", _times(health.disk_free_mb, 1e6)
    accepted_s = _times(health.last_accepted_ms, 1e-3)
    yield "last_accepted_timestamp_seconds", "When records were last accepted, UTC.", accepted_s


def _pace(pace: Pace) -> Iterator[tuple[str, str, float | None]]:
    yield "frames_per_second_target", "Pictures wanted.", pace.target_fps
    yield "frames_per_second_asked", "Pictures asked of the camera now.", pace.fps
    for reason in Slowdown:
        why = f"1: fewer pictures are asked for than wanted, because of: {reason}."
        yield f"slowed_{reason}", why, float(pace.reason is reason)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
