"""Who a device is: its authority, and the certificate that it has, asks for or waits for."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from edge import provision_words as words
from edge.adapters.enrolment_https import enrol
from edge.adapters.tls_identity import (
    check_authority,
    check_certificate,
    not_valid_now,
    request,
    tls_key,
)
from edge.adapters.written_whole import write_whole
from edge.errors import CertificateError
from edge.provision_file import Provision
from edge.provision_place import EndsHereError, Place
from edge.provision_reading import beside
from edge.provision_words import Outcome

PUBLIC_MODE = 0o644


def authority(place: Place, wanted: Provision) -> bytes:
    """Return the authority's certificate (PEM). Raises EndsHereError and CertificateError."""
    said = wanted.broker.ca
    if "\n" in said:
        ca = said.encode()
    else:
        try:
            ca = beside(place.boot, said).read_bytes()
        except OSError as error:
            raise EndsHereError(
                Outcome.WRONG, words.NO_CA.format(name=said, reason=error.strerror)
            ) from error
    check_authority(ca)
    return ca


def certificate(place: Place, wanted: Provision, ca: bytes) -> bytes:
    """Return the device's certificate: the one that is there, or one that is asked for."""
    dev, path = wanted.device.id, place.folder / "device.pem"
    key = tls_key(place.folder / "device.key")
    if path.exists() and not _trouble(there := path.read_bytes(), key, dev, ca):
        return there
    csr = request(key, dev)
    if wanted.enrolment is None:
        found = _by_file(place.boot, dev, csr)
    elif not wanted.token:
        raise EndsHereError(Outcome.WRONG, words.NOT_ENROLLED)
    else:
        found = enrol(wanted.enrolment.url, ca, dev, wanted.token, csr)
    check_certificate(found, key, dev, ca)
    write_whole(path, found, PUBLIC_MODE)
    return found


def _trouble(pem: bytes, key: EllipticCurvePrivateKey, dev: str, ca: bytes) -> str | None:
    try:
        check_certificate(pem, key, dev, ca)
    except CertificateError as error:
        return str(error)
    when = not_valid_now(pem)
    return when if when and when.startswith("until") else None


def _by_file(boot: Path, dev: str, csr: bytes) -> bytes:
    """Take the answer from beside the file; else put the request there."""
    answer, asked = beside(boot, f"{dev}.pem"), boot / f"{dev}.csr"
    if answer.exists():
        return answer.read_bytes()
    if not asked.exists():
        try:
            write_whole(asked, csr)
        except OSError as error:
            told = words.CANNOT_ASK.format(name=asked.name, reason=error.strerror)
            raise EndsHereError(Outcome.WRONG, told) from error
    raise EndsHereError(
        Outcome.WAITING, words.ASKED_BY_FILE.format(name=asked.name, pem=answer.name)
    )
