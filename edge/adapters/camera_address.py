"""Pure: what a camera source is by its name, and how to speak of it without its password."""

import re

from edge.adapters.camera_channel import Kind
from edge.errors import CameraError

WHAT_WORKS = "use an MP4, AVI or MKV file, /dev/video0 or rtsp://host/path"
_RTSP_PORT = 554
_RTSP = re.compile(r"rtsps?://", re.IGNORECASE)


def kind_of(source: str) -> Kind:
    """Tell by its name what a source is. Raises CameraError for an unknown scheme."""
    if _RTSP.match(source):
        if not host_and_port(source)[0]:
            raise CameraError(f"camera {shown(source)}: names no host; {WHAT_WORKS}")
        return Kind.RTSP
    if "://" in source:
        raise CameraError(f"camera {shown(source)}: this kind of address is unknown; {WHAT_WORKS}")
    return Kind.USB if source.isdecimal() or source.startswith("/dev/") else Kind.FILE


def shown(source: str) -> str:
    """Return the source as it may be logged: no user, no password, no query of a URL.

    A password may itself contain / ? # or @, so all up to the last @ goes, and
    a path that could carry one (…/user=admin&password=…) goes too.
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    host, slash, path = rest.rpartition("@")[2].partition("/")
    path = path.partition("?")[0].partition("#")[0]
    return f"{scheme}://{host.partition('?')[0]}{slash}{'…' if '=' in path else path}"


def host_and_port(url: str) -> tuple[str, int]:
    """Return where an rtsp:// URL leads, port 554 when it names none or a bad one."""
    place = re.split(r"[/?#]", shown(url).partition("://")[2], maxsplit=1)[0]
    match = re.fullmatch(r"\[?([^\]]*?)\]?(?::(\d{1,5}))?", place)
    if match is None:
        return place, _RTSP_PORT
    return match[1], int(match[2] or _RTSP_PORT)
