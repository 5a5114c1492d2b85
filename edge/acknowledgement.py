"""What an installer confirms before a device counts in production. Pure.

It covers who and where: the site, the responsible unit, the purpose, the contact, the camera
and the words of the sign. When one of these changes, somebody has to look again (ADR 21).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.privacy_promises import Said
from edge.sealing import canonical

VERSION = "1.0"
POINTS: Mapping[str, Said] = {
    "sign": Said("告示已张贴在入口显眼处", "the sign is up where people enter"),
    "purpose": Said("告示上的用途与实际一致", "the purpose on the sign is the real one"),
    "unit": Said("责任单位知情并同意负责", "the responsible unit knows and answers for it"),
    "contact": Said("联系方式有人接听处理", "somebody answers at the contact"),
    "place": Said(
        "安装处不是更衣室、母婴室或厕所，镜头也照不到",
        "it is in no changing room, nursing room or toilet, and does not look into one",
    ),
}
"""What has to be confirmed, each by itself."""
_NAMES = {
    "contact": Said("联系方式", "contact"),
    "camera": Said("摄像机地址", "camera address"),
    "device": Said("设备编号", "device id"),
    "purpose": Said("用途", "purpose"),
    "sign": Said("告示内容", "words of the sign"),
    "site": Said("地点名称", "name of the place"),
    "unit": Said("责任单位", "responsible unit"),
}


@dataclass(frozen=True, slots=True)
class Covered:
    """The settings an acknowledgement holds for. camera: a hash of its address."""

    device: str
    site: str
    unit: str
    purpose: str
    contact: str
    camera: str
    sign: str

    def fields(self) -> dict[str, str]:
        """Return them by name."""
        return {name: getattr(self, name) for name in sorted(_NAMES)}


def camera_hash(address: str) -> str:
    """Return 12 hex digits of a camera's address, which has to come without its password."""
    return hashlib.sha256(address.encode()).hexdigest()[:12]


def acknowledgement(covered: Covered, by: str, at: str) -> dict[str, Any]:
    """Return the record that an installer confirmed every point. at: ISO 8601, UTC."""
    fields: dict[str, Any] = {
        "v": VERSION,
        "at": at,
        "by": by,
        "confirmed": sorted(POINTS),
        "covers": covered.fields(),
    }
    return {**fields, "hash": _hash(fields)}


def what_is_wrong(record: Mapping[str, Any] | None, covered: Covered) -> Said | None:
    """Say why a record does not hold for these settings; None when it does."""
    if record is None:
        return Said("还没有安装确认", "nobody has confirmed the installation yet")
    fields = {name: value for name, value in record.items() if name != "hash"}
    if record.get("hash") != _hash(fields) or not isinstance(record.get("covers"), dict):
        return Said("安装确认文件已损坏或被改动", "the acknowledgement is damaged or was edited")
    if record.get("v") != VERSION or set(record.get("confirmed", ())) != set(POINTS):
        return Said("安装确认不完整", "the acknowledgement does not confirm every point")
    before, now = record["covers"], covered.fields()
    changed = [_NAMES[name] for name in sorted(_NAMES) if before.get(name) != now[name]]
    if not changed:
        return None
    return Said(
        f"确认之后已改动：{'、'.join(name.zh for name in changed)}",
        f"changed since it was confirmed: {', '.join(name.en for name in changed)}",
    )


def _hash(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(fields).encode("utf-8", "surrogatepass")).hexdigest()
