"""Which files a data folder may hold. Pure: a new one has to be written down here."""

import re
from collections.abc import Iterable

_KNOWN = re.compile(
    r"""
    outbox\.sqlite(\.damaged-[^/]*|\.new)?(-wal|-shm|-journal)?  # and what was put aside
    | outbox\.sqlite\.confirmed
    | device\.key(\.new)? | lock
    | (health|shadow|acknowledgement)\.(json|tmp) | shadow\.json[.-][^/]*
    | calibration-[a-z0-9-]+\.(json|tmp) | calibration-[a-z0-9-]+\.json\.[^/]*
    | (retired | import-begun | continued\.json)(\.new)?  # see `lobbycount site`
    | models/[^/]+
    | view\.(json|tmp) | tally-[a-zA-Z0-9-]+\.csv
    | config\.last-good\.(yaml|tmp)(\.[^/]*)?
    | setup-(tries|pin)\.(json|tmp) | setup-open | setup-page\.(pem|tmp)
    | update/incoming\.(part|lcu|json)(\.new(-by-root)?)?  # a program on its way
    | update/(report|confirm(-[a-z0-9-]+)?)\.json(\.new(-by-root)?)?
    | setup-audit\.jsonl(\.\d+)?
    """,
    re.X,
)


_UPDATE = re.compile(r"update/incoming\.(part|lcu)")


def is_update(name: str) -> bool:
    """Whether a bundle of a new version comes under this name, relative to the data folder."""
    return _UPDATE.fullmatch(name) is not None


def unknown_files(names: Iterable[str]) -> list[str]:
    """Return those of the paths, relative to the data folder, that nothing is known of."""
    return sorted(name for name in names if not _KNOWN.fullmatch(name))
