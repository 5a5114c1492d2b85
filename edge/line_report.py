"""What `lobbycount doctor line` says: words for people, lines to paste."""

from collections.abc import Iterator, Sequence

from edge.line_doctor import Diagnosis
from edge.line_findings import Severity
from edge.line_suggestion import Suggestion
from edge.line_words import said, suggested, unsuggested

_MARKS = {
    Severity.BAD: ("✗", "bold red"),
    Severity.WARN: ("!", "yellow"),
    Severity.OK: ("·", "default"),
}


def line_text(diagnoses: Sequence[Diagnosis]) -> Iterator[tuple[str, str]]:
    """Yield what is said, line by line, with the style of each."""
    for each in diagnoses:
        name = f"{each.line.id} {each.line.name}".strip()
        yield f"{name}: {verdict(each)}", "bold red" if each.is_bad else "bold"
        for finding in each.findings:
            mark, style = _MARKS[finding.severity]
            zh, en = said(finding)
            yield f"  {mark} {zh}", style
            yield f"    {en}", style
        if each.suggestion is not None:
            yield from ((f"  → {text}", "green") for text in suggested(each.suggestion))
            yield from ((text, "green") for text in suggestion_yaml(each, each.suggestion))
        elif each.is_bad and each.reason is not None:
            yield from ((f"  → {text}", "default") for text in unsuggested(each.reason))


def verdict(diagnosis: Diagnosis) -> str:
    """Say in a word how a line is."""
    if diagnosis.is_bad:
        return "会数错 will miscount"
    return "合适 fine" if diagnosis.is_judged else "看到的人太少 too few people seen"


def suggestion_yaml(diagnosis: Diagnosis, suggestion: Suggestion) -> list[str]:
    """Return what to paste into the config in place of the present line."""
    points = ", ".join(f"[{x:g}, {y:g}]" for x, y in suggestion.points)
    rows = [f"  - id: {diagnosis.line.id}"]
    if diagnosis.line.name:
        rows.append(f"    name: {diagnosis.line.name}")
    return [*rows, f"    points: [{points}]", f"    in: {suggestion.entry}"]
