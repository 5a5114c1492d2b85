"""A small enrolment endpoint for labs: a token that is good for once becomes a certificate.

    POST /enrol  {"id": "lobby-001", "token": "…", "csr": "-----BEGIN CERTIFICATE REQUEST-----…"}

200: the certificate in PEM; 400: not such a request; 403: no such token for this id; 409: used
already, for another key; 429: too many wrong ones. DIR/tokens.csv has the SHA-256 of each token
(`id,sha256`), so that who reads it cannot use it; it is read anew for every request. Who asks
again with the same key, because the power was cut before the answer was on the disk, is given
the same certificate again.
"""

import csv
import hashlib
import hmac
import json
import os
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LONGEST_BYTES = 16_384
TIMEOUT_S = 15
_WRONG_EACH_MIN = 10
"""From one address; a token has 160 bits, so this is about the log and the load."""
_MOST_ADDRESSES = 10_000

Issue = Callable[[str, x509.CertificateSigningRequest], Path]
"""Makes the certificate of a device and says where it lies."""


class RefusedError(Exception):
    """Not given a certificate: the HTTP status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class Desk:
    """Who is given a certificate. folder: of the authority."""

    folder: Path
    issue: Issue
    clock: Callable[[], float] = time.monotonic
    _wrong: dict[str, deque[float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def enrol(self, address: str, body: bytes) -> bytes:
        """Return the certificate for a request. Raises RefusedError."""
        with self._lock:  # one after the other: a token is taken once
            self._check_rate(address)
            try:
                dev, csr = self._known(body)
            except RefusedError as error:
                if error.status == 403:
                    self._wrong.setdefault(address, deque()).append(self.clock())
                raise
            self._claim(dev, csr)
            made = self.folder / "devices" / f"{dev}.pem"
            if not made.exists():
                self.issue(dev, csr)
            return made.read_bytes()

    def _check_rate(self, address: str) -> None:
        now = self.clock()
        if len(self._wrong) > _MOST_ADDRESSES:
            self._wrong.clear()
        recent = self._wrong.get(address, deque())
        while recent and now - recent[0] > 60:
            recent.popleft()
        if len(recent) >= _WRONG_EACH_MIN:
            raise RefusedError(429, "too many wrong tokens; wait a minute")

    def _known(self, body: bytes) -> tuple[str, x509.CertificateSigningRequest]:
        try:
            said = json.loads(body)
            dev, token, pem = (str(said[key]) for key in ("id", "token", "csr"))
            csr = x509.load_pem_x509_csr(pem.encode())
            is_signed = csr.is_signature_valid
        except (ValueError, KeyError, TypeError, RecursionError):
            raise RefusedError(400, "not a request for a certificate") from None
        asked = hashlib.sha256(token.encode()).hexdigest()
        # Of an id that is not there the comparison takes as long.
        expected = tokens(self.folder / "tokens.csv").get(dev, "0" * 64)
        if not hmac.compare_digest(asked, expected):
            raise RefusedError(403, "no such token for this id")
        names = [a.value for a in csr.subject if a.oid == x509.NameOID.COMMON_NAME]
        if not is_signed or names != [dev]:
            raise RefusedError(400, "the request is not for this id, or not signed with its key")
        return dev, csr

    def _claim(self, dev: str, csr: x509.CertificateSigningRequest) -> None:
        """Bind the token to the key that came first; the file is there whole or not at all."""
        spki = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        mine = hashlib.sha256(spki).hexdigest()
        folder = self.folder / "enrolled"
        folder.mkdir(exist_ok=True, mode=0o700)
        claim, draft = folder / dev, folder / f".{dev}"
        draft.write_text(mine, encoding="ascii")
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(draft, claim)
        except FileExistsError:
            if not hmac.compare_digest(claim.read_text(encoding="ascii"), mine):
                raise RefusedError(409, "this token has been used for another key") from None
        finally:
            draft.unlink()


def tokens(path: Path) -> dict[str, str]:
    """Read which token each device has: its SHA-256, 64 hex digits, by id."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("id") and row.get("sha256")]
    except OSError:
        return {}
    return {row["id"]: row["sha256"] for row in rows if len(row["sha256"]) == 64}


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "lobbycount-enrolment", ""
    timeout = TIMEOUT_S

    def do_POST(self) -> None:
        said = self.headers.get("Content-Length", "")
        length = min(int(said), 4 * LONGEST_BYTES) if said.isdecimal() and len(said) < 9 else 0
        body = self.rfile.read(length)  # unread, it would take the answer along
        if not body or length > LONGEST_BYTES or self.path != "/enrol":
            self._answer(400, b"not a request for a certificate\n")
            return
        try:
            pem = self.server.desk.enrol(self.client_address[0], body)  # type: ignore[attr-defined]
        except RefusedError as error:
            self._answer(error.status, f"{error}\n".encode())
        else:
            self._answer(200, pem)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        sys.stderr.write(f"{self.client_address[0]} {format % args}\n")


class Endpoint(ThreadingHTTPServer):
    """HTTPS for a desk."""

    daemon_threads = True

    def __init__(self, listen: tuple[str, int], desk: Desk, cert: Path, key: Path) -> None:
        super().__init__(listen, _Handler)
        self.desk = desk
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(cert, key)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the thread of the request: one that says nothing holds up nobody."""
        request.settimeout(TIMEOUT_S)
        with self._context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(
        self,
        request: Any,  # noqa: ARG002  http.server's
        client_address: Any,
    ) -> None:
        """Say it in one line."""
        sys.stderr.write(f"{client_address[0]} {sys.exc_info()[1]}\n")
