"""The privacy statement as HTML: the page of the device and the sign on the door.

One document each, without any script, font, picture or address of its own: they work offline
and say the same when printed. Everything that comes from a config is escaped.
"""

from collections.abc import Sequence
from html import escape

from edge.privacy_details import PrivacyDetails
from edge.privacy_promises import Lang
from edge.privacy_text import LAB_NOTICE, Paragraph, measured, said

SIGN_VERSION = "1"
"""Of the words on the sign; what an installer confirmed ends when they change."""

_HEAD = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
"""
_FONTS = '"Noto Sans CJK SC","Source Han Sans SC","PingFang SC","Microsoft YaHei",sans-serif'
_PAGE_STYLE = f"""
body{{max-width:46rem;margin:0 auto;padding:1rem;font:1rem/1.6 {_FONTS};color:#1a1a1a;
background:#fff}}
h1{{font-size:1.5rem}} h2{{font-size:1.1rem;margin:1.4rem 0 .3rem;border-bottom:1px solid #ccc}}
ul{{margin:.3rem 0;padding-left:1.3rem}} li{{margin:.25rem 0}}
"""
_SIGN_STYLE = f"""
@page{{size:A4 portrait;margin:14mm}}
@media screen{{body{{padding:8mm 4mm}}}}
*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:182mm;font:13pt/1.5 {_FONTS};color:#111;background:#fff}}
header{{border:3pt solid #111;border-radius:4mm;padding:6mm;text-align:center}}
h1{{font-size:34pt;line-height:1.2;margin:0}}
header p{{font-size:19pt;margin:2mm 0 0}}
.en{{font-size:10.5pt;line-height:1.35;color:#333}}
header .en{{font-size:13pt}}
ul{{list-style:none;margin:6mm 0;padding:0}}
li{{margin:0 0 3.2mm;padding-left:11mm;position:relative;font-size:16pt;line-height:1.35;
break-inside:avoid}}
li::before{{content:"✕";position:absolute;left:1mm;font-weight:bold}}
li.does::before{{content:"✓"}}
li .en{{display:block}}
table{{width:100%;border-collapse:collapse;margin-top:5mm}}
th,td{{border:1pt solid #111;padding:2.2mm 3mm;text-align:left;vertical-align:top}}
th{{width:44mm;font-weight:bold}}
td{{font-size:15pt;overflow-wrap:anywhere}}
footer{{margin-top:5mm}}
.lab{{border:2pt dashed #111;padding:2mm 4mm;margin-top:4mm;font-weight:bold}}
"""
_NOT_DONE = (
    ("不保存、不上传任何画面", "No picture is stored or sent"),
    (
        "不识别人脸，不判断年龄、性别等特征",
        "No face recognition; no age, gender or other attribute",
    ),
    ("不跟踪个人，不记录走过的路线", "Nobody is followed; no path is recorded"),
    ("不录音", "No sound is recorded"),
)


def page(paragraphs: Sequence[Paragraph], title: str, lang: Lang) -> str:
    """Return the statement as a page."""
    parts = [_head(title, lang, _PAGE_STYLE), f"<h1>{escape(title)}</h1>\n"]
    for paragraph in paragraphs:
        points = "".join(f"<li>{escape(point)}</li>\n" for point in paragraph.points)
        parts.append(f"<h2>{escape(paragraph.heading)}</h2>\n<ul>\n{points}</ul>\n")
    return "".join([*parts, "</body>\n</html>\n"])


def sign(place: str, details: PrivacyDetails, interval_min: int) -> str:
    """Return the notice for the door, one A4 page. place: what people call it."""
    does = (
        f"统计{measured(details, 'zh')}，每 {interval_min} 分钟一个合计数",
        f"Counted: {measured(details, 'en')}; one sum every {interval_min} minutes",
    )
    rows = (
        ("地点 Place", place),
        ("责任单位 Responsible", said(details.responsible, "zh")),
        ("用途 Purpose", said(details.purpose, "zh")),
        ("疑问与投诉 Contact", said(details.contact, "zh")),
    )
    items = [_item(*does, kind="does"), *(_item(*pair) for pair in _NOT_DONE)]
    table = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>\n'
        for name, value in rows
    )
    lab = (
        f'<p class="lab">{escape(LAB_NOTICE["zh"])}'
        f'<br><span class="en">{escape(LAB_NOTICE["en"])}</span></p>\n'
        if details.mode == "lab"
        else ""
    )
    return (
        _head("匿名客流计数告示", "zh", _SIGN_STYLE)
        + "<header>\n<h1>此处统计客流人次</h1>\n<p>只数人数，不认人</p>\n"
        + '<p class="en">People are counted here, anonymously</p>\n</header>\n'
        + f"<ul>\n{''.join(items)}</ul>\n<table>\n{table}</table>\n{lab}"
        + "<footer>您可以要求责任单位当场核验以上承诺，也可向当地网信部门投诉、举报。"
        + '<div class="en">You may ask for these promises to be checked before your eyes'
        + " (lobbycount privacy-check), or complain to the local cyberspace administration.</div>"
        + "</footer>\n</body>\n</html>\n"
    )


def _head(title: str, lang: Lang, style: str) -> str:
    code = {"zh": "zh-CN", "en": "en"}[lang]
    return _HEAD.format(lang=code, title=escape(title), style=style)


def _item(zh: str, en: str, kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f'<li{mark}>{escape(zh)}<span class="en">{escape(en)}</span></li>\n'
