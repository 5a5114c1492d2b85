"""The privacy statement in words: paragraphs with a heading and points, zh-CN and English."""

from collections.abc import Sequence
from typing import NamedTuple

from edge.privacy_details import PrivacyDetails
from edge.privacy_promises import Lang

LAB_NOTICE = {
    "zh": "实验模式：设备正在试用，不得用于正式评分或公开场所的长期使用。",
    "en": "Lab mode: this device is being tried out; it is not in regular use.",
}
_NOT_SAID = {"zh": "未填写", "en": "not stated"}
_ZONES = {
    "plain": {"zh": "普通区域", "en": "plain"},
    "queue": {"zh": "排队区", "en": "queue"},
    "activity": {"zh": "活动区", "en": "activity"},
}
_SETUP = {
    "off": {"zh": "关闭", "en": "off"},
    "this-device": {"zh": "仅在设备本机可开", "en": "on this device only"},
    "lan": {"zh": "仅在本地网络可开，需要 PIN", "en": "on the local network only, with a PIN"},
}


class Paragraph(NamedTuple):
    """A heading and its points."""

    heading: str
    points: tuple[str, ...]


def title(lang: Lang) -> str:
    """Return the title of the statement."""
    return {"zh": "匿名客流计数 · 隐私说明", "en": "Anonymous people counting: privacy statement"}[
        lang
    ]


def said(value: str | None, lang: Lang) -> str:
    """Return what the config says, or that it says nothing."""
    return value or _NOT_SAID[lang]


def measured(details: PrivacyDetails, lang: Lang) -> str:
    """Return what is counted, in words."""
    zones = [f"{_ZONES[kind][lang]} × {count}" for kind, count in details.zones]
    if lang == "zh":
        zone_words = f"；区域（{'、'.join(zones)}）内的人次与停留总时长" if zones else ""
        return f"经过 {details.lines} 条计数线的进、出人次{zone_words}"
    zone_words = (
        f"; visits to zones ({', '.join(zones)}) and time spent there in all" if zones else ""
    )
    return f"people who pass {details.lines} counting line(s), in and out{zone_words}"


def bullets(
    lang: Lang,
    *,
    place: str,
    details: PrivacyDetails,
    interval_min: int,
    plaintext: bool,
    promised: Sequence[str],
) -> list[Paragraph]:
    """Return the whole statement. promised: the sentences of the promises."""
    compose = _chinese if lang == "zh" else _english
    paragraphs = compose(place, details, interval_min, plaintext, tuple(promised))
    if details.mode == "lab":
        notice = {"zh": "请注意", "en": "Please note"}[lang]
        paragraphs.insert(0, Paragraph(notice, (LAB_NOTICE[lang],)))
    return paragraphs


_UPDATES = {
    "zh": "程序更新：经同一消息服务器接收，签名验证通过后才安装；不为此建立其他连接。",
    "en": "New versions of the program come over the same broker and are installed only when their"
    " signature is right; no other connection is made for them.",
}


def plain(paragraphs: Sequence[Paragraph], heading: str) -> str:
    """Return paragraphs as text for a terminal."""
    parts = [heading]
    for paragraph in paragraphs:
        parts.append(
            "\n".join([paragraph.heading, *(f"  - {point}" for point in paragraph.points)])
        )
    return "\n\n".join(parts) + "\n"


def _chinese(
    place: str,
    details: PrivacyDetails,
    interval_min: int,
    plaintext: bool,
    promised: tuple[str, ...],
) -> list[Paragraph]:
    still = "可显示一张打了马赛克的示意图" if details.setup_still else "不显示任何画面"
    return [
        Paragraph(
            "谁负责",
            (
                f"地点：{place}",
                f"责任单位：{said(details.responsible, 'zh')}",
                f"用途：{said(details.purpose, 'zh')}",
                f"联系方式：{said(details.contact, 'zh')}",
            ),
        ),
        Paragraph(
            "统计什么",
            (
                f"{measured(details, 'zh')}，每 {interval_min} 分钟一个合计数。",
                "统计的是人次，不是人：同一个人来两次就是两人次。",
                f"不足 {details.suppressed_under} 人次时不给平均停留或等候时间。",
            ),
        ),
        Paragraph("我们承诺", promised),
        Paragraph(
            "保留与传输",
            (
                "画面：不保留。",
                f"合计数：送达后在设备上再保留 {details.retention_days} 天，供核对；"
                "送达前一直保留。",
                "传输：未加密，仅限实验环境。" if plaintext else "传输：加密（TLS）。",
                f"设置页：{_SETUP[details.setup_page]['zh']}，{still}。",
                *((_UPDATES["zh"],) if details.updates_over_mqtt else ()),
            ),
        ),
        Paragraph(
            "疑问与投诉",
            (
                f"请联系责任单位：{said(details.contact, 'zh')}。",
                "可要求责任单位当场运行 lobbycount privacy-check，逐项查看上述承诺是否属实。",
                "也可向当地网信部门投诉、举报。",
            ),
        ),
    ]


def _english(
    place: str,
    details: PrivacyDetails,
    interval_min: int,
    plaintext: bool,
    promised: tuple[str, ...],
) -> list[Paragraph]:
    still = "with a pixelated still" if details.setup_still else "without any picture"
    return [
        Paragraph(
            "Who answers for it",
            (
                f"Place: {place}",
                f"Responsible unit: {said(details.responsible, 'en')}",
                f"Purpose: {said(details.purpose, 'en')}",
                f"Contact: {said(details.contact, 'en')}",
            ),
        ),
        Paragraph(
            "What is counted",
            (
                f"{measured(details, 'en')}; one sum every {interval_min} minutes.",
                "Visits, not persons: somebody who comes twice is two visits.",
                f"No mean stay or wait is given for fewer than {details.suppressed_under} visits.",
            ),
        ),
        Paragraph("What is promised", promised),
        Paragraph(
            "What is kept and sent",
            (
                "Pictures: not kept.",
                f"Sums: {details.retention_days} days on the device after delivery, so that they"
                " can be checked; until then they are kept.",
                "Sent in plain text, in a lab only." if plaintext else "Sent encrypted (TLS).",
                f"Set-up page: {_SETUP[details.setup_page]['en']}, {still}.",
                *((_UPDATES["en"],) if details.updates_over_mqtt else ()),
            ),
        ),
        Paragraph(
            "Questions and complaints",
            (
                f"Ask the responsible unit: {said(details.contact, 'en')}.",
                "You may ask them to run lobbycount privacy-check before your eyes; it looks"
                " whether each of these promises is kept.",
                "You may also complain to the local cyberspace administration (网信部门).",
            ),
        ),
    ]
