"""How to reach an MQTT broker, and what to tell a person when that fails."""

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import BrokerError


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How to reach the broker. TLS always, unless `insecure_lab` says plain text."""

    host: str
    port: int = 8883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Who may sign the broker's certificate; None means the system's authorities."""
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_lab: bool = False
    keepalive_s: int = 30
    connect_timeout_s: float = 10.0
    publish_timeout_s: float = 20.0
    session_expiry_s: int = 0

    @property
    def address(self) -> str:
        """Host and port as a person writes them."""
        return f"{self.host}:{self.port}"


class _SelfClosingSocket(ssl.SSLSocket):
    """paho leaves the socket of a failed handshake open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """Return the context for these settings. Raises BrokerError naming the files."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ValueError) as error:
        files = [settings.ca_file, settings.cert_file, settings.key_file]
        names = ", ".join(str(name) for name in files if name is not None)
        raise BrokerError(
            f"{settings.address}: the TLS files {names} cannot be used ({error})"
        ) from error
    context.sslsocket_class = _SelfClosingSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def failure_sentence(error: Exception, settings: MqttSettings) -> str:
    """Return why a connection attempt failed, for the person at the keyboard."""
    match error:
        case socket.gaierror():
            reason = f"the host name cannot be resolved ({error.strerror})"
        case ConnectionRefusedError():
            reason = "connection refused; is a broker listening there?"
        case ssl.SSLCertVerificationError():
            reason = (
                f"the broker's certificate is not trusted ({error.verify_message}); "
                "check the CA file and the host name"
            )
        case ssl.SSLError():
            reason = f"TLS failed ({error.reason or error}); does this port speak TLS?"
        case ConnectionResetError() if not settings.insecure_lab:
            reason = "the other side broke off; does this port speak TLS?"
        case TimeoutError():
            reason = f"no answer within {settings.connect_timeout_s:g} s"
        case _:
            reason = getattr(error, "strerror", None) or str(error)
    return reason
