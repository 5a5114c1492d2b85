"""Fetches one file over HTTP, going on where the last attempt was cut.

Only `lobbycount models pull` calls this, and only because somebody asked: the counting service
opens no connection but those of its config.
"""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from io import SEEK_END
from typing import IO, cast

from edge import __version__

CHUNK = 1 << 16
LARGEST = 1 << 29
"""Bytes; detectors for small devices have a hundredth of that."""
SILENCE_S = 30.0
MOST_ATTEMPTS = 20

OnBytes = Callable[[int, int | None], None]


class NoAnswerError(Exception):
    """The file cannot be had from that address; the text is the reason."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one answer holds: bytes from `start` on, of `total` when the server says."""

    start: int
    total: int | None


def fetch(
    url: str, file: IO[bytes], size: int | None, on_bytes: OnBytes = lambda _got, _of: None
) -> None:
    """Download `url` into `file`, opened for appending, after what is already in it.

    size: bytes, where that is known. A server that cuts the connection is asked for the rest
    as long as each attempt brings something. Raises NoAnswerError when it brings nothing or
    another file, OSError when `file` cannot be written. What has come stays in `file`.
    """
    opener = urllib.request.build_opener(_SafeRedirects())
    reason = ""
    for _ in range(MOST_ATTEMPTS):
        before = file.tell()
        try:
            reason = _attempt(opener, url, file, size, on_bytes)
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason = _reason(error)
        if not reason:
            return
        if before and file.tell() == 0:
            continue  # it was of another file
        if file.tell() <= before:
            break
    raise NoAnswerError(reason)


def _attempt(
    opener: urllib.request.OpenerDirector,
    url: str,
    file: IO[bytes],
    size: int | None,
    on_bytes: OnBytes,
) -> str:
    """Ask once for what is missing; return what went wrong, nothing when all is there."""
    have = file.tell()
    try:
        with _open(opener, url, have) as answer:
            covers = _covers(answer, have)
            if size is not None and covers.total not in (None, size):
                raise NoAnswerError(f"the file there has {covers.total} bytes, not {size}")
            _cut(file, covers.start)
            return _copy(answer, file, covers, on_bytes)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing begins there: it is whole, or of another file
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return ""
            _cut(file, 0)
        return f"the server says {error.code} {error.reason}"


def _cut(file: IO[bytes], size: int) -> None:
    file.truncate(size)
    file.seek(0, SEEK_END)


def _open(opener: urllib.request.OpenerDirector, url: str, have: int) -> HTTPResponse:
    headers = {"User-Agent": f"lobbycount/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  checked by the caller
    return cast(HTTPResponse, opener.open(request, timeout=SILENCE_S))


def _covers(answer: HTTPResponse, have: int) -> _Part:
    """Tell which bytes come; a server that knows no ranges begins at 0 again."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
    if answer.status == 206 and match is not None and int(match[1]) <= have:
        return _Part(int(match[1]), None if match[2] == "*" else int(match[2]))
    if answer.status != 200:
        raise NoAnswerError(f"the server answers {answer.status}, which is no file")
    length = answer.headers.get("Content-Length", "")
    return _Part(0, int(length) if length.isdigit() else None)


def _copy(answer: HTTPResponse, file: IO[bytes], covers: _Part, on_bytes: OnBytes) -> str:
    got = covers.start
    while chunk := _read(answer):
        file.write(chunk)
        got += len(chunk)
        if got > LARGEST:
            raise NoAnswerError(f"the server sends more than {LARGEST} bytes, which is no model")
        on_bytes(got, covers.total)
    if covers.total is not None and got < covers.total:
        return f"the connection was cut after {got} of {covers.total} bytes"
    return ""


def _read(answer: HTTPResponse) -> bytes:
    """Return some bytes; an OSError of the network becomes one that no disk can raise."""
    try:
        return answer.read(CHUNK)
    except OSError as error:
        raise ConnectionError(_reason(error)) from error


def _reason(error: Exception) -> str:
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return f"no answer within {SILENCE_S:.0f} s"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(inner) or type(inner).__name__


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows to other addresses, never from an encrypted one to a plain one or to a file."""

    def redirect_request(  # noqa: PLR0917  the library's signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request of the new address; raises NoAnswerError when it is not safe."""
        if not newurl.startswith(("https://", f"{req.type}://")):
            raise NoAnswerError(f"the server sends us on to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
