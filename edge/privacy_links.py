"""Which connections a device may have. Pure: what is judged is told in plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

End = tuple[str, int]
"""An address and a port."""
ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared, not listened on


class Link(NamedTuple):
    """One socket. listens: whether others may connect to it."""

    protocol: str
    local: End
    remote: End
    listens: bool


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where to connections may lead, and what may be listened on: a port and its addresses.

    An empty set of addresses is any.
    """

    remotes: frozenset[End]
    listens: Mapping[int, frozenset[str]]


def strange_links(links: Iterable[Link], allowed: Allowed) -> list[str]:
    """Return what leads elsewhere or is listened on without being configured, in words.

    Two ends of one connection inside the device are nobody's business: paho wakes its own
    thread through one.
    """
    all_links = list(dict.fromkeys(links))
    ends = {(link.local, link.remote) for link in all_links}
    found = []
    for link in all_links:
        listens = link.listens or (link.protocol == "udp" and link.remote[1] == 0)
        if listens:
            if not _may_listen(link.local, allowed):
                found.append(f"listens on {link.protocol} {_shown(link.local)}")
        elif link.remote[1] and not _may_lead(link, allowed, ends):
            found.append(f"{link.protocol} {_shown(link.local)} → {_shown(link.remote)}")
    return found


def _may_listen(local: End, allowed: Allowed) -> bool:
    addresses = allowed.listens.get(local[1])
    return addresses is not None and (not addresses or local[0] in addresses)


def _may_lead(link: Link, allowed: Allowed, ends: set[tuple[End, End]]) -> bool:
    if link.remote in allowed.remotes or (link.remote, link.local) in ends:
        return True
    return link.protocol == "tcp" and link.local[1] in allowed.listens


def _shown(end: End) -> str:
    return f"[{end[0]}]:{end[1]}" if ":" in end[0] else f"{end[0]}:{end[1]}"
