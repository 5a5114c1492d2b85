"""The config file: its shape, and what is said when it is wrong.

Every mistake is one line, `file:line: path: what is wrong; what is allowed, e.g. …`, and one in
Chinese; all mistakes of a file are told at once.
"""

import hashlib
import json
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from edge.config_drawings import LineSection, Section, ZoneSection
from edge.config_errors import explain, without_password
from edge.config_sections import (
    CameraSection,
    CountingSection,
    DeviceSection,
    HealthSection,
    HoursSection,
    ModelSection,
    MqttSection,
    PrivacySection,
    RecordsSection,
    SetupPageSection,
    TlsSection,
    UpdatesSection,
    find_time_zone,
)
from edge.config_text import parse, read_text, unreadable
from edge.errors import ConfigError, Mistake, SettingError
from edge.hours import Hours
from edge.providers import Provider


class Config(Section):
    """The whole file."""

    device: DeviceSection = Field(examples=[{"tenant": "street-office-1", "id": "lobby-001"}])
    camera: CameraSection = Field(examples=[{"source": "/dev/video0"}])
    model: ModelSection = ModelSection()
    lines: tuple[LineSection, ...] = Field(
        min_length=1,
        max_length=32,
        examples=[[{"id": "door", "points": [[0.2, 0.6], [0.8, 0.6]], "in": "down"}]],
    )
    zones: tuple[ZoneSection, ...] = Field(
        default=(),
        max_length=32,
        examples=[[{"id": "waiting", "polygon": [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}]],
    )
    counting: CountingSection = CountingSection()
    records: RecordsSection = RecordsSection()
    mqtt: MqttSection = Field(
        examples=[{"host": "broker.example.org", "tls": {"ca": "/etc/lobbycount/ca.pem"}}]
    )
    health: HealthSection = HealthSection()
    setup_page: SetupPageSection = SetupPageSection()
    privacy: PrivacySection = PrivacySection()
    hours: HoursSection | None = Field(
        default=None, examples=[{"weekly": {"mon": ["09:00-17:00"], "tue": ["09:00-17:00"]}}]
    )
    updates: UpdatesSection = UpdatesSection()

    @field_validator("lines")
    @classmethod
    def _ids_differ(cls, lines: tuple[LineSection, ...]) -> Any:
        ids = [line.id for line in lines]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise SettingError(
                f"the id {twice[0]!r} is used twice; every line needs its own",
                f"编号 {twice[0]!r} 用了两次；每条线须有自己的编号，例如 id: {twice[0]}-2",
            )
        return lines

    @field_validator("hours")
    @classmethod
    def _time_zone_is_known(cls, hours: HoursSection | None, info: ValidationInfo) -> Any:
        if hours is not None and "device" in info.data:
            find_time_zone(info.data["device"].time_zone)
        return hours

    @field_validator("updates")
    @classmethod
    def _update_hours_are_somewhere(cls, updates: UpdatesSection, info: ValidationInfo) -> Any:
        if updates.hours and "device" in info.data:
            find_time_zone(info.data["device"].time_zone)
        return updates

    @field_validator("zones")
    @classmethod
    def _ids_and_time_zone(cls, zones: tuple[ZoneSection, ...], info: ValidationInfo) -> Any:
        ids = [section.id for section in (*info.data.get("lines", ()), *zones)]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise SettingError(
                f"the id {twice[0]!r} is used twice; every line and zone needs its own,"
                f" e.g. id: {twice[0]}-zone",
                f"编号 {twice[0]!r} 用了两次；每条线和每个区域须有自己的编号，"
                f"例如 id: {twice[0]}-zone",
            )
        if "device" in info.data and any(zone.windows for zone in zones):
            find_time_zone(info.data["device"].time_zone)  # the default is not looked up before
        return zones

    @field_validator("privacy")
    @classmethod
    def _no_lab_broker_in_production(cls, privacy: PrivacySection, info: ValidationInfo) -> Any:
        mqtt: MqttSection | None = info.data.get("mqtt")
        if privacy.mode == "production" and mqtt is not None and mqtt.insecure_lab:
            raise SettingError(
                "mode: production and mqtt.insecure_lab: true do not go together; give"
                " mqtt: {tls: {ca: /etc/lobbycount/ca.pem}} instead, or set mode: lab",
                "正式使用必须加密传输，不能设 mqtt.insecure_lab: true；"
                "请改用 mqtt: {tls: {ca: /etc/lobbycount/ca.pem}}，试用请设 mode: lab",
            )
        return privacy

    def time_zone(self) -> tzinfo:
        """Return the device's time zone if a zone has windows; nothing else needs it."""
        return find_time_zone(self.device.time_zone) if any(z.windows for z in self.zones) else UTC

    def opening_hours(self) -> Hours | None:
        """Return when the doors are open; None where the file does not say."""
        return self.hours.hours(find_time_zone(self.device.time_zone)) if self.hours else None

    def published_hours(self) -> dict[str, object] | None:
        """Return the same for the birth message, as it is written in the file."""
        if self.hours is None:
            return None
        said = self.hours.model_dump(mode="json")
        return {"time_zone": self.device.time_zone, **{k: v for k, v in said.items() if v}}

    def hash(self) -> str:
        """Return 12 hex digits of what this file says about the counting.

        What is not there does not change it, so that a new version of the program which
        knows more settings keeps the hashes that are in records and calibrations.
        """
        sections = {"camera", "lines", "counting", "records"} | ({"zones"} if self.zones else set())
        relevant = self.model_dump(mode="json", include=sections)
        if any(zone.windows for zone in self.zones):
            relevant["time_zone"] = self.device.time_zone
        for line in relevant["lines"]:
            if line["audience"] == "public":
                del line["audience"]
        for name in ("source", "watch"):  # neither changes what is counted
            relevant["camera"].pop(name)
        if self.camera.person_height is None:
            relevant["camera"].pop("person_height")
        relevant["gate"] = self.model.gate  # always: which of the two is the default may change
        if self.model.provider is not Provider.CPU:
            relevant["provider"] = str(self.model.provider)
        relevant["records"].pop("data_dir")
        text = json.dumps(relevant, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load(path: Path) -> Config:
    """Read and check a config file; relative paths in it start at its folder.

    Raises ConfigError with one line per problem.
    """
    return checked(path, read_text(path))


def checked(path: Path, text: str) -> Config:
    """Check the text of a config file; relative paths in it start at the folder of `path`.

    Raises ConfigError with one line per problem.
    """
    document = parse(path, text)
    try:
        config = Config.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        raise ConfigError(*explain(path, document, error, Config)) from error
    return config


def missing_files(config: Config) -> list[str]:
    """Name the files a config refers to that are not here, as `path: file`."""
    tls = config.mqtt.tls or TlsSection()
    source = config.camera.source
    named = {
        "camera.source": Path(source) if "://" not in source else None,
        "mqtt.tls.ca": tls.ca,
        "mqtt.tls.cert": tls.cert,
        "mqtt.tls.key": tls.key,
        "mqtt.password_file": config.mqtt.password_file,
    }
    return [f"{name}: {path}" for name, path in named.items() if path and not path.exists()]


def with_broker(config: Config, url: str) -> Config:
    """Return the config with the broker of a URL instead.

    Raises ConfigError when the URL is not one.
    """
    mqtt = broker_section(url)
    return config.model_copy(update={"mqtt": mqtt})


def broker_section(url: str) -> MqttSection:
    """Read mqtt://host[:port] (plain text, lab) or mqtts://host[:port]. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        host, port, scheme = parts.hostname, parts.port, parts.scheme
    except ValueError:
        host, port, scheme = None, None, ""
    if not host or scheme not in {"mqtt", "mqtts"}:
        shown = without_password(url)
        raise ConfigError(
            Mistake(
                "not a broker; e.g. mqtt://127.0.0.1:1883",
                "不是消息服务器地址；例如 mqtt://127.0.0.1:1883",
                f"--broker {shown}",
            )
        )
    if "@" in parts.netloc:
        raise ConfigError(
            Mistake(
                "a password on the command line can be read by everybody on this machine;"
                " use a config file with mqtt.username and mqtt.password_file",
                "命令行中的密码会被本机所有人看到；"
                "请写在配置文件的 mqtt.username 和 mqtt.password_file 中",
                "--broker",
            )
        )
    if scheme == "mqtt":
        return MqttSection(host=host, port=port or 1883, insecure_lab=True)
    return MqttSection(host=host, port=port or 8883, tls=TlsSection())


def password(mqtt: MqttSection) -> str | None:
    """Read the password file, if there is one. Raises ConfigError."""
    path = mqtt.password_file
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        en, zh = unreadable(error)
        raise ConfigError(
            Mistake(
                f"{path} cannot be read: {en};"
                " put the password in it, readable by the service's user only",
                f"{path} 无法读取：{zh}；请把密码写入该文件，只让服务的用户可读",
                "mqtt.password_file",
            )
        ) from error
