"""Payloads on the wire: as they are, or packed for a metered network.

Packed is zlib (RFC 1950). A JSON object begins with "{", a zlib stream never does, so a reader
needs no word about it; the user property `content-encoding: deflate` (the name that HTTP
gives zlib, RFC 9110, section 8.4.1.2) says it all the same.
"""

import zlib

from edge.errors import MessageError

ENCODING = ("content-encoding", "deflate")
MOST_BYTES = 4_000_000
"""Unpacked; a batch of 100 records has about 40,000."""
_ZLIB = b"\x78"


def packed(payload: bytes) -> bytes:
    """Return the payload packed."""
    return zlib.compress(payload, 9)


def unpacked(payload: bytes) -> bytes:
    """Return the payload as it was before it was packed, if it was.

    Raises MessageError when it is broken, or unpacks to more than anybody would send.
    """
    if not payload.startswith(_ZLIB):
        return payload
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(payload, MOST_BYTES)
    except zlib.error as error:
        raise MessageError(f"the payload cannot be unpacked ({error})") from None
    if not unpacker.eof or unpacker.unused_data:
        raise MessageError(
            f"the packed payload ends too early, or has more than {MOST_BYTES} bytes"
        )
    return plain
