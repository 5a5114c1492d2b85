"""One simulated device: an invented crowd in front, the product's own pipeline and delivery behind.

`produce` lets time pass up to the end of the present interval; `turn` is a step of the relay.
They run on different threads, as counting and delivery do on a device.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zlib import crc32
from zoneinfo import ZoneInfo

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.aggregation import Aggregator
from edge.config import Config
from edge.config_sections import MqttSection
from edge.delivery import RelayState
from edge.intervals import Redater
from edge.messages import Health
from edge.pipeline import Pipeline, Stages
from edge.ports import Outbox
from edge.testing import MemoryOutbox
from edge.timeline import Timeline
from edge.vocabulary import Bucket, CoverageReason, Provenance

from .clocks import DeviceClock, Pace, SendingClock
from .crowd import Crowd
from .driver import Driver
from .equipment import config_of, hash_of
from .link import Handed, Link
from .options import Options
from .plan import QUEUE_ID, Plan
from .scene import Scene
from .sender import SharedStation
from .sockets import Sockets
from .stand_ins import NoDetector, NoTracker, Script, ScriptedCounter, ScriptedZones, picture
from .video import Video

MODEL = "simulated"
SPREAD_S = 30.0
"""As on a device (`edge.app`), of simulated time."""
NOTICED_WITHIN_S = 1.0
"""A device looks at its connection once in so long, so not all notice a dead broker at once."""
CLOCK_NOTICED_S = 2.0
YEAR_2100_MS = 4_102_444_800_000


@dataclass(slots=True)
class World:
    """What the devices of one process share. folder: where outboxes are, None for in memory."""

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
        """Switch it on at its own time; it makes and sends nothing yet."""
        options = world.options
        self._world, self.plan, self._ends_at = world, plan, options.ends_at
        self._interval_ms = options.interval_min * 60_000
        self._at = plan.begins_at
        self._steps = list(plan.steps)
        self._reason: CoverageReason | None = None
        self.made = 0
        self.is_finished = False
        self._is_leaving = False
        self._scene = _scene(options, plan)
        utc = options.start_s + plan.begins_at + plan.clock_error_s
        self._clock = DeviceClock(plan.begins_at, utc, plan.quality)
        self._timeline = Timeline(self._clock, boot=f"boot-{plan.index}")
        self.outbox = _outbox(world.folder, plan)
        config = config_of(world.broker, options.tenant, options.interval_min, plan)
        of_shape = hash_of(world.broker, options.interval_min, plan.lines, plan.has_queue)
        provenance = Provenance(of_shape, MODEL)
        self._script = Script()
        self._pipeline = self._new_pipeline(config, provenance)
        self._pipeline.on_saved(self._saved)
        self._link = Link(
            world.sockets, world.handed, plan.rng(options, "link"), plan.cut_share, self._lost
        )
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

    @property
    def next_at(self) -> float:
        """The simulated second at which the present interval ends."""
        now_ms = self._timeline.utc_ms(self._at)
        ends_ms = (now_ms // self._interval_ms + 1) * self._interval_ms
        ends_at = round(self._at + (ends_ms - now_ms) / 1000, 3)
        return min([ends_at, self._ends_at, *(step.at for step in self._steps[:1])])

    @property
    def counted(self) -> Counter[tuple[str, str]]:
        """What the crowd did while somebody was looking."""
        return self._scene.counted

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection, as far as it knows."""
        return self._station.relay.state.connected

    @property
    def is_urgent(self) -> bool:
        """Who is connected sends before others connect; on a device nobody is in the way."""
        return self.is_connected

    @property
    def commits(self) -> bool:
        """Whether this device knows of a backend that says what it has committed."""
        return self._station.relay.state.commits

    @property
    def link(self) -> Link:
        """What can be counted at its connections."""
        return self._link

    def produce(self) -> None:
        """Let time pass until `next_at`, with everything that happens until then."""
        end = self.next_at
        self._pass(end)
        if self._steps and self._steps[0].at <= end:
            step = self._steps.pop(0)
            self._clock.jump(step.by_s, step.quality)
            if end + CLOCK_NOTICED_S < self._ends_at:
                self._pass(end + CLOCK_NOTICED_S)
        if self._at >= self._ends_at:
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
            records = self.outbox.between(0, YEAR_2100_MS, 10**9, stream=stream)
            digest = sum(crc32(each.body.encode()) for each in records)
            streams[stream] = StreamFacts(len(records), records[-1].seq, digest)
        return DeviceFacts(self.plan.dev, streams, dict(self.counted))

    def unsaved(self) -> int:
        """Count what could be neither stored nor dated to the end."""
        return self._pipeline.progress.unsaved + len(self.outbox.waiting())

    def _pass(self, end: float) -> None:
        for shown in self._scene.until(end):
            self._script.booked, self._script.occupancies = shown.booked, shown.occupancies
            self._at, self._reason = shown.at, shown.reason
            self._clock.move_to(shown.at)
            self._pipeline.step(picture(shown.at, shown.reason))

    def _new_pipeline(self, config: Config, provenance: Provenance) -> Pipeline:
        zones = [section.zone() for section in config.zones]
        zone = ZoneInfo(self.plan.zone)
        stages = Stages(
            counter=ScriptedCounter(self._script),
            aggregator=partial(
                Aggregator,
                self.plan.lines,
                self._interval_ms,
                max_gap_ms=YEAR_2100_MS,  # there are only as many pictures as something happens
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

    def _saved(self, buckets: Sequence[Bucket]) -> None:
        self.made += len(buckets)
        self._station.relay.saved()

    def _lost(self) -> None:
        after_s = self._link.rng.uniform(0, NOTICED_WITHIN_S)
        self._world.driver.wake_later(self._seat, after_s)

    def _health(self, relay: RelayState) -> Health:
        return Health(
            uptime_s=round(self._at - self.plan.begins_at),
            queue=self.outbox.depth(),
            video=self._reason,
            fps=8.0 if self._reason is None else None,
            last_accepted_ms=relay.last_accepted_ms,
            last_error=relay.last_error,
        )


def _scene(options: Options, plan: Plan) -> Scene:
    crowd = Crowd(
        plan.rng(options, "crowd"),
        plan.lines,
        options.start_s,
        ZoneInfo(plan.zone),
        has_queue=plan.has_queue,
    )
    video = Video(plan.rng(options, "video"), plan.begins_at)
    return Scene(crowd, video, QUEUE_ID if plan.has_queue else None, plan.begins_at)


def _outbox(folder: Path | None, plan: Plan) -> Outbox:
    if folder is None:
        return MemoryOutbox(plan.dev, plan.stream)
    return SqliteOutbox(folder / f"{plan.dev}.sqlite", plan.dev)
