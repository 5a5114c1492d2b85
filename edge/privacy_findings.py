"""What the probe of `privacy-check` has found, as looks: memory, messages, log and files."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from edge.adapters import stored
from edge.adapters.sentinel import Sentinel
from edge.messages import privacy_message
from edge.picture_signs import picture_in
from edge.privacy_data import SHORTEST_S, look_at_folder, look_at_log
from edge.privacy_fields import Finding, in_message
from edge.privacy_probe import FPS, LONGEST_S, Probe
from edge.privacy_promises import PromiseId, Said
from edge.privacy_statement import statement
from edge.privacy_verdicts import Look

MOST_PICTURES = 3
_IN_MESSAGES: tuple[PromiseId, ...] = (
    "pictures-not-sent",
    "nobody-recognised",
    "tracks-stay",
    "places-stay",
    "intervals-coarse",
    "statement-true",
    "transport-safe",
)
_PROBE = Said("试运行（标记画面）", "a run on the sentinel clip")


def looks_of(found: Probe, outbox: str) -> list[Look]:
    """Return what a probe says of the promises. outbox: the name of the database."""
    if found.code != 0:
        how = found.failure or f"exit code {found.code}"
        return not_probed(Said(f"试运行未正常结束（{how}）", f"the run did not end well ({how})"))
    return [
        _memory(found),
        *_messages(found),
        *_page(found),
        *look_at_log(found.log, "of the run 试运行", ()),
        *_files(found),
        *look_at_folder(found.data, found.data / outbox, ()),
    ]


def not_probed(why: Said) -> list[Look]:
    """Return the looks that there are none of without a probe."""
    about: tuple[PromiseId, ...] = ("pictures-forgotten", "pictures-not-stored", *_IN_MESSAGES)
    return [Look(each, _PROBE, not_run=why) for each in about]


def _memory(found: Probe) -> Look:
    if found.closed or not found.copies:
        why = found.closed or "no picture was found in any memory"
        return Look(
            "pictures-forgotten",
            _PROBE,
            not_run=Said(f"内存看不了（{why}），请用 sudo", f"memory: {why}; run with sudo"),
        )
    problems = []
    most = max(len(copies) for copies in found.copies)
    oldest_s = max((max(copies) - min(copies)) / FPS for copies in found.copies)
    if most > MOST_PICTURES:
        problems.append(Said(f"内存中有 {most} 份画面", f"{most} copies of pictures in memory"))
    if oldest_s > LONGEST_S:
        problems.append(
            Said(f"有画面停留了 {oldest_s:.1f} 秒", f"a picture stayed for {oldest_s:.1f} s")
        )
    at = Said(
        f"试运行内存查看 {len(found.copies)} 次，最多 {most} 份，最久 {oldest_s:.1f} 秒",
        f"memory of the run, {len(found.copies)} looks: {most} copies at most,"
        f" {oldest_s:.1f} s at most",
    )
    return Look("pictures-forgotten", at, tuple(problems))


def _messages(found: Probe) -> list[Look]:
    if found.messages is None:
        why = Said(
            "本机没有消息服务器，可安装 mosquitto", "no broker on this machine; install mosquitto"
        )
        return [Look(each, _PROBE, not_run=why) for each in _IN_MESSAGES]
    problems: dict[PromiseId, list[str]] = defaultdict(list)
    by_leaf: dict[str, dict[str, Any]] = {}
    for topic, payload in found.messages:
        for promise, text in _in_payload(topic, payload, found.sentinel):
            problems[promise].append(text)
        if topic.startswith("pc/"):
            by_leaf[topic.split("/", 4)[4]] = _object(payload)
    for promise, text in (*_interval(by_leaf), *_statement(by_leaf, found)):
        problems[promise].append(text)
    at = Said(
        f"试运行的 {len(found.messages)} 条消息，{len(by_leaf)} 种",
        f"{len(found.messages)} messages of the run, of {len(by_leaf)} kinds",
    )
    return [
        Look(each, at, tuple(Said(text, text) for text in dict.fromkeys(problems[each])))
        for each in _IN_MESSAGES
    ]


def _page(found: Probe) -> list[Look]:
    """Look at what the setup page has answered; a still was not allowed."""
    sent, open_ = [], []
    for path, status, kind, body in found.answers:
        shown = _picture(body, found.sentinel)
        if shown is not None or kind.startswith(("image/", "video/")):
            sent.append(f"GET {path}: {shown or kind}")
        elif status == 200 and path == "/api/still":
            open_.append(f"GET {path}: answered though setup_page.still is off")
    logged_in = any(path == "/api/login" and status < 300 for path, status, _, _ in found.answers)
    why = None if logged_in else Said("设置页登录失败", "nobody could log in to the setup page")
    at = Said(
        f"设置页的 {len(found.answers)} 个应答", f"{len(found.answers)} answers of the setup page"
    )
    return [
        Look("pictures-not-sent", at, tuple(Said(text, text) for text in sent), why),
        Look("setup-closed", at, tuple(Said(text, text) for text in open_), why),
    ]


def _in_payload(topic: str, payload: bytes, sentinel: Sentinel) -> Iterable[Finding]:
    kind = _picture(payload, sentinel)
    if kind is not None:
        yield "pictures-not-sent", f"{topic}: {kind}"
    elif topic.startswith("pc/"):
        yield from in_message(topic.split("/", 4)[4], payload)


def _interval(by_leaf: Mapping[str, Mapping[str, Any]]) -> Iterable[Finding]:
    seconds = by_leaf.get("info", {}).get("interval_s")
    if not isinstance(seconds, int) or seconds < SHORTEST_S:
        yield "intervals-coarse", f"info: interval_s is {seconds}"


def _statement(by_leaf: Mapping[str, Mapping[str, Any]], found: Probe) -> Iterable[Finding]:
    config = found.config
    message = privacy_message(
        config.device.tenant,
        config.device.id,
        0,
        interval_s=config.records.interval_min * 60,
        insecure_lab=config.mqtt.tls is None,
        details=statement(config).details,
    )
    wanted, said = _object(message.payload), by_leaf.get("privacy", {})
    for name in sorted((wanted.keys() | said.keys()) - {"at"}):
        if wanted.get(name) != said.get(name):
            about: PromiseId = (
                "transport-safe" if name in {"insecure_lab", "transport"} else "statement-true"
            )
            yield about, f"privacy.{name}: {said.get(name)!r}, not {wanted.get(name)!r}"


def _files(found: Probe) -> list[Look]:
    """Look at all that the run has left outside its data folder, and for the sentinel inside."""
    pictures, strange, names = [], [], stored.files_in(found.folder)
    for name in names:
        if name in found.given - {"log"}:
            continue
        kind = _picture((found.folder / name).read_bytes(), found.sentinel)
        if kind is not None:
            pictures.append(f"{name}: {kind}")
        elif not name.startswith("data/") and name not in found.given:
            strange.append(name)
    at = Said(
        f"试运行留下的 {len(names) - len(found.given)} 个文件",
        f"{len(names) - len(found.given)} files that the run left",
    )
    return [
        Look("pictures-not-stored", at, tuple(Said(text, text) for text in pictures)),
        Look("files-in-place", at, tuple(Said(text, text) for text in strange)),
    ]


def _picture(content: bytes, sentinel: Sentinel) -> str | None:
    """Return what picture is in it, and whether it is known to be of the sentinel."""
    if (form := sentinel.raw_in(content)) is not None:
        return f"{form} of the sentinel"
    if (form := sentinel.encoded_in(content)) is not None:
        return f"{form} of the sentinel"
    return picture_in(content)


def _object(payload: bytes) -> dict[str, Any]:
    document = json.loads(payload) if payload else {}
    return document if isinstance(document, dict) else {}
