"""The first boot: from the installer's file to a key, a certificate and a config on the device.

Every step looks whether it is done already and leaves a whole file behind, so that a power cut
anywhere is followed by a start that goes on from there. The token is erased last: until the
certificate and the config are on the disk it is the only way to get them.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from edge import provision_words as words
from edge.adapters.example_config import example_config
from edge.adapters.network_manager import has_network_manager, reload_connections
from edge.adapters.own_address import own_address
from edge.adapters.tls_identity import not_valid_now
from edge.adapters.written_whole import make_service_folder, write_in_place, write_whole
from edge.config_text import read_text
from edge.errors import BadInputError, ClockError, NoNetworkError
from edge.provision_config import settings_of, with_settings
from edge.provision_file import Provision
from edge.provision_identity import PUBLIC_MODE, authority, certificate
from edge.provision_network import keyfiles
from edge.provision_place import EndsHereError, Place
from edge.provision_reading import PROVISION_FILE, Found, provision_files, read
from edge.provision_text import without_token
from edge.provision_words import Outcome, Result

CONNECTIONS = Path("etc/NetworkManager/system-connections")
_MARK = "provision.applied"
_CONFIG_MODE = 0o640


def provision(place: Place) -> Result:
    """Go as far as it goes, and say how that ended. Raises nothing that has a sentence for people.

    What was applied already is not applied again, so that later changes of the config stay.
    """
    path, *others = provision_files(place.boot) or [place.boot / PROVISION_FILE]
    noted = [words.NOT_READ.format(name=other.name, read=path.name) for other in others]
    try:
        found = read(path)
    except BadInputError as error:
        return Result(Outcome.WRONG, "", (*noted, error.told))
    if found.lines:
        noted.append(words.AS_MEANT.format(lines=", ".join(map(str, found.lines))))
    wanted = found.provision.network
    is_named = wanted.wifi is not None or wanted.ethernet is not None
    if is_named and place.root == Path("/") and not has_network_manager():
        noted.append(words.NO_NETWORK_MANAGER)
    outcome, told = _gone_on(place, path, found)
    dev = found.provision.device.id
    return Result(outcome, dev, (*noted, *(found.placed(path.name, each) for each in told)))


def _gone_on(place: Place, path: Path, found: Found) -> tuple[Outcome, list[str]]:
    try:
        return Outcome.DONE, _applied(place, path, found)
    except EndsHereError as end:
        return end.outcome, [str(end)]
    except NoNetworkError as error:
        return Outcome.RETRY, [str(error), _own_address()]
    except ClockError as error:
        return Outcome.RETRY, [words.NO_CLOCK.format(now=_now()), str(error), _own_address()]
    except BadInputError as error:
        return Outcome.WRONG, [error.told]
    except OSError as error:
        told = words.CANNOT_WRITE.format(reason=error.strerror, path=error.filename or place.folder)
        return Outcome.RETRY, [told]


def _own_address() -> str:
    address = own_address()
    return words.ADDRESS.format(address=address) if address else words.NO_ADDRESS


def _applied(place: Place, path: Path, found: Found) -> list[str]:
    """Do all steps that are not done; return what else has to be said."""
    make_service_folder(place.folder)
    wanted, spent = found.provision, without_token(found.content, found.provision.token)
    mark = hashlib.sha256(spent).hexdigest().encode()
    ca = authority(place, wanted)
    if not _is_applied(place, mark):
        _connect(place, wanted)
        write_whole(place.folder / "ca.pem", ca, PUBLIC_MODE)
        mine = certificate(place, wanted, ca)
        _write_config(place, wanted)
        write_whole(place.folder / _MARK, mark)
    else:
        mine = (place.folder / "device.pem").read_bytes()
    told = _erase_token(path, found.content, spent)
    if when := not_valid_now(mine):
        told.append(words.NOT_VALID.format(when=when, now=_now()))
    page, address = wanted.setup_page, own_address()
    if page and page.enabled and page.network == "lan" and address:
        told.append(words.SETUP_PAGE.format(address=address, port=page.port))
    return told


def _is_applied(place: Place, mark: bytes) -> bool:
    files = [place.folder / name for name in (_MARK, "device.key", "device.pem")]
    is_whole = all(path.exists() for path in [*files, place.on_disk(place.config)])
    return is_whole and files[0].read_bytes() == mark


def _connect(place: Place, wanted: Provision) -> None:
    """Hand the network to NetworkManager; only our own two connections are touched."""
    folder = place.on_disk(Path("/") / CONNECTIONS)
    changed = []
    for name, text in keyfiles(wanted.network).items():
        path = folder / name
        before = path.read_bytes() if path.exists() else None
        after = text.encode() if text is not None else None
        if after == before:
            continue
        changed.append(path)
        if after is None:
            path.unlink()
        else:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, after)
    if changed and place.root == Path("/"):
        reload_connections(path.stem for path in changed if path.exists())


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


def _erase_token(path: Path, content: bytes, spent: bytes) -> list[str]:
    if spent == content:
        return []
    try:
        write_in_place(path, spent)
    except OSError as error:
        return [words.NOT_ERASED.format(reason=error.strerror, name=path.name)]
    return []


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
