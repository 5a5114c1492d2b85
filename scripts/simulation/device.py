"""One simulated device: an invented crowd in front, the product's own pipeline and delivery behind.

`produce` lets time pass up to the end of the present interval; `turn` is a step of the relay.
They run on different threads, as counting and delivery do on a device.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.aggregation import Aggregator
from edge.config import Config, DeviceSection, MqttSection
from edge.delivery import RelayState
from edge.intervals import Redater
from edge.messages import Health
from edge.pipeline import Pipeline, Stages
from edge.ports import Outbox
from edge.testing import MemoryOutbox
from edge.timeline import Timeline
from edge.vocabulary import CoverageReason, Crossing, Occupancy, Provenance

from .clocks import DeviceClock, Pace, SendingClock
from .crowd import Crowd, Passage, Waiting
from .driver import Driver
from .link import Handed, Link
from .options import Options
from .plan import QUEUE_ID, Plan
from .sender import SharedStation
from .sockets import Sockets
from .stand_ins import (
    NoDetector,
    NoTracker,
    Script,
    ScriptedCounter,
    ScriptedZones,
    picture,
)
from .video import Video

MODEL = "simulated"
SPREAD_S = 30.0
"""As on a device (`edge.app`), of simulated time."""
NOTICED_WITHIN_S = 1.0
"""A device looks at its connection once in so long, so not all notice a dead broker at once."""
CLOCK_NOTICED_S = 2.0
_NAMES = {"door": "大门", "side": "侧门", "yard": "院门", "stairs": "楼梯口", "lift": "电梯口"}


@dataclass(slots=True)
class World:
    """What the devices of one process share."""

    options: Options
    broker: MqttSection
    sockets: Sockets
    driver: Driver
    pace: Pace
    handed: Handed
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What an outbox holds of one stream. digest: a sum over its sealed texts, in any order."""

    records: int
    last: int
    digest: int


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What must be in the database of one device.

    counted: what the crowd did while somebody was looking, by line or zone and kind.
    """

    dev: str
    streams: dict[str, StreamFacts]
    counted: dict[tuple[str, str], int]


class Device:
    """One of the fleet."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world, self.plan = world, plan
        options, begins_at = world.options, plan.begins_at
        self._interval_ms = options.interval_min * 60_000
        self._at = begins_at
        self._queue = 0
        self._queue_id = QUEUE_ID if plan.has_queue else None
        self._steps = list(plan.steps)
        self._reason: CoverageReason | None = None
        self.counted: Counter[tuple[str, str]] = Counter()
        self.made = 0
        self.is_finished = False
        self._is_leaving = False
        zone = ZoneInfo(plan.zone)
        self._crowd = Crowd(
            plan.rng(options, "crowd"),
            plan.lines,
            options.start_s,
            zone,
            has_queue=plan.has_queue,
        )
        self._video = Video(plan.rng(options, "video"), begins_at)
        self._clock = DeviceClock(
            begins_at, options.start_s + begins_at + plan.clock_error_s, plan.quality
        )
        self._timeline = Timeline(self._clock, boot=f"boot-{plan.index}")
        self.outbox = self._new_outbox()
        config = _config(world.broker, options.tenant, plan)
        provenance = Provenance(_hash(world.broker, plan.lines, plan.has_queue), MODEL)
        self._script = Script()
        self._pipeline = self._new_pipeline(config, provenance, zone)
        self._link = Link(world.sockets, world.handed, plan.rng(options, "link"), plan.cut_share)
        self._seat = world.driver.seat(self)
        self._station = SharedStation(
            self._link,
            self._seat,
            options.resend_s,
            config,
            SendingClock(self._clock, world.pace),
            self.outbox,
            provenance,
            interval_s=options.interval_min * 60.0,
            health=self._health,
            spread_s=SPREAD_S / options.speed if options.speed else 0.0,
        )
        self._link.on_ended = self._lost
        self._pipeline.on_saved(self._saved)

    @property
    def next_at(self) -> float:
        """The simulated second at which the present interval ends."""
        now_ms = self._timeline.utc_ms(self._at)
        ends_ms = (now_ms // self._interval_ms + 1) * self._interval_ms
        ends_at = round(self._at + (ends_ms - now_ms) / 1000, 3)
        return min([ends_at, self._world.options.ends_at, *(step.at for step in self._steps[:1])])

    @property
    def is_connected(self) -> bool:
        return self._station.relay.state.connected

    @property
    def is_urgent(self) -> bool:
        """Who is connected sends before others connect; on a device nobody is in the way."""
        return self.is_connected

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to make and to be let go."""
        return self.is_finished and self.outbox.depth() == 0

    @property
    def commits(self) -> bool:
        """Whether this device knows of a backend that says what it has committed."""
        return self._station.relay.state.commits

    @property
    def connections(self) -> int:
        """How often it has connected."""
        return self._link.connections

    @property
    def cuts(self) -> int:
        """How often its network failed because the plan said so."""
        return self._link.cuts

    def produce(self) -> None:
        """Let time pass until `next_at`, with everything that happens until then."""
        end = self.next_at
        self._pass(end)
        if self._steps and self._steps[0].at <= end:
            step = self._steps.pop(0)
            self._clock.jump(step.by_s, step.quality)
            if end + CLOCK_NOTICED_S < self._world.options.ends_at:
                self._pass(end + CLOCK_NOTICED_S)
        if self._at >= self._world.options.ends_at:
            self.finish()

    def finish(self) -> None:
        """Close the open interval; nothing is made any more."""
        if not self.is_finished:
            self._pipeline.finish()
            self.is_finished = True

    def connect(self) -> None:
        """Begin to deliver."""
        self._seat.set()

    def leave(self) -> None:
        """Say goodbye with the next turn."""
        self._is_leaving = True
        self._seat.set()

    def cut(self) -> None:
        """Lose the network for a moment."""
        self._link.cut()

    def turn(self) -> float | None:
        """Let the relay do what is due; see `driver`."""
        relay = self._station.relay
        if self._is_leaving:
            relay.finish()
            return None
        return relay.step()

    def facts(self) -> DeviceFacts:
        """Return what must be in the database."""
        streams = {}
        for stream in self.outbox.streams(retired=True):
            records = self.outbox.between(0, 2**52, 10**9, stream=stream)
            digest = sum(crc32(each.body.encode()) for each in records)
            streams[stream] = StreamFacts(len(records), records[-1].seq, digest)
        return DeviceFacts(self.plan.dev, streams, dict(self.counted))

    def unsaved(self) -> int:
        """Count what could be neither stored nor dated to the end."""
        return self._pipeline.progress.unsaved + len(self.outbox.waiting())

    def _pass(self, end: float) -> None:
        """Go on to a simulated second, in parts in which there is video or there is none."""
        due = iter(self._crowd.between(self._at, end))
        ahead = next(due, None)
        for until, reason in self._parts(end):
            passed: list[Passage] = []
            while ahead is not None and ahead.at < until:
                if isinstance(ahead, Passage):
                    passed.append(ahead)
                else:
                    self._wait(ahead, reason, passed)
                ahead = next(due, None)
            self._step(until, reason, passed)

    def _parts(self, end: float) -> Iterator[tuple[float, CoverageReason | None]]:
        while self._at < end:
            blind = self._video.at(self._at)
            if blind.t0 <= self._at:
                yield min(blind.t1, end), blind.reason
            else:
                yield min(blind.t0, end), None

    def _wait(self, change: Waiting, reason: CoverageReason | None, passed: list[Passage]) -> None:
        """Somebody joins or leaves the queue; unseen when there is no video."""
        self._queue += change.change
        if reason is None:
            kind = "arrivals" if change.change > 0 else "departures"
            self._show_queue(**{kind: 1})
            self._step(max(self._at, change.at), None, passed)

    def _step(self, at: float, reason: CoverageReason | None, passed: list[Passage]) -> None:
        """Give the pipeline one picture, and what was seen since the last one."""
        if reason is None:
            for each in passed:
                self.counted[each.line, str(each.outcome)] += 1
            self._script.booked = tuple(Crossing(p.line, p.outcome, p.at, p.doubt) for p in passed)
        else:
            self._show_queue()  # who waits is seen again, and did not arrive
        passed.clear()
        self._at, self._reason = at, reason
        self._clock.move_to(at)
        self._pipeline.step(picture(at, reason))

    def _show_queue(self, *, arrivals: int = 0, departures: int = 0) -> None:
        if self._queue_id is not None:
            seen = Occupancy(self._queue_id, self._queue, arrivals, departures)
            self._script.occupancies = (seen,)
            self.counted[self._queue_id, "arrivals"] += arrivals
            self.counted[self._queue_id, "departures"] += departures

    def _new_outbox(self) -> Outbox:
        plan, folder = self.plan, self._world.folder
        if folder is None:
            return MemoryOutbox(plan.dev, plan.stream)
        return SqliteOutbox(folder / f"{plan.dev}.sqlite", plan.dev)

    def _new_pipeline(self, config: Config, provenance: Provenance, zone: ZoneInfo) -> Pipeline:
        zones = [section.zone() for section in config.zones]
        stages = Stages(
            counter=ScriptedCounter(self._script),
            aggregator=partial(
                Aggregator,
                [section.id for section in config.lines],
                self._interval_ms,
                max_gap_ms=2**52,  # there are only as many pictures as something happens
                zones=zones,
                time_zone=zone,
            ),
            provenance=provenance,
            zones=ScriptedZones(self._script),
            redate=Redater(zones, zone),
        )
        return Pipeline(
            detector=NoDetector(),
            tracker=NoTracker(),
            stages=stages,
            outbox=self.outbox,
            timeline=self._timeline,
            interval_ms=self._interval_ms,
        )

    def _saved(self, buckets: list[object]) -> None:
        self.made += len(buckets)
        self._station.relay.saved()

    def _lost(self) -> None:
        self._world.driver.wake_later(self._seat, self._link.rng.uniform(0, NOTICED_WITHIN_S))

    def _health(self, relay: RelayState) -> Health:
        return Health(
            uptime_s=round(self._at - self.plan.begins_at),
            queue=self.outbox.depth(),
            video=self._reason,
            fps=8.0 if self._reason is None else None,
            last_accepted_ms=relay.last_accepted_ms,
            last_error=relay.last_error,
        )


@cache
def _template(broker: MqttSection, lines: tuple[str, ...], has_queue: bool) -> Config:
    zone = {"id": QUEUE_ID, "name": "等候区", "kind": "queue",
            "polygon": [[0.05, 0.6], [0.35, 0.6], [0.35, 0.95], [0.05, 0.95]]}  # fmt: skip
    return Config.model_validate({
        "device": {"tenant": "t", "id": "d"},
        "camera": {"source": "/dev/video0"},
        "lines": [
            {"id": line, "name": _NAMES.get(line, line), "in": "down",
             "points": [[0.2, 0.1 + 0.1 * n], [0.8, 0.1 + 0.1 * n]]}
            for n, line in enumerate(lines)
        ],
        "zones": [zone] if has_queue else [],
        "mqtt": broker.model_dump(),
    })  # fmt: skip


@cache
def _hash(broker: MqttSection, lines: tuple[str, ...], has_queue: bool) -> str:
    return _template(broker, lines, has_queue).hash()


def _config(broker: MqttSection, tenant: str, plan: Plan) -> Config:
    of_device = DeviceSection(
        tenant=tenant, id=plan.dev, name=f"{plan.index} 号党群服务中心", time_zone=plan.zone
    )
    shape = _template(broker, plan.lines, plan.has_queue)
    return shape.model_copy(update={"device": of_device})
