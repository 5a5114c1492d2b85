"""Why an update waits or was refused by the device, in the operator's words. Pure."""

from collections.abc import Mapping
from typing import Literal

from edge.privacy_promises import Said

Reason = Literal[
    "spread", "hours", "not-before", "clock", "no-answer", "disk",
    "too-large", "downgrade", "hash",
]  # fmt: skip
WORDS: Mapping[Reason, Said] = {
    "spread": Said("排队等候，各设备错开下载", "waits for its turn; devices do not begin together"),
    "hours": Said("等候允许更新的时段", "waits for the hours in which updates are allowed"),
    "not-before": Said("未到约定的更新时间", "waits for the time that was set"),
    "clock": Said(
        "时钟未校准，无法判断更新时段；请检查网络校时",
        "the clock is not set, so the hours are not known; check NTP",
    ),
    "no-answer": Said(
        "后端没有回应，稍后再问；请检查更新程序是否在运行",
        "nobody answers, it is asked again later; is `evaluation update offer` running?",
    ),
    "disk": Said(
        "磁盘空间不足或无法写入更新目录；请检查磁盘",
        "no room on the disk, or the update folder cannot be written; look at the disk",
    ),
    "too-large": Said(
        "更新包大于 updates.max_mb；请提高上限或改用 U 盘",
        "the bundle is larger than updates.max_mb; raise it, or bring it on a USB stick",
    ),
    "downgrade": Said(
        "要求的版本比正在运行的旧；只接受更新的版本",
        "the version wanted is older than the one in use; only a newer one is taken",
    ),
    "hash": Said(
        "两次下载的内容都与约定的校验和不符；请检查更新包后重新发布",
        "what came twice has not the hash that was announced; check the bundle, offer it anew",
    ),
}
STATE_WORDS: Mapping[str, Said] = {
    "idle": Said("没有待安装的更新", "no update is wanted"),
    "downloading": Said("正在下载", "is coming, piece by piece"),
    "verifying": Said(
        "下载完成，等待验证签名", "has come and waits for its signature to be checked"
    ),
    "applied": Said("正在运行该版本", "this version is in use"),
}
