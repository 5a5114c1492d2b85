"""The device's TLS key, made on the device, its request for a certificate, and what comes back.

EC P-256: what OpenSSL, mosquitto and every broker in use accept. The key never leaves the device.
"""

from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from edge.adapters.written_whole import write_whole
from edge.errors import CertificateError

_LONGEST = 65_536


def tls_key(path: Path) -> EllipticCurvePrivateKey:
    """Read the key, made when there is none. Raises CertificateError and OSError."""
    if not path.exists():
        made = generate_private_key(SECP256R1())
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_whole(path, pem)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise CertificateError(
            f"{path}: is not an EC key in PEM without a password; move it away, a new one is made"
            " then\n    密钥文件无法使用，请移走后重新启动"
        )
    return key


def request(key: EllipticCurvePrivateKey, dev: str) -> bytes:
    """Return a request (PKCS #10, PEM) for a certificate in a device's name."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dev)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256())
    return csr.public_bytes(Encoding.PEM)


def check_certificate(pem: bytes, key: EllipticCurvePrivateKey, dev: str, ca: bytes) -> None:
    """Raise CertificateError unless it is for this key and device, and of this authority."""
    try:
        found = x509.load_pem_x509_certificate(pem[:_LONGEST])
    except ValueError:
        raise CertificateError(
            "what came back is no certificate in PEM; ask for the file that begins with"
            " -----BEGIN CERTIFICATE-----\n    收到的不是 PEM 格式的证书"
        ) from None
    if found.public_key() != key.public_key():
        raise CertificateError(
            "the certificate is for another key than this device's; it has to be made from this"
            f" device's request {dev}.csr\n    证书与本机密钥不符，请用 {dev}.csr 重新签发"
        )
    names = [str(a.value) for a in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [dev]:
        raise CertificateError(
            f"the certificate is for {', '.join(names) or 'nobody'}, not for {dev}; device.id and"
            f" the certificate must say the same\n    证书中的编号不是 {dev}"
        )
    if not any(_issued_by(found, each) for each in _authorities(ca)):
        raise CertificateError(
            "the certificate is not of the authority in broker.ca, so the broker would refuse it;"
            " use both of the same authority\n    证书不是由 broker.ca 的机构签发的"
        )


def not_valid_now(pem: bytes, now: datetime | None = None) -> str | None:
    """Return when a certificate is valid from or to, if that is not now."""
    found, now = x509.load_pem_x509_certificate(pem), now or datetime.now(UTC)
    if now < found.not_valid_before_utc:
        return f"from {found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    if now > found.not_valid_after_utc:
        return f"until {found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return None


def check_authority(ca: bytes) -> None:
    """Raise CertificateError unless there is a certificate in it."""
    _authorities(ca)


def _authorities(ca: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(ca)
    except ValueError:
        raise CertificateError(
            "broker.ca: is no certificate in PEM; it begins with -----BEGIN CERTIFICATE-----"
            "\n    broker.ca 不是 PEM 格式的证书，文件应以 -----BEGIN CERTIFICATE----- 开头"
        ) from None


def _issued_by(found: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
