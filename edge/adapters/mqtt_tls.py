"""TLS towards the broker: certificates, and why they were not good enough.

With TLS 1.3 the handshake is over for the client before the broker has looked at its
certificate; a refusal arrives as an alert on the first read. The socket keeps it, because
paho only reports that the connection is gone.
"""

import contextlib
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITIES = {18, 19, 20, 21}
_OTHER_HOSTS = {62, 64}
# Numbers of X509_verify_cert_error_string(3), OpenSSL.
_ALERTS = {
    "CERTIFICATE_EXPIRED": "it has expired",
    "UNKNOWN_CA": "it does not know the authority that signed it",
    "CERTIFICATE_REVOKED": "it was revoked",
    "CERTIFICATE_UNKNOWN": "it cannot be used",
    "BAD_CERTIFICATE": "it cannot be used",
    "UNSUPPORTED_CERTIFICATE": "it is not for clients",
    "ACCESS_DENIED": "it may not connect",
}
# Alerts of TLS, RFC 8446 section 6.2, as OpenSSL names them after a prefix.
_WANTED = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")


class TlsSocket(ssl.SSLSocket):
    """Closes itself after a failed handshake, and remembers why reading or writing failed."""

    failure: OSError | None = None

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake; paho would leave the socket of a failed one open."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Read, and remember an alert of the other side."""
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.failure = error
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        """Write, and where the other side is gone already, read why."""
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.failure = error
            with contextlib.suppress(OSError):
                self.recv(1)
            raise


def certificate_dates(cert_file: Path) -> str | None:
    """Return what is wrong with the dates of a certificate by this machine's clock, if anything.

    None too when the file cannot be read: that is found out elsewhere.
    """
    try:
        cert = x509.load_pem_x509_certificate(cert_file.read_bytes())
    except (OSError, ValueError):
        return None
    now = datetime.now(UTC)
    if now > cert.not_valid_after_utc:
        return f"{cert_file} expired on {_day(cert.not_valid_after_utc)}, today is {_day(now)}"
    if now < cert.not_valid_before_utc:
        begin = _day(cert.not_valid_before_utc)
        return f"{cert_file} is not valid before {begin} and this device's clock says {_day(now)}"
    return None


def untrusted_broker(error: ssl.SSLCertVerificationError, host: str, ca_file: Path | None) -> str:
    """Return why the broker's certificate was not accepted, and what to do."""
    code, today = error.verify_code, _day(datetime.now(UTC))
    if code == _EXPIRED:
        return (
            f"the broker's certificate has expired (today is {today} by this device's clock); "
            "renew it at the broker, or set the clock if that date is wrong"
        )
    if code == _NOT_YET_VALID:
        return (
            "the broker's certificate is not valid yet "
            f"(today is {today} by this device's clock); is the clock right?"
        )
    if code in _UNKNOWN_AUTHORITIES:
        authorities = ca_file or "this system's list of authorities"
        return (
            "the broker's certificate is not trusted: it is not signed by an authority in "
            f"{authorities}; check mqtt.tls.ca"
        )
    if code in _OTHER_HOSTS:
        return (
            f"the broker's certificate is not for {host!r}; put the name that is in the "
            "certificate into mqtt.host"
        )
    return f"the broker's certificate is not trusted ({error.verify_message})"


def refused_certificate(error: ssl.SSLError, cert_file: Path | None) -> str | None:
    """Return why the broker refused this device's certificate; None when it is not about that."""
    reason = error.reason or ""
    if reason.endswith(_WANTED) and cert_file is None:
        return "the broker asks for a client certificate; give mqtt.tls.cert and mqtt.tls.key"
    found = [words for alert, words in _ALERTS.items() if reason.endswith(f"_ALERT_{alert}")]
    if not found:
        return None
    dates = None if cert_file is None else certificate_dates(cert_file)
    return (
        f"the broker refuses this device's certificate {cert_file}: {found[0]}"
        f"{f' ({dates})' if dates else ''}; have a new one issued by the authority that the "
        "broker trusts"
    )


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")
