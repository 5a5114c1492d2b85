"""Which address this machine has in the network it would send through."""

import socket

_ANYWHERE = ("192.0.2.1", 9)  # RFC 5737, for documentation; nothing is sent


def own_address() -> str | None:
    """Return the IPv4 address that others reach this machine at; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ANYWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return address
