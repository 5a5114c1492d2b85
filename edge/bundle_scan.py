"""Pure: the last look at a finished bundle, by other rules than those that made it.

A bundle is text about a machine. So whatever is not text is refused, whatever begins like a
picture or a film, whatever is one in base64, and every secret value that is known on this
machine, as it is, in a URL, in JSON, in hexadecimal and in base64.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence

from edge.redaction import Secret, can_be_searched, occurs_in

_MAGIC = {
    rb"\xff\xd8\xff": "a JPEG picture",
    rb"\x89PNG\r\n": "a PNG picture",
    rb"GIF8[79]a": "a GIF picture",
    rb"II\*\x00|MM\x00\*": "a TIFF picture",
    rb"RIFF.{4}(?:WEBP|AVI )": "a WebP picture or an AVI film",
    rb"\x00\x00\x00.ftyp": "a HEIF picture or an MP4 film",
    rb"\x1a\x45\xdf\xa3": "a Matroska film",
    rb"\x93NUMPY": "an array of numbers",
    rb"SQLite format 3\x00": "a database",
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----": "a private key",
}
_AT_THE_START = (b"BM", b"P5\n", b"P6\n", b"P5 ", b"P6 ")
"""Bitmaps and portable pixmaps: too short to be looked for anywhere else."""
_IN_BASE64 = {"/9j/": "a JPEG picture", "iVBORw0KGgo": "a PNG picture", "UklGR": "a WebP picture"}
_BASE64 = re.compile(rf"(?:{'|'.join(map(re.escape, _IN_BASE64))})[A-Za-z0-9+/]{{40}}")
_SHORTEST_ENCODED = 6


def found_in(parts: Mapping[str, bytes], secrets: Sequence[Secret]) -> list[str]:
    """Return what is in a bundle and must not be, a sentence each; empty when it may leave.

    parts: the content of each file by its name, as read back from the finished archive.
    """
    return [f"{name}: {what}" for name, content in parts.items() for what in _in(content, secrets)]


def _in(content: bytes, secrets: Sequence[Secret]) -> Iterator[str]:
    for magic, what in _MAGIC.items():
        if re.search(magic, content, re.DOTALL):
            yield what
    if content.startswith(_AT_THE_START):
        yield "a bitmap"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield "bytes that are no text"
        text = content.decode("utf-8", "replace")
    if "\0" in text:
        yield "bytes that are no text"
    if "data:image/" in text or _BASE64.search(text):
        yield "a picture in base64"
    told = dict.fromkeys(secret.what for secret in secrets if _stands_in(text, secret.value))
    yield from (f"the secret of {what}" for what in told)


def _stands_in(text: str, value: str) -> bool:
    if not can_be_searched(value):
        return False
    return bool(occurs_in(text, value)) or any(code in text for code in _encoded(value))


def _encoded(value: str) -> Iterator[str]:
    raw = value.encode()
    if len(raw) < _SHORTEST_ENCODED:
        return
    yield raw.hex()
    yield raw.hex().upper()
    for encode in (b64encode, urlsafe_b64encode):
        for shift in range(3):
            # Of a value somewhere inside: only the groups of four that are wholly its own.
            whole = encode(b"\0" * shift + raw).decode().rstrip("=")
            inner = whole[4 if shift else 0 : len(raw + b"\0" * shift) // 3 * 4]
            if len(inner) >= _SHORTEST_ENCODED:
                yield inner
