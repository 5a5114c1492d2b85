"""How a picture or a video is known by its bytes, whatever its name. Pure.

The signatures are those of the formats' own specifications. Two bytes are no proof: where a
signature is short, what has to follow it is looked at too.
"""

import re

_ANYWHERE = (
    ("JPEG", re.compile(rb"\xff\xd8\xff[\xe0\xe1\xe2\xdb\xee\xc0\xc4]")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("GIF", re.compile(rb"GIF8[79]a.{4}[\x00-\xff]{3}", re.S)),
    ("WEBP", re.compile(rb"RIFF.{4}WEBP", re.S)),
    ("AVI", re.compile(rb"RIFF.{4}AVI ", re.S)),
    ("JPEG 2000", re.compile(rb"\x00\x00\x00\x0cjP  \r\n\x87\n")),
    ("MP4", re.compile(rb"\x00\x00\x00.ftyp[a-zA-Z0-9]{3}", re.S)),
    ("Matroska", re.compile(rb"\x1aE\xdf\xa3.{0,40}\x42\x82.(?:webm|matroska)", re.S)),
    ("TIFF", re.compile(rb"\A(?:II\*\x00|MM\x00\*)")),
    ("BMP", re.compile(rb"\ABM.{4}\x00{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.S)),
    ("NumPy array", re.compile(rb"\x93NUMPY[\x01-\x03]")),
    ("PPM", re.compile(rb"\AP[56]\s+\d+\s+\d+\s+\d+\s")),
    # With the profile: SQLite's own pages have 00 00 01 67 and 00 00 01 68 side by side.
    (
        "H.264",
        re.compile(
            rb"\x00\x00\x00\x01[\x27\x47\x67][\x42\x4d\x58\x64\x6e\x7a\xf4\x2c].{2,120}?"
            rb"\x00\x00\x00?\x01[\x28\x48\x68]",
            re.S,
        ),
    ),
    ("JPEG in base64", re.compile(rb"/9j/(?:4AAQSkZJRg|2wBD|4[Q-T][A-Za-z0-9+/]{6})")),
    ("PNG in base64", re.compile(rb"iVBORw0KGgo")),
    ("WEBP in base64", re.compile(rb"UklGR[A-Za-z0-9+/]{5,7}XRUJQ")),
    ("JPEG in hex", re.compile(rb"ffd8ff(?:e0.{4}4a464946|db0043|e1.{4}45786966)", re.I)),
    ("PNG in hex", re.compile(rb"89504e470d0a1a0a", re.I)),
)


def picture_in(data: bytes) -> str | None:
    """Return the format of a picture or video that the bytes are or contain, else None."""
    return next((name for name, sign in _ANYWHERE if sign.search(data)), None)


LONGEST_SIGN = 192
"""Bytes; parts of a file that are searched one by one have to overlap by this."""
