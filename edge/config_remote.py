"""What of a config may be changed from afar, and what a config becomes by it.

Drawings, the crossing rule and the name people read. Nothing that could cut the device off
(broker, certificates, who it is), show more of the lobby (camera, masks), lose records
(data folder) or restart the capture; those are edited on the device.

A desired config is put over the file's as in RFC 7396: objects are merged key by key, lists
(`lines`, `zones`) replace the file's. It is then checked by the models that check the file.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from edge.config import Config
from edge.config_errors import sentences, unknown
from edge.config_sections import DeviceSection
from edge.errors import ConfigError, Mistake
from edge.sealing import canonical

SECTIONS = ("device", "lines", "zones", "counting")
OF_DEVICE = ("name",)
_PARTS: dict[str, bool | set[str]] = {
    "device": set(OF_DEVICE),
    "lines": True,
    "zones": True,
    "counting": True,
}
_CHANGEABLE = "only device.name, lines, zones and counting can; edit the file on the device"
_CHANGEABLE_ZH = "只能改 device.name、lines、zones 和 counting；请在设备上修改配置文件"


def merged(file: Config, desired: Mapping[str, object]) -> Config:
    """Return the file's config with the desired settings over it.

    Raises ConfigError with one line `config.path: what is wrong; what works` per problem.
    """
    refused = list(_refused(desired))
    allowed = {key: desired[key] for key in SECTIONS if key in desired}
    if not isinstance(allowed.get("device", {}), Mapping):
        del allowed["device"]  # refused already; the rest of it would be asked for
    sections = {name: getattr(file, name) for name in Config.model_fields} | allowed
    for name, whole in (("device", file.device), ("counting", file.counting)):
        wanted = allowed.get(name)
        if isinstance(wanted, Mapping):
            known = {k: v for k, v in wanted.items() if name != "device" or k in OF_DEVICE}
            sections[name] = whole.model_dump(exclude_unset=True) | known
    try:
        config = Config.model_validate(sections)
    except ValidationError as error:
        refused += sentences(error, Config)
    if refused:
        raise ConfigError(*(_printable(mistake) for mistake in refused))
    return config


def remote_part(config: Config) -> dict[str, object]:
    """Return the settings that can be changed from afar, defaults included.

    Sent back as a desired config it changes nothing.
    """
    part: dict[str, Any] = config.model_dump(mode="json", by_alias=True, include=_PARTS)
    for line in part["lines"]:
        if line["audience"] == "public":  # said since 1.1, and only where it is something else
            del line["audience"]
    return part


def base_of(file: Config) -> str:
    """Return what changes when one of these settings is edited in the file.

    Only what stands in the file counts: a later version with more defaults is no edit.
    """
    written = file.model_dump(mode="json", by_alias=True, include=_PARTS, exclude_unset=True)
    return hashlib.sha256(canonical(written).encode()).hexdigest()[:12]


def _refused(desired: Mapping[str, object]) -> Iterator[Mistake]:
    """Name every setting that does not travel, never its value."""
    for key in desired:
        if key not in SECTIONS:
            yield _refusal(key, key in Config.model_fields, key, SECTIONS)
    device = desired.get("device", {})
    if not isinstance(device, Mapping):
        example = 'device: {"name": "幸福里党群服务中心 大厅"}'
        yield Mistake(f"must be an object, e.g. {example}", f"必须是对象，例如 {example}", "device")
        return
    for key in device:
        if key not in OF_DEVICE:
            yield _refusal(f"device.{key}", key in DeviceSection.model_fields, key, OF_DEVICE)


def _refusal(path: str, exists: bool, key: str, allowed: tuple[str, ...]) -> Mistake:
    if exists:
        return Mistake(
            f"cannot be changed over MQTT; {_CHANGEABLE}",
            f"不能通过 MQTT 修改；{_CHANGEABLE_ZH}",
            path,
        )
    return Mistake(*unknown(key, allowed), path)


def _printable(mistake: Mistake) -> Mistake:
    """Name the setting as it was sent; keep a hostile key from breaking the line on a screen."""
    words = (mistake.en, mistake.zh, f"config.{mistake.setting}")
    en, zh, setting = ("".join(c if c.isprintable() else "?" for c in text) for text in words)
    return replace(mistake, en=en, zh=zh, setting=setting)
