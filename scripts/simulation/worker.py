"""A process with some of the devices: it is told what to do, and says how far it is."""

import logging
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import structlog

from edge.config_sections import MqttSection

from .clocks import Pace
from .device import Device, DeviceFacts, World
from .driver import THREADS, Driver
from .link import Handed
from .options import Options
from .plan import plan_of
from .producer import Producer
from .sockets import Sockets

TICK_S = 0.02
REPORT_S = 0.25
GOODBYE_S = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one process is.

    pending: records made and not let go. unmarked: devices that have not let go of everything
    that was made before the last mark. unacked: devices that have, but have seen no ack.
    """

    is_ready: bool = False
    at: float = 0.0
    reachable: int = 0
    connected: int = 0
    made: int = 0
    pending: int = 0
    marks: int = 0
    unmarked: int = 0
    settled: int = 0
    unacked: int = 0
    is_made: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What one process has to show in the end."""

    facts: list[DeviceFacts]
    waited: list[tuple[float, int]]
    handed: int
    made: int
    pending: int
    unsaved: int
    connections: int
    cuts: int
    surprises: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0
    memory_mb: float = 0.0


def work(pipe: Connection, options: Options, broker: MqttSection, indexes: Sequence[int]) -> None:
    """Run the devices of these indexes until told to leave, or until nobody is there to tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal all get it; the first one decides
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard) if soft < hard else (soft, hard))
    with ExitStack() as stack:
        folder = None
        if options.is_on_disk:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="simulate-")))
        Worker(pipe, options, broker, indexes, folder).run()


class Worker:
    """The devices of one process and their three kinds of threads."""

    def __init__(
        self,
        pipe: Connection,
        options: Options,
        broker: MqttSection,
        indexes: Sequence[int],
        folder: Path | None,
    ) -> None:
        self._pipe = pipe
        self._surprises: Counter[str] = Counter()
        _log_only_errors(self._surprised)
        self._sockets = Sockets(self._surprised)
        self._driver = Driver(self._surprised, min(THREADS, 2 * len(indexes) + 2))
        self._pace = Pace(options.speed)
        self._handed = Handed()
        world = World(
            options, broker, self._sockets, self._driver, self._pace, self._handed, folder
        )
        self._devices = [Device(world, plan_of(options, index)) for index in indexes]
        self._producer = Producer(self._devices, self._pace, self._surprised)
        self._orders: dict[str, Callable[[float], None]] = {
            "connect": self._do_connect,
            "begin": self._do_begin,
            "mark": self._do_mark,
            "cut": self._do_cut,
            "halt": self._do_halt,
            "leave": self._do_leave,
        }
        self._marks: list[tuple[Device, int]] = []
        self._marks_made = 0
        self._report_at = self._look_at = 0.0
        self._is_leaving = False

    def run(self) -> None:
        """Serve until every device has said goodbye."""
        leave_by = float("inf")
        while time.monotonic() < leave_by:
            self._sockets.turn(TICK_S)
            self._driver.tick()
            now = time.monotonic()
            if now >= self._look_at:
                self._look_at = now + TICK_S
                if not self._obey():
                    return
            if now >= self._report_at:
                self._report_at = now + REPORT_S
                self._pipe.send(self._progress())
            if self._is_leaving:
                leave_by = min(leave_by, now + GOODBYE_S)
                if self._driver.over == len(self._devices):
                    break
        self._pipe.send(self._result())

    def _obey(self) -> bool:
        """Do what is asked; return whether there is still somebody who asks."""
        try:
            while self._pipe.poll():
                what, value = self._pipe.recv()
                self._orders[what](value)
        except (EOFError, OSError):
            return False
        return True

    def _do_connect(self, _: float) -> None:
        for device in self._devices:
            if device.plan.network_at == 0:
                device.connect()

    def _do_begin(self, began_at: float) -> None:
        self._pace.began_at = began_at
        self._producer.start()

    def _do_mark(self, _: float) -> None:
        self._marks = [(device, device.made) for device in self._devices]
        self._marks_made += 1

    def _do_cut(self, _: float) -> None:
        for device in self._devices:
            device.link.cut()

    def _do_halt(self, _: float) -> None:
        self._producer.stop()

    def _do_leave(self, _: float) -> None:
        self._producer.stop()
        self._is_leaving = True
        for device in self._devices:
            device.leave()

    def _progress(self) -> Progress:
        depths = {device: device.outbox.depth() for device in self._devices}
        self._marks = [(d, made) for d, made in self._marks if d.made - depths[d] < made]
        made = sum(device.made for device in self._devices)
        settled = [device for device in self._devices if device.is_finished and not depths[device]]
        return Progress(
            is_ready=True,
            at=self._producer.at,
            reachable=sum(device.plan.network_at == 0 for device in self._devices),
            connected=sum(device.is_connected for device in self._devices),
            made=made,
            pending=sum(depths.values()),
            marks=self._marks_made,
            unmarked=len(self._marks),
            settled=len(settled),
            unacked=sum(not device.commits for device in settled),
            is_made=self._producer.is_over,
        )

    def _result(self) -> Result:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Result(
            facts=[device.facts() for device in self._devices],
            waited=self._handed.waited,
            handed=self._handed.records,
            made=sum(device.made for device in self._devices),
            pending=sum(device.outbox.depth() for device in self._devices),
            unsaved=sum(device.unsaved() for device in self._devices),
            connections=sum(device.link.connections for device in self._devices),
            cuts=sum(device.link.cuts for device in self._devices),
            surprises=dict(self._surprises),
            cpu_s=used.ru_utime + used.ru_stime,
            memory_mb=used.ru_maxrss / 1024,
        )

    def _surprised(self, what: str) -> None:
        self._surprises[what[:200]] += 1
        if os.environ.get("SIMULATE_DEBUG"):
            print(what, file=sys.stderr)


def _log_only_errors(surprised: Callable[[str], None]) -> None:
    """What a device logs as an error nobody may miss; thousands of warnings nobody can read."""

    def note(_logger: object, _name: str, event: dict[str, object]) -> dict[str, object]:
        if event.get("event") not in {"clock.set_back"}:
            surprised(f"logged: {event.get('event')} {event.get('error') or event.get('reason')}")
        raise structlog.DropEvent

    structlog.configure(
        processors=[note], wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
