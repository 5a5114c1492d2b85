"""QR codes, by segno."""

from edge.errors import BadInputError


def qr_svg(text: str) -> str:
    """Return a QR code as an SVG element. Raises BadInputError where segno is not installed."""
    try:
        import segno  # noqa: PLC0415  an extra; not on the device
    except ImportError:
        raise BadInputError(
            "QR codes need the package segno; pip install 'lobbycount[fleet]' 请安装 segno"
        ) from None
    made: str = segno.make(text, error="m", micro=False).svg_inline(border=2, omitsize=True)
    return made
