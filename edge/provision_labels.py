"""A sheet of labels to print: A4, 24 of 70 × 37 mm, with the device's id and a QR code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

ACROSS, DOWN = 3, 8
_LONG_ID, _LONG_NAME = 14, 36
"""Letters above which they are printed smaller."""

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
.id { font: 700 4.4mm/1.15 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.id.long { font-size: 2.7mm; }
.name { font-size: 3mm; line-height: 1.3; margin-top: 1mm; overflow-wrap: anywhere; }
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
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>lobbycount 标签 labels</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{body}</body></html>\n"
    )


def _label(label: Label, qr: Callable[[str], str]) -> str:
    url = f'<p class="url">设置 setup<br>{escape(label.url)}</p>' if label.url else ""
    dev, name = _long("id", label.dev, _LONG_ID), _long("name", label.name, _LONG_NAME)
    return (
        f'<div class="label"><div><p class="{dev}">{escape(label.dev)}</p>'
        f'<p class="{name}">{escape(label.name)}</p>{url}</div>{qr(label.url or label.dev)}</div>\n'
    )


def _long(name: str, text: str, most: int) -> str:
    return f"{name} long" if len(text) > most else name
