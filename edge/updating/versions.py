"""Program versions in order: what PEP 440 says of releases, pre-, post- and development releases.

Epochs and local versions are not for releases of a device and are refused.
"""

import re

from edge.updating.words import Code, refusal

_VERSION = re.compile(
    r"(\d{1,6}(?:\.\d{1,6}){0,4})(?:(a|b|rc)(\d{1,6}))?(?:\.post(\d{1,6}))?(?:\.dev(\d{1,6}))?",
    re.ASCII,
)
_LATEST = 10**7
_STAGES = {"a": -3, "b": -2, "rc": -1}

Key = tuple[tuple[int, ...], int, int, int, int]


def version_key(text: str) -> Key:
    """Return what orders versions as PEP 440 does. Raises UpdateError for none, e.g. `1.2-new`."""
    found = _VERSION.fullmatch(text)
    if found is None:
        raise refusal(Code.FORMAT, what=f"version {text!r}")
    release = [int(part) for part in found[1].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    post = -1 if found[4] is None else int(found[4])
    dev = _LATEST if found[5] is None else int(found[5])
    if found[2] is not None:
        stage, number = _STAGES[found[2]], int(found[3])
    else:
        # 1.0.dev1 comes before 1.0a1, 1.0.post1.dev1 after 1.0.
        stage, number = (-4 if found[5] is not None and found[4] is None else 0), 0
    return tuple(release), stage, number, post, dev


def is_newer(text: str, than: str) -> bool:
    """Whether one version comes after another. Raises UpdateError."""
    return version_key(text) > version_key(than)
