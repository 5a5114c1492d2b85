"""Under which names a request may come: a name of others could be rebound to this machine."""

import socket
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Scope


def own_names() -> frozenset[str]:
    """Return the names under which this machine may be asked for, beside its addresses."""
    host = socket.gethostname().partition(".")[0].lower()
    return frozenset({"localhost", f"{host}.local"})


def headers_of(scope: Scope) -> dict[str, list[str]]:
    """Return every value of each header, by its name in small letters."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def is_known(host: str, names: Collection[str]) -> bool:
    """Whether a Host header is one of the names, or an address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        _ = urlsplit(f"//{host}").port
    except ValueError:
        return False
    if not name or any(c in host for c in "/@?#\\ \t,;"):
        return False
    if name in names:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
