"""What a form sends: fields, and files where it is multipart (RFC 7578). Strict, and bounded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request

from evaluation.pages.refusal import Refusal

MOST_FORM_BYTES = 64 * 1024
MOST_FILE_BYTES = 20_000_000
MOST_FIELDS = 50
_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?')
_NAME = re.compile(r'\bname="([^"]*)"')
_FILE = re.compile(r'\bfilename="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Upload:
    """A file. name: its last part, for people; it names nothing on this machine."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """Fields and files by name."""

    fields: Mapping[str, str]
    files: Mapping[str, Upload]

    def text(self, name: str) -> str:
        """Return a field; empty when it is not there."""
        return self.fields.get(name, "")


async def body_of(request: Request, most: int = MOST_FORM_BYTES) -> bytes:
    """Read the body, however it is sent. Raises Refusal when it is too large."""
    too_large = Refusal(413, headers={"connection": "close"})
    said = request.headers.get("content-length", "0")
    if not said.isdecimal() or int(said[:12]) > most:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise too_large
    return bytes(body)


def read_form(kind: str, body: bytes) -> Form:
    """Return a form. kind: its content type. Raises Refusal."""
    form = _read(kind, body)
    if any("\0" in said for said in form.fields.values()):
        raise Refusal(400)  # no field has one, and one of the databases takes none
    return form


def _read(kind: str, body: bytes) -> Form:
    name = kind.partition(";")[0].strip().lower()
    if name == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(
                body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
            )
        except ValueError:
            raise Refusal(400) from None
        return Form(dict(pairs), {})
    boundary = _BOUNDARY.search(kind)
    if name != "multipart/form-data" or boundary is None:
        raise Refusal(415)
    return _multipart(boundary[1].encode(), body)


def _multipart(boundary: bytes, body: bytes) -> Form:
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if first or not parts or not parts[-1].startswith(b"--") or len(parts) > MOST_FIELDS:
        raise Refusal(400)
    for part in parts[:-1]:
        head, found, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        said = head.decode("utf-8", "replace")
        name, file = _NAME.search(said), _FILE.search(said)
        if not found or name is None:
            raise Refusal(400)
        if file is None:
            fields[name[1]] = content.decode("utf-8", "replace")
        else:
            files[name[1]] = Upload(_last(file[1]), content)
    return Form(fields, files)


def _last(path: str) -> str:
    name = re.split(r"[/\\]", path)[-1]
    return "".join(each for each in name if each.isprintable())[:80] or "file.csv"
