"""CloudEvents 1.0 in the headers of what a device sends, MQTT binding in binary mode.

The attributes are MQTT 5 user properties of the same names; `datacontenttype` is the content
type of the message, and the payload is untouched. Required are specversion, id, source and
type. Source: the CloudEvents specification 1.0.2 and its MQTT protocol binding.
"""

import hashlib
from collections.abc import Sequence

SPEC_VERSION = "1.0"
_ID_HEX_DIGITS = 16
_FROM_BACKENDS = ("ack", "config/desired", "cmd/", "update/desired", "update/piece")


def is_event(leaf: str) -> bool:
    """Return whether messages of a topic carry the attributes, which cost about 140 bytes.

    Gauges, sent every minute, do not: it would cost 6 MB a month to call them events. Nor
    does what is sent to a device: whoever sends it is not the device that would be named.
    """
    return leaf != "health" and not leaf.startswith(_FROM_BACKENDS)


def batch_id(stream: str, seqs: Sequence[int]) -> str:
    """Return the id of a batch of records of one stream: the same whenever it is sent again."""
    span = seqs[-1] - seqs[0] + 1
    holes = f"/{len(seqs)}" if len(seqs) < span else ""
    return f"{stream}/{seqs[0]}-{seqs[-1]}{holes}"


def attributes(
    tenant: str, dev: str, leaf: str, payload: bytes, *, event: str | None, time: str | None
) -> tuple[tuple[str, str], ...]:
    """Return the attributes of one message, none where it is no event.

    event: its id; source and id together name an event for ever. None: the beginning of the
    SHA-256 of the payload, so that a message that is sent again has the id it had before.
    time: when it happened, ISO 8601 UTC; None where that is not known.
    """
    if not is_event(leaf):
        return ()
    return (
        ("specversion", SPEC_VERSION),
        ("type", f"pc.v1.{leaf.replace('/', '.')}"),
        ("source", f"/{tenant}/{dev}"),
        ("id", event or hashlib.sha256(payload).hexdigest()[:_ID_HEX_DIGITS]),
        *((("time", time),) if time else ()),
    )
