"""How often a PIN may be tried: pure, time passed in, so that what is kept can be tested.

Five wrong PINs from one address, or twenty from all, and the next must wait a minute; with
every further wrong one the wait doubles, up to an hour. Kept are the numbers of wrong PINs: a
restart begins the wait anew, so that it never becomes shorter by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

FREE_PER_ADDRESS = 5
FREE_IN_ALL = 20
FIRST_WAIT_S = 60.0
LONGEST_WAIT_S = 3600.0
MOST_ADDRESSES = 256
ALL = "*"


@dataclass(slots=True)
class _Tries:
    wrong: int
    free_at: float


class Throttle:
    """Wrong PINs so far, by address and in all."""

    def __init__(self, now: float, wrong: Mapping[str, int] | None = None) -> None:
        """Begin, or go on after a restart with what `wrong` was then."""
        self._tries = {
            address: _Tries(number, now + wait_s(number, _free(address)))
            for address, number in (wrong or {}).items()
        }

    @property
    def wrong(self) -> dict[str, int]:
        """What has to be kept."""
        return {address: tries.wrong for address, tries in self._tries.items()}

    def retry_after_s(self, address: str, now: float) -> float:
        """Return how long this address has to wait; 0 when it may try now."""
        waits = (self._tries.get(key) for key in (group(address), ALL))
        return max((tries.free_at - now for tries in waits if tries), default=0.0)

    def failed(self, address: str, now: float) -> None:
        """Note a wrong PIN; done before it is compared, so that nobody tries two at once."""
        for key in (group(address), ALL):
            tries = self._tries.pop(key, _Tries(0, now))
            tries.wrong += 1
            tries.free_at = now + wait_s(tries.wrong, _free(key))
            self._tries[key] = tries  # the latest last
        addresses = [key for key in self._tries if key != ALL]
        for key in addresses[: max(0, len(addresses) - MOST_ADDRESSES)]:
            del self._tries[key]

    def succeeded(self, address: str) -> None:
        """Forget the wrong ones of this address, and in all: somebody knows the PIN."""
        for key in (group(address), ALL):
            self._tries.pop(key, None)


def wait_s(wrong: int, free: int) -> float:
    """Return how long to wait after so many wrong PINs of which `free` cost nothing."""
    over = wrong - free
    return 0.0 if over < 0 else min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(over, 16))


def group(address: str) -> str:
    """Return what counts as one address: of IPv6 the network, a machine has 2⁶⁴ of them."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "?"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Address(int(found) >> 64 << 64))
    return str(found)


def _free(key: str) -> int:
    return FREE_IN_ALL if key == ALL else FREE_PER_ADDRESS
