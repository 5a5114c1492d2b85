"""The words of the fleet page and of alerts, each in English and in Chinese."""

from collections.abc import Mapping
from enum import StrEnum

from evaluation.minutes import REASONS


class Presence(StrEnum):
    """Whether a device is there. It is in exactly one of these."""

    ONLINE = "online"
    SILENT = "silent"
    OFFLINE = "offline"
    LOST = "lost"
    NEVER_SEEN = "never_seen"


class Clock(StrEnum):
    """How the clock of a device stands to that of the backend."""

    RIGHT = "right"
    UNSYNCED = "unsynced"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Registration(StrEnum):
    """What the registry says of a device today."""

    PLACED = "placed"
    ENDED = "ended"
    COMING = "coming"
    NONE = "none"


class Severity(StrEnum):
    """What an alert costs: counts now, counts soon or their worth, nothing yet."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Code(StrEnum):
    """What is wrong; one alert of a code is open of a device at a time."""

    INTAKE = "intake"
    LOST = "lost"
    OFFLINE = "offline"
    SILENT = "silent"
    NEVER_SEEN = "never_seen"
    VIDEO = "video"
    CLOCK = "clock"
    CONFIG = "config"
    BACKLOG = "backlog"
    MISSING = "missing"
    UNREGISTERED = "unregistered"
    PLACE = "place"


HEALTHY = "ok"
"""Of the video: there is a healthy picture."""
Words = tuple[str, str]
"""English, Chinese."""

PRESENCE_WORDS: Mapping[Presence, Words] = {
    Presence.ONLINE: ("online", "在线"),
    Presence.SILENT: ("no records", "无记录上报"),
    Presence.OFFLINE: ("switched off", "已停止"),
    Presence.LOST: ("lost", "失联"),
    Presence.NEVER_SEEN: ("never seen", "从未上线"),
}
CLOCK_WORDS: Mapping[Clock, Words] = {
    Clock.RIGHT: ("right", "正常"),
    Clock.UNSYNCED: ("not synchronised", "未对时"),
    Clock.WRONG: ("wrong", "时间错误"),
    Clock.UNKNOWN: ("unknown", "未知"),
}
SEVERITY_WORDS: Mapping[Severity, Words] = {
    Severity.HIGH: ("high", "严重"),
    Severity.MEDIUM: ("medium", "一般"),
    Severity.LOW: ("low", "提示"),
}
UNKNOWN: Words = ("unknown", "未知")

_ALERTS: Mapping[Code, Words] = {
    Code.INTAKE: (
        "no device's records arrive: look at the receiver and the broker",
        "所有设备的记录都没有到达，请检查接收端和消息服务器",
    ),
    Code.LOST: ("the connection broke: no power or no network", "连接中断：断电或断网"),
    Code.OFFLINE: ("the service on the device was stopped", "设备上的服务已停止"),
    Code.SILENT: ("online, but no records come", "在线，但没有记录上报"),
    Code.NEVER_SEEN: ("registered, but has never been heard of", "已登记，但从未上线"),
    Code.VIDEO: ("is not counting: {}", "未在计数：{}"),
    Code.CLOCK: ("the clock is {}", "时钟{}"),
    Code.CONFIG: ("the config was refused ({})", "配置未被接受（{}）"),
    Code.BACKLOG: ("{} records wait on the device", "设备上有 {} 条记录待上报"),
    Code.MISSING: ("{} records are missing", "缺少 {} 条记录"),
    Code.UNREGISTERED: ("sends records, but is not in the registry", "有数据上报，但没有登记"),
    Code.PLACE: ("claims the place of {}", "与 {} 占用同一位置"),
}


def alert_words(code: Code, detail: str) -> Words:
    """Return what an alert says. detail: a reason, a number or other devices, by the code."""
    en, zh = _ALERTS[code]
    if code is Code.VIDEO:
        of: Words = REASONS.get(detail, (detail, detail))
    elif code is Code.CLOCK and detail in set(Clock):
        of = CLOCK_WORDS[Clock(detail)]
    else:
        of = (detail, detail)
    return en.format(of[0]), zh.format(of[1])


def video_words(video: str | None) -> Words:
    """Return the state of a picture; None is unknown."""
    if video is None:
        return UNKNOWN
    return ("healthy", "正常") if video == HEALTHY else REASONS.get(video, (video, video))
