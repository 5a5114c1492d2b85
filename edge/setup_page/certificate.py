"""The page's own TLS certificate: on a local network nobody else can vouch for the device.

Made once, signed by itself; its fingerprint is shown, so that whoever sees the browser's
warning can compare. It keeps the PIN from being read along; it proves nothing to somebody
who does not compare.
"""

import socket
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.setup_page.pin import write_private

CERTIFICATE_FILE = "setup-page.pem"
# Both ends are far away: the device's clock may not be set when it is made or used.
_FROM, _UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)


def certificate(folder: Path) -> Path:
    """Return the file with certificate and key; it is made when there is none.

    Raises OutboxError.
    """
    path = folder / CERTIFICATE_FILE
    if not path.exists():
        write_private(path, _new())
    return path


def fingerprint(path: Path) -> str:
    """Return its SHA-256 as browsers show it: AB:CD:…. Raises OSError and ValueError."""
    digest = x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def _new() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname().partition(".")[0].lower()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lobbycount {host}"[:64])])
    names = [
        x509.DNSName("localhost"),
        x509.DNSName(f"{host}.local"),
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return secret.decode() + made.public_bytes(serialization.Encoding.PEM).decode()
