"""The installer's sheet as a page to print: docs/install-sheet.md → docs/install-sheet.html.

Only what the sheet uses of Markdown: headings, paragraphs, tables, code blocks, `code`, **bold**,
*slanted*. One file without anything from elsewhere, so that it prints without a network.
"""

import html
import re
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path("docs/install-sheet.md")
PAGE = Path("docs/install-sheet.html")
OTHER_SIDE = "<!-- the other side -->"
LANGUAGES = ("zh-CN", "en")
STYLE = """
@page { size: A4; margin: 9mm 10mm; }
* { box-sizing: border-box; }
body { margin: 0; background: #ddd; color: #000;
  font: 8.8pt/1.27 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC",
  "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", sans-serif; }
section { width: 210mm; min-height: 297mm; margin: 4mm auto; padding: 9mm 10mm; background: #fff; }
h1 { margin: 0 0 1.5mm; font-size: 15pt; line-height: 1.15; border-bottom: 0.6mm solid #000; }
p { margin: 0 0 1.6mm; }
table { width: 100%; margin: 0 0 1.8mm; border-collapse: collapse; }
th, td { padding: 0.5mm 1.5mm; border: 0.2mm solid #777; text-align: left; vertical-align: top; }
th { background: #eee; }
table.steps td:first-child { width: 8mm; font-weight: bold; text-align: right; }
code { font-family: "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace; font-size: 0.92em; }
td code, p code { overflow-wrap: anywhere; }
pre { margin: 0 0 1.8mm; padding: 1mm 1.5mm; border: 0.2mm solid #777; background: #f6f6f6;
  font-size: 7.4pt; line-height: 1.22; white-space: pre-wrap; }
pre b { font-family: inherit; }
@media print {
  body { background: #fff; }
  section { width: auto; min-height: 0; margin: 0; padding: 0; }
  section + section { break-before: page; }
}
"""


def page_of(source: str) -> str:
    """Return the sheet as HTML, one section a language."""
    sides = source.split(OTHER_SIDE)
    title = sides[0].strip().splitlines()[0].lstrip("# ")
    sections = (
        f'<section lang="{language}">\n{"".join(_blocks(side))}</section>\n'
        for language, side in zip(LANGUAGES, sides, strict=True)
    )
    return (
        f'<!doctype html>\n<html lang="{LANGUAGES[0]}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{''.join(sections)}</body>\n</html>\n"
    )


def _blocks(side: str) -> Iterator[str]:
    for block in re.findall(r"```sh\n.*?```|(?:(?!```).)+?(?=\n\n|\Z|\n```)", side, re.DOTALL):
        text = block.strip()
        if text.startswith("```sh"):
            yield f"<pre>{_code(text[5:-3].strip())}</pre>\n"
        elif text.startswith("# "):
            yield f"<h1>{_inline(text[2:])}</h1>\n"
        elif text.startswith("|"):
            yield _table(text.splitlines())
        elif text:
            yield f"<p>{'<br>'.join(map(_inline, text.splitlines()))}</p>\n"


def _table(lines: list[str]) -> str:
    head, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    kind = ' class="steps"' if body[-1][0].isdecimal() else ""
    rows = [
        f"<tr>{''.join(f'<{tag}>{_inline(cell)}</{tag}>' for cell in cells)}</tr>\n"
        for tag, cells in [("th", head), *(("td", cells) for cells in body)]
    ]
    return f"<table{kind}>\n{''.join(rows)}</table>\n"


def _code(text: str) -> str:
    lines = (html.escape(line, quote=False) for line in text.splitlines())
    return "\n".join(f"<b>{line}</b>" if line.startswith("#") else line for line in lines)


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    for pattern, tag in ((r"`([^`]+)`", "code"), (r"\*\*(.+?)\*\*", "b"), (r"\*(.+?)\*", "i")):
        escaped = re.sub(pattern, rf"<{tag}>\1</{tag}>", escaped)
    return escaped


if __name__ == "__main__":
    PAGE.write_text(page_of(SOURCE.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{PAGE}: written\n")
