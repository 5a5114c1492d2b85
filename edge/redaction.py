"""Pure: text without secrets and without addresses, so that it may leave the centre.

What is hidden becomes `***`; an address becomes `<camera>`, `<broker>` or `<address-1>`, the same
one every time, so that a developer still sees which of them did not answer. Addresses of the
machine itself (127.0.0.1) tell nothing and stay.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

HIDDEN = "***"
_SHORTEST_BYTES = 4
"""A shorter secret is hidden where it stands, but cannot be searched for; 王芳 has six."""
_WORD_ONLY = 8
"""A secret with fewer letters is looked for as a whole word: `door` is not in `outdoors`."""

_SETTING = (
    r"(?:(?:\w*_)?(?:password|passwd|passphrase|pass|secret|token|api_?key|private_?key|csrf|cookie"
    r"|session|authorization|pin|user|username|contact|phone|e?mail)|(?:signed_|acknowledged_)?by)"
)
SENSITIVE = re.compile(_SETTING, re.IGNORECASE)
"""Names of settings whose value is nobody else's business; a `password_file` is only a path."""
_SETTING_AND_VALUE = re.compile(
    rf"""(?<![\w-])({_SETTING}["']?[ \t]*[:=][ \t]*)"""
    r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*'|[|>][-+\d]*(?:[ \t]+#[^\n]*)?(?:\n+[ \t]+[^\n]*)+"""
    r"""|[^\s"',}\]#\n][^,}\]\n]*?(?=\s+#|\s*[,}\]\n]|\s*$))""",
    re.IGNORECASE | re.MULTILINE,
)
_PIN = re.compile(r"((?:\bPIN|密码|口令)[^\d\n]{0,80})\d{4,10}", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^\n]*@")
"""A password may itself hold / ? # @ or a blank: all up to the last @ of the line goes."""
_QUERY = re.compile(r"""(://[^\s"'<>?#]*)[?#][^\s"'<>}\]]*""")
_PATH_WITH_VALUE = re.compile(r"""(://[^\s"'<>/]+/)[^\s"'<>}\]]*=[^\s"'<>}\]]*""")
_HOST_SETTING = re.compile(r"""((?<![\w.])host["']?\s*[:=]\s*["']?)([^\s"',}#]+)""")
_URL_HOST = re.compile(r"""(://(?:\*\*\*@)?)(\[[0-9A-Fa-f:.%\w]+\]|[^\s"'<>/:,}\])]+)""")
_IPV4 = re.compile(r"(?<![\w.])(?<!==)\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_MAC = re.compile(
    r"(?<![\w:-])[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_HOME = re.compile(r"(/home/)[^/\s\"']+")
_PHONE = re.compile(r"(?<![\w.])(?:\+?86[- ]?)?1[3-9]\d{9}(?![\w.])")


@dataclass(frozen=True, slots=True, order=True)
class Secret:
    """A value that must not leave; `what` says where it stands, e.g. `mqtt.username`."""

    what: str
    value: str


def spellings(value: str) -> tuple[str, ...]:
    """Return how a value may stand in text: as it is, in a URL, in JSON, in quotes of YAML."""
    inside = [json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (False, True)]
    return tuple(
        dict.fromkeys(
            [value, quote(value, safe=""), quote(value), *inside, value.replace("'", "''")]
        )
    )


def can_be_searched(value: str) -> bool:
    """Whether a secret is long enough for that finding it means something."""
    return len(value.encode()) >= _SHORTEST_BYTES


def occurs_in(text: str, value: str) -> re.Match[str] | None:
    """Return where a value that can be searched stands in a text, in any spelling."""
    return _pattern([value]).search(text)


class Redactor:
    """Hides the same things in every text given; one for each bundle."""

    def __init__(
        self, secrets: Iterable[Secret], hosts: Mapping[str, str], public: Iterable[str] = ()
    ) -> None:
        """Prepare.

        hosts: what to call a host, by its name or address; one without a dot is a word like
            others and only hidden in settings and URLs.
        public: what is in every message the device sends, its id for one, and never hidden.
        """
        open_ = set(public)
        values = {s.value for s in secrets if can_be_searched(s.value) and s.value not in open_}
        self._secrets = _pattern(values) if values else None
        self._names = {host.lower(): name for host, name in hosts.items() if host not in open_}
        places = [host for host in self._names if re.search(r"[.:]", host) and not _is_own(host)]
        self._hosts = _words(places) if places else None

    def text(self, text: str) -> str:
        """Return the text without what must not leave."""
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        text = _CREDENTIALS.sub(rf"\1{HIDDEN}@", text)
        text = _PATH_WITH_VALUE.sub(rf"\1{HIDDEN}", _QUERY.sub(rf"\1?{HIDDEN}", text))
        text = _SETTING_AND_VALUE.sub(rf"\1{HIDDEN}", _PIN.sub(rf"\1{HIDDEN}", text))
        if self._hosts is not None:
            text = self._hosts.sub(lambda found: self._name(found[0]), text)
        for pattern in (_HOST_SETTING, _URL_HOST):
            text = pattern.sub(lambda found: found[1] + self._name(found[2]), text)
        for pattern in (_MAC, _IPV4, _IPV6):
            text = pattern.sub(lambda found: self._name(found[0]), text)
        text = _EMAIL.sub(lambda found: found[0] if HIDDEN in found[0] else HIDDEN, text)
        return _PHONE.sub(HIDDEN, _HOME.sub(rf"\1{HIDDEN}", text))

    def _name(self, host: str) -> str:
        bare = host.strip("[]").lower()
        if bare.startswith(("<", HIDDEN)) or _is_own(bare) or not _is_address(bare):
            return host
        return self._names.setdefault(bare, f"<address-{len(self._unnamed()) + 1}>")

    def _unnamed(self) -> list[str]:
        return [name for name in self._names.values() if name.startswith("<address-")]


def _is_own(host: str) -> bool:
    """Whether it is this machine, or nowhere."""
    if host == "localhost":
        return True
    try:
        found: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return False
    return found.is_loopback or found.is_unspecified


def _is_address(host: str) -> bool:
    """Whether text that looks like an address is one: 12:34:56 is a time."""
    if ":" not in host or _MAC.fullmatch(host):
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _pattern(values: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(_alternatives(values)))


def _alternatives(values: Iterable[str]) -> Iterator[str]:
    for value in sorted(values, key=lambda text: (-len(text), text)):
        for spelling in spellings(value):
            text = re.escape(spelling)
            is_word = len(value) < _WORD_ONLY and value.isascii()  # Chinese has no blanks
            yield rf"(?<![^\W_]){text}(?![^\W_])" if is_word else text


def _words(values: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(values, key=lambda text: (-len(text), text))
    inside = "|".join(re.escape(value) for value in longest_first)
    return re.compile(rf"(?<![\w-])(?:{inside})(?![\w-])", re.IGNORECASE)
