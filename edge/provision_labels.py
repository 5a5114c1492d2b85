"""A sheet of labels to print: A4, 24 of 70 × 37 mm, with the device's id and a QR code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

ACROSS, DOWN = 3, 8
_TEXT_MM, _LETTER = 34.0, 0.605
"""The width beside the code, and that of a letter as a share of its height."""
_LARGEST_MM, _SMALLEST_MM = 4.4, 2.3
_LONG_NAME = 36
"""Letters above which it is printed smaller."""

_STYLE = """
@page { size: A4; margin: 0; }
* { box-sizing: border-box; margin: 0; }
body { font-family: "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC",
  "WenQuanYi Zen Hei", sans-serif; color: #000; background: #fff; }
.sheet { width: 210mm; height: 297mm; padding-top: .5mm; display: grid; break-after: page;
  grid-template: repeat(8, 37mm) / repeat(3, 70mm); overflow: hidden; }
.sheet:last-child { break-after: auto; }
.label { padding: 3mm 4mm 3mm 5mm; display: grid; grid-template-columns: 1fr 25mm; gap: 2mm;
  align-items: center; overflow: hidden; }
.label svg { width: 25mm; height: 25mm; display: block; }
.id { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-weight: 700;
  line-height: 1.15; overflow-wrap: anywhere; }
.name { font-size: 3mm; line-height: 1.3; margin-top: 1mm; word-break: keep-all;
  overflow-wrap: anywhere; }
.name.long { font-size: 2.3mm; }
.url { font-size: 2.5mm; line-height: 1.25; margin-top: 1.4mm; overflow-wrap: anywhere; }
@media screen { .sheet { outline: 1px solid #ccc; margin: 5mm auto; }
  .label { outline: 1px dotted #ccc; } }
"""


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on one label. url: of the setup page, empty where it is not known."""

    dev: str
    name: str
    url: str = ""


def sheet(labels: Sequence[Label], qr: Callable[[str], str]) -> str:
    """Return the page to print. qr: makes an SVG element of a text."""
    size = ACROSS * DOWN
    pages = [labels[start : start + size] for start in range(0, len(labels), size)]
    body = "".join(
        f'<div class="sheet">{"".join(_label(label, qr) for label in page)}</div>\n'
        for page in pages
    )
    longest = max((len(label.dev) for label in labels), default=1)
    height_mm = min(_LARGEST_MM, max(_SMALLEST_MM, _TEXT_MM / (_LETTER * longest)))
    style = f"{_STYLE}.id {{ font-size: {height_mm:.2f}mm; }}\n"
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>lobbycount 标签 labels</title><style>{style}</style></head>\n"
        f"<body>\n{body}</body></html>\n"
    )


def _label(label: Label, qr: Callable[[str], str]) -> str:
    url = f'<p class="url">设置 setup<br>{escape(label.url)}</p>' if label.url else ""
    name = "name long" if len(label.name) > _LONG_NAME else "name"
    return (
        f'<div class="label"><div><p class="id">{escape(label.dev)}</p>'
        f'<p class="{name}">{escape(label.name)}</p>{url}</div>{qr(label.url or label.dev)}</div>\n'
    )
