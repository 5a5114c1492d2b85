"""The first boot: from the installer's file to a key, a certificate and a config on the device.

Every step looks whether it is done already and leaves a whole file behind, so that a power cut
anywhere is followed by a start that goes on from there. The token is erased last: until the
certificate and the config are on the disk it is the only way to get them.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from edge import provision_words as words
from edge.adapters.enrolment_https import enrol
from edge.adapters.example_config import example_config
from edge.adapters.network_manager import reload_connections
from edge.adapters.tls_identity import (
    check_authority,
    check_certificate,
    not_valid_now,
    request,
    tls_key,
)
from edge.adapters.written_whole import make_service_folder, write_in_place, write_whole
from edge.config_text import read_text
from edge.errors import BadInputError, CertificateError, ClockError, NoNetworkError
from edge.provision_config import settings_of, with_settings
from edge.provision_file import PROVISION_FILE, Provision, read, with_spent_token
from edge.provision_network import keyfiles
from edge.provision_words import Outcome, Result

CONNECTIONS = Path("etc/NetworkManager/system-connections")
_MARK = "provision.applied"
_CONFIG_MODE = 0o640
_CA_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are. boot: the partition with the file; root: of the device's own files."""

    boot: Path
    config: Path = Path("/etc/lobbycount/lobby.yaml")
    root: Path = Path("/")

    def on_disk(self, path: Path) -> Path:
        """Return where a path of the device is while this runs."""
        return self.root / path.relative_to("/") if path.is_absolute() else self.root / path

    @property
    def folder(self) -> Path:
        """The folder of config, key and certificates."""
        return self.on_disk(self.config).parent


class _EndsHereError(Exception):
    """It goes no further at this start."""

    def __init__(self, outcome: Outcome, line: str) -> None:
        super().__init__(line)
        self.outcome = outcome


def provision(place: Place) -> Result:
    """Go as far as it goes, and say how that ended. Raises nothing that has a sentence for people.

    What was applied already is not applied again, so that later changes of the config stay.
    """
    dev = ""
    try:
        text, wanted = read(place.boot / PROVISION_FILE)
        dev = wanted.device.id
        return Result(Outcome.DONE, dev, tuple(_applied(place, text, wanted)))
    except _EndsHereError as end:
        return Result(end.outcome, dev, (str(end),))
    except NoNetworkError as error:
        return Result(Outcome.RETRY, dev, (f"无法连接注册服务器 {error}",))
    except ClockError as error:
        return Result(Outcome.RETRY, dev, (words.NO_CLOCK.format(now=_now()), str(error)))
    except BadInputError as error:
        return Result(Outcome.WRONG, dev, tuple(error.told.splitlines()))
    except OSError as error:
        told = words.CANNOT_WRITE.format(reason=error.strerror, path=error.filename or place.folder)
        return Result(Outcome.RETRY, dev, (told,))


def _applied(place: Place, text: str, wanted: Provision) -> list[str]:
    """Do all steps that are not done; return what else has to be said."""
    make_service_folder(place.folder)
    mark = hashlib.sha256(with_spent_token(text.encode())).hexdigest().encode()
    ca = _authority(place, wanted)
    if not _is_applied(place, mark):
        _connect(place, wanted)
        write_whole(place.folder / "ca.pem", ca, _CA_MODE)
        certificate = _certificate(place, wanted, ca)
        _write_config(place, wanted)
        write_whole(place.folder / _MARK, mark)
    else:
        certificate = (place.folder / "device.pem").read_bytes()
    told = _erase_token(place.boot / PROVISION_FILE)
    if when := not_valid_now(certificate):
        told.append(words.NOT_VALID.format(when=when, now=_now()))
    return told


def _is_applied(place: Place, mark: bytes) -> bool:
    files = [place.folder / name for name in (_MARK, "device.key", "device.pem")]
    is_whole = all(path.exists() for path in [*files, place.on_disk(place.config)])
    return is_whole and files[0].read_bytes() == mark


def _authority(place: Place, wanted: Provision) -> bytes:
    said = wanted.broker.ca
    if "\n" in said:
        ca = said.encode()
    else:
        try:
            ca = (place.boot / said).read_bytes()
        except OSError as error:
            raise _EndsHereError(
                Outcome.WRONG, words.NO_CA.format(name=said, reason=error.strerror)
            ) from error
    check_authority(ca)
    return ca


def _connect(place: Place, wanted: Provision) -> None:
    """Hand the network to NetworkManager; only our own two connections are touched."""
    folder = place.on_disk(Path("/") / CONNECTIONS)
    changed = False
    for name, text in keyfiles(wanted.network).items():
        path = folder / name
        before = path.read_bytes() if path.exists() else None
        after = text.encode() if text is not None else None
        if after == before:
            continue
        changed = True
        if after is None:
            path.unlink()
        else:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, after)
    if changed and place.root == Path("/"):
        reload_connections()


def _certificate(place: Place, wanted: Provision, ca: bytes) -> bytes:
    """Return the device's certificate: the one that is there, or one that is asked for."""
    dev, path = wanted.device.id, place.folder / "device.pem"
    key = tls_key(place.folder / "device.key")
    if path.exists() and not _trouble(there := path.read_bytes(), key, dev, ca):
        return there
    csr = request(key, dev)
    if wanted.enrolment is None:
        found = _by_file(place.boot, dev, csr)
    elif not wanted.token:
        raise _EndsHereError(Outcome.WRONG, words.NOT_ENROLLED)
    else:
        found = enrol(wanted.enrolment.url, ca, dev, wanted.token, csr)
    check_certificate(found, key, dev, ca)
    write_whole(path, found, _CA_MODE)
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
    answer, asked = boot / f"{dev}.pem", boot / f"{dev}.csr"
    if answer.exists():
        return answer.read_bytes()
    if not asked.exists():
        try:
            write_whole(asked, csr)
        except OSError as error:
            told = words.CANNOT_ASK.format(name=asked.name, reason=error.strerror)
            raise _EndsHereError(Outcome.WRONG, told) from error
    raise _EndsHereError(
        Outcome.WAITING, words.ASKED_BY_FILE.format(name=asked.name, pem=answer.name)
    )


def _write_config(place: Place, wanted: Provision) -> None:
    """Write the settings into the config that is there, or into the commented example."""
    path = place.on_disk(place.config)
    before = read_text(path) if path.exists() else example_config()
    settings = dict(settings_of(wanted, place.config.parent))
    if not path.exists():  # nobody else's name
        settings["device"] = {"name": wanted.device.name, **settings["device"]}
    text = with_settings(before, settings, place.config)
    if not path.exists() or text != before:
        write_whole(path, text.encode(), _CONFIG_MODE)


def _erase_token(path: Path) -> list[str]:
    content = path.read_bytes()
    erased = with_spent_token(content)
    if erased == content:
        return []
    try:
        write_in_place(path, erased)
    except OSError as error:
        return [words.NOT_ERASED.format(reason=error.strerror)]
    return []


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
