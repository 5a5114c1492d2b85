"""How to reach an MQTT broker, and what to tell a person when that fails."""

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from edge.adapters.mqtt_tls import (
    TlsSocket,
    certificate_dates,
    refused_certificate,
    untrusted_broker,
)
from edge.errors import BrokerError

KEEPALIVE_S = 60


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
    keepalive_s: int = KEEPALIVE_S
    connect_timeout_s: float = 10.0
    publish_timeout_s: float = 20.0
    session_expiry_s: int = 60
    """How long the broker keeps the session; a last will is sent when it ends, at the latest."""
    will_delay_s: int = 30
    """A blip of the network shorter than this does not make the broker say `lost`."""

    @property
    def address(self) -> str:
        """Host and port as a person writes them."""
        return f"{self.host}:{self.port}"


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
    context.sslsocket_class = TlsSocket
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
            reason = untrusted_broker(error, settings.host, settings.ca_file)
        case ssl.SSLEOFError() | ConnectionError() if not settings.insecure_lab:
            reason = silent_end_sentence(settings, "broke off")
        case ssl.SSLError():
            reason = refused_certificate(error, settings.cert_file) or (
                f"TLS failed ({error.reason or error}); does this port speak TLS?"
            )
        case TimeoutError():
            reason = f"no answer within {settings.connect_timeout_s:g} s"
        case _:
            reason = getattr(error, "strerror", None) or str(error)
    return reason


def silent_end_sentence(settings: MqttSettings, what: str) -> str:
    """Return the likeliest reason why the other side did `what` and said nothing."""
    dates = None if settings.cert_file is None else certificate_dates(settings.cert_file)
    return f"the other side {what}; " + (
        dates or "is an MQTT 5 broker listening there, with TLS if it is asked for?"
    )
