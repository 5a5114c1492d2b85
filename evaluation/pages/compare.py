"""What differs between two reports of a month, figure by figure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evaluation.month_report import Report
from evaluation.pages.answers import key_of
from evaluation.pages.render import NOTHING, grade, points, quantity, rank
from evaluation.pages.words import text


@dataclass(frozen=True, slots=True)
class Difference:
    """Something of a site that was one thing and is another; texts."""

    site: str
    name: str
    what: str
    before: str
    after: str


def differences(old: Report, new: Report, language: str) -> list[Difference]:
    """Return what differs, by site: its figures as they are shown, its flags, its standing."""
    before = {site["site"]: site for site in old["sites"]}
    after = {site["site"]: site for site in new["sites"]}
    found = []
    for name in sorted(before | after):
        was = _told(before[name], old, language) if name in before else {}
        is_ = _told(after[name], new, language) if name in after else {}
        called = (after.get(name) or before[name])["name"]
        for what in dict.fromkeys([*was, *is_]):
            pair = (was.get(what, NOTHING), is_.get(what, NOTHING))
            if pair[0] != pair[1]:
                found.append(Difference(name, called, what, *pair))
    return found


def _told(site: Report, report: Report, language: str) -> dict[str, str]:
    return dict(_figures(site, report, language))


def _figures(site: Report, report: Report, language: str) -> Iterator[tuple[str, str]]:
    def word(name: str) -> str:
        return text(name, language)

    yield word("score"), _with_range(site["score"], points, language)
    yield word("rank"), rank(site["rank"])
    yield word("residents"), str(site["residents"] or NOTHING)
    yield word("open_days"), str(site["open_days"])
    for each in report["scheme"]["indicators"]:
        figure = site["indicators"][each["id"]]["figure"]
        name = f"{each['id']} {each[language]}"
        yield name, _with_range(figure, lambda n, of=each: quantity(n, of["kind"]), language)
    for flag in site["flags"]:
        yield f"{word('flags')} {key_of(flag).rstrip('/')}", flag[language]
    seen = [each for each in site["pattern"]["days"] if each is not None]
    yield word("visits"), str(sum(seen)) if seen else NOTHING


def _with_range(figure: Report, shown: Any, language: str) -> str:
    if figure["value"] is None:
        return grade(figure["grade"], language)
    span = f"{shown(figure['low'])} – {shown(figure['high'])}"
    return f"{shown(figure['value'])} ({span}) {grade(figure['grade'], language)}"
