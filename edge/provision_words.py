"""What the installer reads on the boot partition, in Chinese and English, for any text editor."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How a start ended. The value is the exit code; the unit tries again after RETRY only."""

    DONE = 0
    WRONG = 2
    WAITING = 3
    RETRY = 75


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended, for which device, and what a person has to know; no secret is in it."""

    outcome: Outcome
    dev: str = ""
    lines: tuple[str, ...] = ()


_HEADINGS = {
    Outcome.DONE: ("完成，设备已设置好", "DONE, the device is set up"),
    Outcome.WRONG: ("有错误，需要修改", "WRONG, something has to be changed"),
    Outcome.WAITING: ("等待证书", "WAITING for the certificate"),
    Outcome.RETRY: ("暂时无法完成，会自动重试", "NOT YET, it is tried again by itself"),
}
_NEXT = {
    Outcome.DONE: (
        "下一步：接上摄像机和网络，在设置页面画线，走线核对；或运行 lobbycount health 查看。",
        "Next: connect camera and network, draw the line on the setup page and walk it; or look at"
        " lobbycount health.",
    ),
    Outcome.WRONG: (
        "下一步：按上面的说明修改 provision.yaml，保存，把卡插回设备并重新上电。",
        "Next: change provision.yaml as said above, save it, put the card back, power on.",
    ),
    Outcome.WAITING: (
        "下一步：把 .csr 文件交给证书管理员，把签发的 .pem 放到本文件旁边，插回设备并重新上电。",
        "Next: give the .csr file to whoever issues certificates, put the .pem that comes back"
        " beside this file, put the card back, power on.",
    ),
    Outcome.RETRY: (
        "下一步：检查网线或无线密码、网关和服务器地址；不用改动的话，让设备开着，会自动重试。",
        "Next: check cable or wireless password, gateway and the server's address; or leave it on,"
        " it tries again by itself.",
    ),
}


def result_text(result: Result) -> str:
    """Return the whole text, lines ending in a line feed."""
    zh, en = _HEADINGS[result.outcome]
    next_zh, next_en = _NEXT[result.outcome]
    device = [f"设备 device: {result.dev}"] if result.dev else []
    parts = [
        "lobbycount 设备设置结果 · provisioning result",
        *device,
        f"结果 result: {zh} · {en}",
        "",
        *result.lines,
        *([""] if result.lines else []),
        next_zh,
        next_en,
    ]
    return "".join(f"{line}\n" for line in parts)


def for_any_editor(text: str) -> bytes:
    """Return a text as Windows Notepad of any age shows it: UTF-8 with a mark, CRLF."""
    return ("\ufeff" + text.replace("\n", "\r\n")).encode("utf-8")


NO_CLOCK = (
    "This device's clock is wrong ({now}), so certificates cannot be checked; once it is set over"
    " the network (NTP, UDP port 123) it is tried again.\n"
    "    设备时间不正确（{now}），证书暂时无法核对；联网校时（NTP，UDP 123 端口）后自动重试。"
)
NOT_VALID = (
    "The certificate is valid {when}, and this device's clock says {now}: it connects when the"
    " clock is right.\n"
    "    证书有效期（{when}）不包含设备时间 {now}，校时后才能连接服务器。"
)
NOT_ERASED = (
    "The token could not be erased from {name} ({reason}); it is used up, delete it by hand.\n"
    "    无法从 {name} 中抹去令牌（存储卡只读？）；令牌已失效，请手动删除。"
)
NOT_READ = (
    "{name} was not read, {read} was; keep only one of them.\n"
    "    没有读取 {name}，读的是 {read}；请只留一个。"
)
AS_MEANT = (
    "Line {lines}: full-width punctuation, or no space after a colon; read as it was meant.\n"
    "    第 {lines} 行有全角标点，或冒号后缺空格；已按本意读取。"
)
NOT_ENROLLED = (
    "enrolment.token: there is no token, or it has been used; write a new one, or leave out"
    " enrolment: to go by a file\n"
    "    没有令牌，或令牌已用过：请填写新的令牌；走文件方式则删去 enrolment 一段"
)
ASKED_BY_FILE = (
    "The request is in {name}, the answer is expected in {pem}.\n"
    "    请求文件已写好：{name}；签发的证书请存为 {pem}。"
)
CANNOT_ASK = (
    "{name} cannot be written to the boot partition ({reason}); is the card full or locked?\n"
    "    无法在启动分区写入 {name}（{reason}）：存储卡已满或被锁为只读？"
)
CANNOT_WRITE = (
    "This device's own storage cannot be written ({reason}): {path}; check the card, it is tried"
    " again.\n"
    "    设备自己的存储无法写入（{reason}），请检查存储卡；会自动重试。"
)
NO_CA = (
    "broker.ca: {name} cannot be read ({reason}); put it beside provision.yaml\n"
    "    找不到证书文件 {name}：请把它放到 provision.yaml 旁边"
)
ADDRESS = "This device's address in the network: {address}\n    本机的网络地址：{address}"
NO_ADDRESS = (
    "This device has no address in a network: the cable, the wireless name or its password\n"
    "    本机没有网络地址：请检查网线、无线名称或无线密码"
)
SETUP_PAGE = (
    "Setup page: https://{address}:{port} (PIN: sudo -u lobbycount lobbycount setup pin --new)\n"
    "    设置页面：https://{address}:{port}（PIN：sudo -u lobbycount lobbycount setup pin --new）"
)
NO_NETWORK_MANAGER = (
    "network: has no effect, NetworkManager is not installed here; by cable with DHCP only\n"
    "    network 一段没有作用：本系统没有 NetworkManager，只能用网线自动获取地址"
)
