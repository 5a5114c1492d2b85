"""The promises of edge/privacy_promises.py as the middle part of docs/privacy.md."""

from topics_table import ROOT

from edge.privacy_promises import PROMISES

DOCUMENT = ROOT / "docs" / "privacy.md"
BEGIN, END = "<!-- promises: made by scripts/topics -->\n", "<!-- end of the promises -->\n"


def render(text: str) -> str:
    """Return the document with its promises written anew."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    parts = []
    for number, each in enumerate(PROMISES, start=1):
        parts.append(
            f"### {number}. {each.said.zh}\n\n{each.said.en} (`{each.id}`)\n\n"
            f"- 怎样做到 · kept: {each.kept.zh} {each.kept.en}\n"
            f"- 怎样核验 · checked: {each.checked.zh} {each.checked.en}\n"
        )
    return before + BEGIN + "\n" + "\n".join(parts) + "\n" + END + after
