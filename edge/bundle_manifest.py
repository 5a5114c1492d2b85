"""Pure: MANIFEST.txt, which says in plain words what is in a bundle and what is not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Contents(NamedTuple):
    """What a part of the bundle is, in Chinese and English; `trouble`: why it is not whole."""

    name: str
    zh: str
    en: str
    bytes: int
    trouble: str | None = None


_NOT_IN_IT = (
    ("任何画面（设备本来就不保存画面）", "any picture: the device stores none in the first place"),
    ("人脸、轨迹、坐标", "faces, tracks or positions of people"),
    (
        "密码、密钥、设置页 PIN、登录凭证、用户名",
        "passwords, keys, the PIN of the setup page, sessions, user names",
    ),
    (
        "摄像机、消息服务器和其他设备的地址（已用 <camera>、<broker>、<address-1> 等代替）",
        "addresses of camera, broker and other machines: they are <camera>, <broker>, <address-1>",
    ),
    ("核查人、联系人的姓名和电话", "names and telephone numbers of those who audited or signed"),
)
_NO_RECORDS = (
    "人次记录（加 --records 才会放入最近 48 小时的）",
    "counts of people: --records adds those of the last 48 hours",
)


def manifest(
    device: str, made_at: str, contents: Sequence[Contents], *, records: bool, short: int
) -> str:
    """Return the text. short: how many secrets are too short to be searched for."""
    left_out = [*_NOT_IN_IT, *(() if records else (_NO_RECORDS,))]
    lines = [
        f"lobbycount 诊断包 · support bundle: {device}, {made_at}",
        "",
        "发送前请自己看一遍：都是文本文件，用记事本即可打开。",
        "Look through it before you send it: it is all text, any editor opens it.",
        "",
        "里面有什么 · What is in it",
        *(line for each in contents for line in _entry(each)),
        "",
        "里面没有什么 · What is not in it",
        *(f"- {zh} · {en}" for zh, en in left_out),
    ]
    if short:
        lines += [
            "",
            f"有 {short} 个密码或用户名不足 4 个字符，无法在全文中查找，只在所在的设置里隐去。"
            f" · {short} passwords or user names have fewer than 4 letters: they are hidden"
            " where they are set, but could not be searched for.",
        ]
    return "\n".join(lines) + "\n"


def summary(contents: Sequence[Contents]) -> Mapping[str, str]:
    """Return the parts that are not whole, and why."""
    return {each.name: each.trouble for each in contents if each.trouble}


def _entry(each: Contents) -> list[str]:
    lines = [f"- {each.name} ({each.bytes} bytes): {each.zh} · {each.en}"]
    if each.trouble:
        lines.append(f"    缺失或不完整 · missing or not whole: {each.trouble}")
    return lines
