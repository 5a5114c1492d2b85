"""How a device is, in the operator's words, pure: gauges in, one state and all problems out."""

from dataclasses import dataclass

from edge.messages import Health
from edge.view_words import ADVICE, Advice
from edge.vocabulary import CoverageReason


@dataclass(frozen=True, slots=True)
class Words:
    """A state or a problem: a code for programs, one sentence each in Chinese and English."""

    code: str
    zh: str
    en: str


OK = Words("ok", "正常", "All is well")
STARTING = Words("starting", "正在启动", "Starting")
CLOSED = Words("closed", "非开放时间（仍在计数）", "Closed now (people are counted all the same)")
CLOCK = Words(
    "clock",
    "时间未同步（数据已保存）：请检查能否访问时间服务器",
    "The clock is not set (counts are kept): can a time server be reached?",
)
NO_NETWORK = Words(
    "no_network",
    "无网络（数据已保存），恢复后自动补报",
    "No network (counts are kept); they are sent when it is back",
)

_VIDEO = {
    CoverageReason.NO_CAMERA: Advice(
        "无画面：请检查摄像机电源、网线和配置中的地址",
        "No picture: check the camera's power, its cable and its address in the config",
    ),
    CoverageReason.OVERLOAD: Advice(
        "处理不过来：请降低帧率或摄像机分辨率",
        "Too slow: lower camera.fps or the camera's resolution",
    ),
    **ADVICE,
}


def state_of(
    health: Health | None,
    *,
    connected: bool,
    seen: CoverageReason | None = None,
    config_errors: int = 0,
    waits_for_time: bool = False,
    closed: bool = False,
) -> tuple[Words, list[Words]]:
    """Return the one word for a device, and everything that is wrong, the worst first.

    health: the last gauges, None before the first. seen: what is wrong with the last picture.
    config_errors: how many problems the edited file has that is not in force because of them.
    waits_for_time: whether what is counted waits for its dates.
    """
    if health is None or seen is CoverageReason.RESTART:
        return STARTING, []
    found = [
        *_costing_counts(health, seen, config_errors),
        *_only_delaying(connected=connected, waits_for_time=waits_for_time),
    ]
    if closed:  # then the lights are off
        found = [each for each in found if each.code != CoverageReason.DARK]
    return (found[0] if found else CLOSED if closed else OK), found


def _costing_counts(health: Health, seen: CoverageReason | None, config_errors: int) -> list[Words]:
    found: list[Words] = []
    if seen is not None and seen in _VIDEO:
        found.append(Words(str(seen), *_VIDEO[seen]))
    if health.unsaved:
        found.append(
            Words(
                "disk",
                f"{health.unsaved} 个时段未能保存：磁盘是否已满？",
                f"{health.unsaved} intervals could not be stored: is the disk full?",
            )
        )
    if config_errors:
        found.append(
            Words(
                "config",
                f"配置有误（{config_errors} 处），仍按上一次正确的配置计数",
                f"The config has {config_errors} problems; the last good one still counts",
            )
        )
    return found


def _only_delaying(*, connected: bool, waits_for_time: bool) -> list[Words]:
    return [
        *([CLOCK] if waits_for_time else []),
        *([] if connected else [NO_NETWORK]),
    ]
