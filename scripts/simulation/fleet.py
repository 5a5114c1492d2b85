"""The whole run: connect everybody, let time pass, faults in their time, drain, compare."""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from .check import compare
from .gauges import Gauges
from .options import Options
from .plan import name_of
from .report import Cost, Report, report_of
from .services import Services
from .worker import Result
from .workers import Workers

POLL_S = 0.05
CONNECT_S = 180.0
"""So long the simulated time waits for everybody to be there."""
PATIENCE_RESENDS, PATIENCE_S = 2.0, 30.0
"""A run in which nothing more is let go ends after so many resend times and so long."""
RESULT_S = 180.0
SHOW_S = 2.0
FAULT_AT = {"outage": 0.25, "reconnect-storm": 0.5, "duplicates": 0.7}
ASKED_AGAIN_S = 7200.0
"""With the fault `duplicates` a backend asks for this much once more, in simulated seconds."""
AMID_S = 15.0
"""A fault of the services comes amid the sending of an interval, in simulated seconds."""


class Stopped(Exception):  # noqa: N818  it is no error
    """Somebody wants the present part of the run to end."""


class Fleet:
    """One run from its start to its report. Ctrl-C ends the making, a second one the draining."""

    def __init__(self, options: Options, services: Services) -> None:
        """Prepare; SIGINT must be blocked, it is asked for here."""
        self._options, self._services = options, services
        self._since_ms = int(time.time() * 1000)
        self._workers = Workers(options, services.broker_url)
        self._gauges = Gauges()
        self._show_at = 0.0
        self._is_terminated = False
        self._complaints: list[str] = []

    def run(self) -> Report:
        """Run, and compare what came of it. Raises RuntimeError when a process is gone."""
        signal.signal(signal.SIGTERM, self._terminated)
        # Threads that numpy began before the mask do not block it, and may get it instead.
        signal.signal(signal.SIGINT, self._terminated)
        try:
            try:
                self._connect()
                self._pass_time()
            except Stopped:
                self._workers.tell("halt")
            try:
                self._drain()
            except Stopped:
                self._complaints.append("stopped before everything was let go")
            results = self._leave()
        finally:
            self._workers.close()
        return self._report(results)

    def _terminated(self, _number: int, _frame: object) -> None:
        self._is_terminated = True

    def _connect(self) -> None:
        self._wait(lambda: self._workers.all_say(lambda p: p.is_ready), CONNECT_S)
        began_at = time.monotonic()
        self._workers.tell("connect")
        if self._wait(lambda: self._workers.sum("connected") >= self._expected(), CONNECT_S):
            self._gauges.to_connect_s = time.monotonic() - began_at
        else:
            here = self._workers.sum("connected")
            self._complaints.append(f"only {here} devices were connected after {CONNECT_S:g} s")

    def _expected(self) -> int:
        """How many devices have a network from the beginning."""
        return self._workers.sum("reachable")

    def _pass_time(self) -> None:
        self._workers.tell("begin", self._gauges.begin())
        if self._comes("outage"):
            self._outage()
        if self._comes("reconnect-storm"):
            self._storm()
        if self._comes("duplicates"):
            now_s = self._options.start_s + max(p.at for p in self._workers.latest)
            devices = [name_of(index) for index in range(self._options.devices)]
            self._services.ask_again(devices, now_s - ASKED_AGAIN_S, now_s)
        self._wait(lambda: self._workers.all_say(lambda p: p.is_made))

    def _comes(self, fault: str) -> bool:
        """Wait for the time of a fault; return whether it is to happen."""
        if fault not in self._options.faults:
            return False
        options, share = self._options, FAULT_AT[fault]
        if options.speed is None:
            self._wait(lambda: self._gauges.share_let_go >= share)
        else:
            interval_s = options.interval_min * 60
            at = share * (options.ends_at if options.days else 86_400) // interval_s * interval_s
            self._wait(lambda: self._gauges.real_s * (options.speed or 1) >= at + AMID_S)
        return True

    def _outage(self) -> None:
        if self._services.receiver is not None:
            self._services.receiver.kill()
            self._rest(self._options.down_s)
            self._services.receiver.start()

    def _storm(self) -> None:
        before = self._workers.sum("connected")
        lab = self._services.lab
        if lab is None:
            self._workers.tell("cut")
        else:
            self._services.look()
            lab.kill()
            self._rest(self._options.down_s)
            lab.start()
        self._workers.tell("mark")
        self._gauges.begin_storm(before)

    def _drain(self) -> None:
        """Wait until nothing is left to let go, as long as there is progress."""
        limit_s = PATIENCE_RESENDS * self._options.resend_s + PATIENCE_S
        last, since = None, time.monotonic()
        while not self._wait(self._is_drained, 1.0):
            state = [(p.pending, p.settled, p.unacked) for p in self._workers.latest]
            if state != last:
                last, since = state, time.monotonic()
            elif time.monotonic() - since > limit_s:
                self._complaints.append(f"nothing more was let go for {limit_s:g} s")
                break
        self._gauges.end()

    def _is_drained(self) -> bool:
        unacked = self._workers.sum("unacked") if self._services.receiver is not None else 0
        is_all = self._workers.sum("settled") - unacked == self._options.devices
        return is_all and self._gauges.is_storm_over

    def _leave(self) -> Sequence[Result]:
        self._workers.tell("leave")
        deadline = time.monotonic() + RESULT_S
        while len(self._workers.results) < self._options.workers:
            if time.monotonic() > deadline:
                raise RuntimeError("a worker process does not come to its end")
            self._listen()
            time.sleep(POLL_S)
        return list(self._workers.results.values())

    def _rest(self, seconds: float) -> None:
        self._wait(lambda: False, seconds)

    def _wait(self, is_done: Callable[[], bool], at_most_s: float | None = None) -> bool:
        """Let everything go on until something is so, or so long. Raises Stopped."""
        deadline = float("inf") if at_most_s is None else time.monotonic() + at_most_s
        while True:
            self._listen()
            if is_done():
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            asked = signal.sigtimedwait({signal.SIGINT}, min(POLL_S, left_s))
            # A process that was held returns with something that is no signal.
            is_asked = asked is not None and asked.si_signo == signal.SIGINT
            if is_asked or self._is_terminated:
                self._is_terminated = False
                raise Stopped

    def _listen(self) -> None:
        self._workers.listen()
        self._services.look()
        self._gauges.look(self._workers)
        if not self._options.as_json and time.monotonic() >= self._show_at:
            self._show_at = time.monotonic() + SHOW_S
            print(self._line(), file=sys.stderr)

    def _line(self) -> str:
        workers = self._workers
        at = max(progress.at for progress in workers.latest)
        now = datetime.fromtimestamp(self._options.start_s, UTC) + timedelta(seconds=at)
        return (
            f"{now:%Y-%m-%d %H:%M}Z  {workers.sum('connected')} connected,"
            f" {workers.sum('made')} made, {workers.sum('pending')} pending"
        )

    def _report(self, results: Sequence[Result]) -> Report:
        services, options = self._services, self._options
        costs, again, verdict = {}, None, None
        if services.lab is not None:
            costs["mosquitto"] = Cost(services.broker_watch.cpu_s, services.broker_watch.memory_mb)
        if services.receiver is not None and services.database is not None:
            services.receiver.close()
            watch, again = services.receiver.watch, services.receiver.repeated
            costs["receiver"] = Cost(watch.cpu_s, watch.memory_mb)
            facts = [device for result in results for device in result.facts]
            verdict = compare(services.database, options.tenant, facts, self._since_ms)
        return report_of(
            options.seed,
            results,
            verdict=verdict,
            timings=self._gauges.timings(),
            costs=costs,
            received_again=again,
            complaints=self._complaints,
        )
