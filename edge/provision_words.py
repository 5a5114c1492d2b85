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
        "下一步：接上摄像机和网络，打开设置页面或运行 lobbycount health 查看。",
        "Next: connect camera and network, then look at the setup page or at lobbycount health.",
    ),
    Outcome.WRONG: (
        "下一步：按上面的行号修改 provision.yaml，保存，把卡插回设备并重新上电。",
        "Next: change provision.yaml in the line named above, save it, put the card"
        " back, power on.",
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
    "设备时间不正确，证书暂时无法核对；联网校时后会自动重试。"
    " This device's clock is wrong ({now}), so certificates cannot be checked; once it is set"
    " over the network (NTP) it is tried again."
)
NOT_VALID = (
    "证书有效期不包含设备当前时间，校时后才能连接服务器。"
    " The certificate is valid {when}, and this device's clock says {now}: it connects when the"
    " clock is right."
)
NOT_ERASED = (
    "无法从 {name} 中抹去令牌（存储卡只读？），请手动删除。"
    " The token could not be erased from {name} ({reason}); it is used up,"
    " delete it by hand."
)
NOT_READ = (
    "没有读取 {name}，读的是 {read}；请只留一个。"
    " {name} was not read, {read} was; keep only one of them."
)
AS_MEANT = (
    "第 {lines} 行有全角标点或冒号后缺空格，已按半角理解。"
    " Lines {lines}: full-width punctuation, or no space after a colon; read as it was meant."
)
NOT_ENROLLED = (
    "enrolment.token: 没有可用的令牌，请填写新的令牌。"
    " There is no token, or it has been used; write a new one, or leave out enrolment: to go by a"
    " file."
)
ASKED_BY_FILE = (
    "请求文件已写好：{name} · The request is in {name}, the answer is expected in {pem}."
)
CANNOT_ASK = (
    "无法在启动分区写入 {name}（{reason}），请检查存储卡是否已满或只读。"
    " {name} cannot be written to the boot partition ({reason}); is the card full or locked?"
)
CANNOT_WRITE = (
    "设备的存储无法写入（{reason}），请检查存储卡。"
    " This device's own storage cannot be written ({reason}): {path}; check the card, it is tried"
    " again."
)
NO_CA = (
    "找不到证书文件 {name}，请把它放到 provision.yaml 旁边。"
    " broker.ca: {name} cannot be read ({reason}); put it beside provision.yaml."
)
