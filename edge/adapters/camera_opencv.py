"""Pictures from a clip, a USB camera or an RTSP stream, decoded by OpenCV in a process of its own.

Three pictures at most are in memory: the one between the two processes, the
one being handed over, and the one the consumer still holds.

    camera_clip, camera_live    the two kinds of source
    camera_child                the parent's side of the camera process
    camera_channel              what passes between the two processes
    camera_hatch                the camera process' side: the picture and whose turn it is
    camera_process              the camera process: OpenCV
    camera_address, camera_timing   pure: names of sources, times of pictures
"""

from collections.abc import Sequence

from edge.adapters.camera_address import kind_of
from edge.adapters.camera_channel import Kind
from edge.adapters.camera_child import Patience
from edge.adapters.camera_clip import ClipSource, Speed
from edge.adapters.camera_live import LiveSource
from edge.ports import Clock
from edge.vocabulary import Point

__all__ = ["ClipSource", "Kind", "LiveSource", "Patience", "Speed", "open_source"]


def open_source(
    source: str, fps: float, masks: Sequence[Sequence[Point]], clock: Clock, speed: Speed = "real"
) -> ClipSource | LiveSource:
    """Return the source for a file, /dev/videoN or its number, or an rtsp:// URL.

    No camera is opened before the first picture is asked for. `speed` is for files.
    Raises CameraError for any other kind of address, and for a file that is not there.
    """
    if kind_of(source) is Kind.FILE:
        clip = ClipSource(source, fps, speed, masks)
        clip.check()
        return clip
    return LiveSource(source, fps, masks, clock)
