"""What may be told of certificates and keys: fingerprint and dates, no names, never a key."""

import stat
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)


def certificate_facts(path: Path) -> dict[str, object]:
    """Return SHA-256 fingerprint and dates of the certificates in a file, else what is wrong."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return {"trouble": f"cannot be read ({error.strerror})"}
    except ValueError:
        return {"trouble": "is not a certificate in PEM"}
    now = datetime.now(UTC)
    return {
        "certificates": [
            {
                "sha256": each.fingerprint(SHA256()).hex(),
                "not_before": each.not_valid_before_utc.isoformat(),
                "not_after": each.not_valid_after_utc.isoformat(),
                "days_left": (each.not_valid_after_utc - now).days,
            }
            for each in found
        ]
    }


def key_facts(key: Path, cert: Path | None) -> dict[str, object]:
    """Return who may read a key file and whether it belongs to the certificate; nothing of it."""
    try:
        mode, text = key.stat().st_mode, key.read_bytes()
        public = load_pem_private_key(text, password=None).public_key()
    except OSError as error:
        return {"trouble": f"cannot be read ({error.strerror})"}
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return {"trouble": "is not a key in PEM without a password"}
    told: dict[str, object] = {"mode": f"{stat.S_IMODE(mode):o}"}
    if cert is not None:
        told["belongs_to_cert"] = _raw(public) == _raw_of(cert)
    return told


def _raw(public: object) -> bytes:
    raw: bytes = public.public_bytes(  # type: ignore[attr-defined]
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return raw


def _raw_of(cert: Path) -> bytes | None:
    try:
        return _raw(x509.load_pem_x509_certificate(cert.read_bytes()).public_key())
    except (OSError, ValueError):
        return None
