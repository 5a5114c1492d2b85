"""Pure: what in a config must not leave the centre; also in a config that cannot be used.

It goes by the names of settings and by what looks like a URL, not by the sections there are
today: a camera or contact that a later version adds is found as well. A file that is no YAML is
searched as text.
"""

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

from edge.redaction import SENSITIVE, Secret

_SCHEME = re.compile(r"\w[\w+.-]*://")
_IN_TEXT = re.compile(
    r"""^\s*(?:\#\s*)?(?:-\s*)?["']?(?P<key>[\w-]+)["']?\s*:\s*(?P<value>\S.*?)\s*$""", re.MULTILINE
)
_URL_IN_TEXT = re.compile(r"""["'](\w[\w+.-]*://[^"'\n]+)["']|(\w[\w+.-]*://\S+)""")
_HOST_IN_TEXT = re.compile(r"""(?<![\w.])host["']?\s*:\s*["']?([^\s"',}#]+)""")
_VALUE_IN_PATH = re.compile(r"([\w-]+)=([^&/?#]+)")
Leaf = tuple[str, str, str]
"""The dotted path of a setting, its own name, its value as text."""


def config_secrets(document: object, text: str) -> list[Secret]:
    """Return what is secret in a config file, once as parsed and once as written.

    document: what YAML made of the text, None where it is not YAML. Sorted, without doubles.
    """
    found = {secret for leaf in leaves(document) for secret in _of_leaf(*leaf)}
    found |= {secret for leaf in _settings_in(text) for secret in _of_leaf(*leaf)}
    return sorted(found)


def config_hosts(document: object, text: str) -> dict[str, str]:
    """Return what to call each host that a config names: `<camera>`, `<broker>`, `<host-3>`."""
    found: dict[str, str] = {}
    for path, key, value in [*leaves(document), *_settings_in(text)]:
        host = _host_of(value) if _SCHEME.match(value) else value if key == "host" else ""
        if host and host not in found:
            found[host] = _called(path, found)
    for host in _HOST_IN_TEXT.findall(text):
        found.setdefault(host, f"<host-{len(found) + 1}>")
    return found


def leaves(node: object, path: str = "", key: str = "") -> Iterator[Leaf]:
    """Yield every setting of a parsed document."""
    if isinstance(node, dict):
        for name, below in node.items():
            yield from leaves(below, f"{path}.{name}".lstrip("."), str(name))
    elif isinstance(node, list | tuple):
        for index, below in enumerate(node):
            yield from leaves(below, f"{path}[{index}]", key)
    elif node is not None and not isinstance(node, bool | float):
        yield path, key, str(node)


def _settings_in(text: str) -> Iterator[Leaf]:
    for found in _IN_TEXT.finditer(text):
        value = re.sub(r"\s+#.*$", "", found["value"]).strip("\"'")
        yield found["key"], found["key"], value
    for quoted, bare in _URL_IN_TEXT.findall(text):
        yield "a URL", "", quoted or bare.rstrip(",}]")


def _of_leaf(path: str, key: str, value: str) -> Iterator[Secret]:
    # All below `contact:` is about that person, whatever it is called.
    names = [key, *re.split(r"[.\[]", path)]
    if value and any(SENSITIVE.fullmatch(name) for name in names):
        yield Secret(path, value)
    match = _SCHEME.match(value)
    if match:
        yield from _of_url(path, value[match.end() :])


def _of_url(path: str, rest: str) -> Iterator[Secret]:
    """rest: what follows the //; a password in it may itself hold / ? # or @."""
    user_info, at, place = rest.rpartition("@")
    if at:
        user, _, password = user_info.partition(":")
        for part, text in (("password", password), ("user name", user), ("login", user_info)):
            yield from _both(f"{path}: {part}", text)
    values = [*parse_qsl(place.partition("?")[2]), *_VALUE_IN_PATH.findall(place)]
    for name, text in values:
        if SENSITIVE.fullmatch(name):
            yield from _both(f"{path}: {name}", text)


def _both(what: str, text: str) -> Iterator[Secret]:
    """Yield a part of a URL as it is written and as it is meant."""
    for value in dict.fromkeys((text, unquote(text))):
        if value:
            yield Secret(what, value)


def _host_of(url: str) -> str:
    place = url.partition("://")[2].rpartition("@")[2]
    place = re.split(r"[/?#]", place, maxsplit=1)[0]
    match = re.fullmatch(r"\[([^\]]*)\](?::\d*)?|([^:]*)(?::\d*)?", place)
    return (match[1] or match[2] or "") if match else place


def _called(path: str, found: dict[str, str]) -> str:
    first = path.partition(".")[0].partition("[")[0]
    name = {"camera": "camera", "cameras": "camera", "mqtt": "broker"}.get(first, "host")
    taken = sum(called.startswith(f"<{name}") for called in found.values())
    return f"<{name}>" if not taken and name != "host" else f"<{name}-{taken + 1}>"
