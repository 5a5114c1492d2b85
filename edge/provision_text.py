"""The letters of the installer's file: what Windows Notepad and a Chinese keyboard leave in it.

Pure. Encodings and full-width punctuation are taken where what was meant is beyond doubt.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_GAP = "[ \t\u3000\u00a0]*"
_QUOTE = "[“”„‟＂«»]"
_SINGLE = "[‘’＇]"
_STRAIGHT = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'[^'\n]*')""")
_INDENT = re.compile("(?m)^[ \t]*[\u3000\u00a0][ \t\u3000\u00a0]*")
_BRACKET = re.compile(r"(?:^|(?<=[:\[［,] ))[｛［【]|[｝］】](?=\s*(?:[,，}｝\]］】]|$))")
_BRACKETS = str.maketrans("｛｝［］【】", "{}[][]")
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Meant(NamedTuple):
    """A text as it was meant, and the lines (from 1) that were written otherwise."""

    text: str
    lines: tuple[int, ...]


def decoded(content: bytes) -> str:
    """Return the text of a file that Notepad saved in any of its ways, lines ending in a line feed.

    UTF-8, UTF-16 (“Unicode”), or GB18030, which is “ANSI” on a Chinese Windows. Raises
    UnicodeDecodeError.
    """
    if content[:2] in _UTF16:
        text = content[2:].decode(_UTF16[content[:2]])
    else:
        try:
            text = content.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError:
            text = content.decode("gb18030")
    return text.replace("\r\n", "\n")


def without_token(content: bytes, token: str) -> bytes:
    """Return a file of the same length in which no token is left, whatever its encoding.

    token: the one that the file was read to have. Same length, so that it can be written where it
    stands: the blocks of the flash that hold it are written again, and a power cut leaves old or
    new letters, never another file.
    """

    def spent(found: re.Match[bytes]) -> bytes:
        return found[1] + _spent(len(found[2]))

    pattern = rb"(?m)(\btoken[\"']?\s*:[ \t]*[\"']?)([A-Za-z0-9-]+)"
    content = re.sub(pattern, spent, content)
    for encoding in ("ascii", *_UTF16.values()) if token else ():
        used = _spent(len(token)).decode("ascii")
        content = content.replace(token.encode(encoding), used.encode(encoding))
    return content


def _spent(length: int) -> bytes:
    return b"used".ljust(length, b"-")[:length]


def has_wide_quotes(text: str) -> bool:
    """Whether a whole value stands in quotes that mean nothing to YAML, which would keep them."""
    return any(_value_in(each).search(text) for each in (_QUOTE, _SINGLE))


def as_meant(text: str, names: Iterable[str]) -> Meant:
    """Read full-width punctuation, and a colon without its space, as what was meant.

    names: of the settings. What stands in straight quotes is left alone, and so is all that is
    not punctuation between settings.
    """
    name = rf"(?:{'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})"
    before = text.split("\n")
    after = [_line(line, name) for line in before]
    pairs = enumerate(zip(before, after, strict=True), 1)
    return Meant("\n".join(after), tuple(number for number, (old, new) in pairs if old != new))


def _line(line: str, name: str) -> str:
    line = _INDENT.sub(lambda m: m[0].replace("\u3000", "  ").replace("\u00a0", " "), line)
    for quote in (_QUOTE, _SINGLE):
        line = _value_in(quote).sub(r'\1"\2"', line)
    parts = _STRAIGHT.split(line)  # every second one stands in quotes
    parts[::2] = [_outside(part, name) for part in parts[::2]]
    return "".join(parts)


def _outside(text: str, name: str) -> str:
    said, mark, comment = text.partition(" #")
    said = re.sub(rf"(?<![^\s{{｛,，、])({name})(?:{_GAP}：{_GAP}|:(?=[^\s/]))", r"\1: ", said)
    said = re.sub(rf"{_GAP}[，、]{_GAP}(?={name}:)", ", ", said)
    said = re.sub(r"^\s*，|(?<=[\d\]］])，(?=\s*(?:[\d\[［]|$))", ", ", said)
    said = _BRACKET.sub(lambda m: m[0].translate(_BRACKETS), said)
    return re.sub(r"(\s)＃", r"\1#", said) + mark + comment


def _value_in(quote: str) -> re.Pattern[str]:
    """Match a value that stands in such quotes as a whole; group 2 is what is in them."""
    inner = quote[1:-1]
    return re.compile(
        rf"""([:：\[［,，]{_GAP}){quote}([^{inner}"'\\\n]*){quote}(?={_GAP}(?:[,，}}｝\]］#＃]|$))""",
        re.MULTILINE,
    )
