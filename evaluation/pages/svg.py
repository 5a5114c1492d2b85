"""Plots as SVG in the page: elements, colours, and the hatching of what nobody looked at.

Colours are told apart by people who do not see all of them (Okabe and Ito's blue and orange, one
blue from light to dark for counts), and never tell anything alone. Attributes only, no styles:
the page's policy allows no inline ones.
"""

from markupsafe import Markup, escape

INK, MUTED, RULE, GROUND = "#172223", "#55636a", "#c9d3d3", "#eef2f2"
GRADE_COLOURS = {"reliable": "#0072b2", "estimated": "#d98200", "not_rated": "#7b878b"}
HATCH = Markup("url(#hatch)")
DEFINITIONS = Markup(
    '<svg width="0" height="0" aria-hidden="true" class="defs"><defs>'
    '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect width="6" height="6" fill="#f4f6f5"/>'
    '<rect width="2" height="6" fill="#98a4a8"/></pattern></defs></svg>'
)
"""Once in a page that has plots."""
_BLUES = ("#eaf2f9", "#cfe1f2", "#a6c9e5", "#6faed8", "#3d8dc4", "#1a69a8", "#08457f")
_DARK_FROM = 4


def element(name: str, *inside: Markup, **attributes: object) -> Markup:
    """Return an element; `_` in the name of an attribute is a dash, None leaves it out."""
    told = "".join(
        f' {key.strip("_").replace("_", "-")}="{_said(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    # Everything that goes in is escaped, or was before; a page has thousands of these.
    within = "".join(escape(each) for each in inside)
    return Markup(f"<{name}{told}>{within}</{name}>")  # noqa: S704


def picture(width: float, height: float, says: str, *inside: Markup, kind: str = "plot") -> Markup:
    """Return a plot that scales; `says` is what it tells those who do not see it."""
    return element(
        "svg", element("title", escape(says)), *inside, viewBox=f"0 0 {width:g} {height:g}",
        width=width, height=height, role="img", class_=kind,
    )  # fmt: skip


def group(*inside: Markup, title: str = "", href: str | None = None) -> Markup:
    """Return parts that are one thing, with a hint, and a link where it leads somewhere."""
    hint = (element("title", escape(title)),) if title else ()
    return element("g", *hint, *inside) if href is None else element("a", *hint, *inside, href=href)


def rect(x: float, y: float, width: float, height: float, **more: object) -> Markup:
    """Return a rectangle."""
    return element("rect", x=x, y=y, width=max(0.0, width), height=max(0.0, height), **more)


def line(x1: float, y1: float, x2: float, y2: float, **more: object) -> Markup:
    """Return a line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **({"stroke": INK} | more))


def label(x: float, y: float, words: object, **more: object) -> Markup:
    """Return a text."""
    said = {"font_size": 12, "fill": MUTED} | more
    return element("text", escape(str(words)), x=x, y=y, **said)


def blue(share: float) -> tuple[str, str]:
    """Return the colour of a share of the most, and that of a text upon it."""
    step = min(len(_BLUES) - 1, int(share * len(_BLUES)))
    return _BLUES[step], "#ffffff" if step >= _DARK_FROM else INK


def _said(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(value)
