"""The product's sending side, as it is when thousands of devices share a process.

Will, birth, commands, acks, back-off and what is sent when are `edge.station` and
`edge.delivery`; the relay is stepped by the `driver`, and its connection shares its sockets.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from edge.delivery import Relay, RelayLimits
from edge.station import Station

from .driver import Seat
from .link import Link, SharedBroker

IDLE_S = 15.0
"""A relay with nothing to do is woken by what happens; this is for what nobody tells it."""


class SteppedRelay(Relay):
    """A relay that is not looked after every second, but woken; see `driver`."""

    def __init__(
        self,
        *arguments: Any,
        seat: Seat,
        limits: RelayLimits,
        resend_s: float,
        **named: Any,
    ) -> None:
        sending = replace(limits.sending, resend_s=resend_s)
        limits = replace(limits, sending=sending, idle_s=min(IDLE_S, resend_s))
        super().__init__(*arguments, limits=limits, **named)
        self.wake: Any = seat


class SharedStation(Station):
    """A station without a thread: `relay.step` and `relay.finish` are called from outside."""

    def __init__(
        self, link: Link, seat: Seat, resend_s: float, *arguments: Any, **named: Any
    ) -> None:
        self.broker_type = partial(SharedBroker, link)
        self.relay_type = partial(SteppedRelay, seat=seat, resend_s=resend_s)
        super().__init__(*arguments, **named)
