"""The config file: its shape, and what is said when it is wrong.

Every problem is one line, `file:line: path: what is wrong; what is allowed, e.g. …`,
and all problems of a file are told at once.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from edge.config_drawings import LineSection, Outline, Section, Slug, ZoneSection
from edge.config_errors import explain, without_password
from edge.counting import CountingSettings
from edge.errors import ConfigError
from edge.geometry import crosses_itself
from edge.providers import Provider
from edge.vocabulary import Anchor, Point
from edge.zones import ZoneSettings


def _from_config_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


ConfigPath = Annotated[Path, AfterValidator(_from_config_folder)]


def _time_zone(name: str) -> tzinfo:
    """Find a time zone by its IANA name. Raises ValueError when that is not possible."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
    if not known:
        raise ValueError(
            f"time zone {name!r} cannot be looked up, this machine has no time zone data;"
            " install it, e.g. sudo apt install tzdata"
        )
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "e.g. time_zone: Asia/Shanghai"
    raise ValueError(f"{name!r} is not the name of a time zone; {hint}")


class DeviceSection(Section):
    """Who this device is."""

    tenant: Slug = Field(examples=["street-office-1"])
    id: Slug = Field(examples=["lobby-001"])
    name: str = Field(default="", max_length=120, examples=["幸福里党群服务中心 大厅"])
    time_zone: str = Field(default="Asia/Shanghai", examples=["Asia/Shanghai"])
    clock: Literal["ntp", "rtc"] = Field(default="ntp", examples=["ntp"])

    @field_validator("time_zone")
    @classmethod
    def _exists(cls, name: str) -> str:
        _time_zone(name)
        return name


class CameraSection(Section):
    """Where pictures come from."""

    source: str = Field(min_length=1, examples=["/dev/video0"])
    fps: float = Field(default=8.0, ge=1.0, le=30.0, examples=[8])
    person_height: float | None = Field(default=None, ge=0.03, le=1.0, examples=[0.4])
    masks: tuple[Outline, ...] = Field(default=(), examples=[[[[0, 0], [0.2, 0], [0.2, 0.3]]]])

    @field_validator("source", mode="before")
    @classmethod
    def _where(cls, value: Any, info: ValidationInfo) -> Any:
        if (type(value) is int and value >= 0) or (isinstance(value, str) and value.isdecimal()):
            return f"/dev/video{value}"
        if isinstance(value, str) and value and "://" not in value:
            return str(_from_config_folder(Path(value), info))
        if isinstance(value, str) and "://" in value and not value.startswith(("rtsp:", "rtsps:")):
            raise ValueError(
                "only rtsp:// and rtsps:// addresses can be read;"
                " e.g. source: rtsp://192.168.1.64:554/stream, /dev/video0 or clip.mp4"
            )
        return value

    @field_validator("masks")
    @classmethod
    def _mask_hides_an_area(cls, masks: Sequence[Sequence[Point]]) -> Any:
        if any(len(set(mask)) < 3 for mask in masks):
            raise ValueError(
                "a mask needs at least three different points, e.g. [[0, 0], [0.2, 0], [0.2, 0.3]]"
            )
        if any(crosses_itself(mask) for mask in masks):
            raise ValueError(
                "the outline of a mask crosses itself, so a part would stay visible;"
                " give its corners in order, e.g. [[0, 0], [0.2, 0], [0.2, 0.3], [0, 0.3]]"
            )
        return masks


class ModelSection(Section):
    """Which detector looks."""

    name: str = Field(default="nanodet-g-416-int8", examples=["nanodet-g-416-int8"])
    folder: ConfigPath | None = None
    threads: int = Field(default=2, ge=1, le=16, examples=[2])
    provider: Provider = Field(default=Provider.CPU, examples=["cpu"])
    gate: bool = Field(default=True, examples=[True])


class CountingSection(Section):
    """The crossing rule."""

    anchor: Anchor = Field(default=Anchor.BOTTOM_CENTRE, examples=["bottom-centre"])
    dead_band_heights: float = Field(default=0.08, ge=0.0, le=0.5, examples=[0.08])
    hold_s: float = Field(default=0.30, ge=0.0, le=3.0, examples=[0.3])
    uturn_s: float = Field(default=5.0, ge=0.0, le=120.0, examples=[5])

    def settings(self) -> CountingSettings:
        """Return the settings for the counter."""
        return CountingSettings(
            anchor=self.anchor,
            dead_band_heights=self.dead_band_heights,
            hold_s=self.hold_s,
            uturn_s=self.uturn_s,
        )

    def zone_settings(self) -> ZoneSettings:
        """Return the settings for the zone counter: same feet, same dead-band."""
        return ZoneSettings(anchor=self.anchor, dead_band_heights=self.dead_band_heights)


class RecordsSection(Section):
    """What is kept and published."""

    interval_min: Literal[5, 10, 15, 20, 30, 60] = Field(default=15, examples=[15])
    data_dir: ConfigPath = Path("/var/lib/lobbycount")


class TlsSection(Section):
    """Certificates; without `ca` the system's own are trusted."""

    ca: ConfigPath | None = None
    cert: ConfigPath | None = None
    key: ConfigPath | None = None

    @model_validator(mode="after")
    def _certificate_and_key_together(self) -> Self:
        if (self.cert is None) != (self.key is None):
            raise ValueError(
                "cert and key belong together; give both, e.g. cert: device.pem, key: device.key"
            )
        return self


class MqttSection(Section):
    """Where records go."""

    host: str = Field(min_length=1, examples=["broker.example.org"])
    port: int = Field(default=8883, ge=1, le=65535, examples=[8883])
    tls: TlsSection | None = None
    username: str | None = None
    password_file: ConfigPath | None = None
    insecure_lab: bool = Field(default=False, examples=[False])
    metered: bool = Field(default=False, examples=[True])
    """Every byte is paid for: counts as zlib, which subscribers have to unpack; fewer gauges."""
    home_assistant: bool | None = Field(default=None, examples=[True])
    """True announces the device to Home Assistant, False takes that back, None is silent."""

    @model_validator(mode="after")
    def _safe_and_complete(self) -> Self:
        if self.password_file is not None and self.username is None:
            raise ValueError(
                "password_file without username would not be used; add e.g. username: lobby-001"
            )
        if self.tls is None and not self.insecure_lab:
            raise ValueError(
                "no tls section: records would travel in plain text;"
                " add tls: {ca: /etc/lobbycount/ca.pem} or, in a lab only, insecure_lab: true"
            )
        return self


class HealthSection(Section):
    """Who on this machine may watch it; nobody by default."""

    prometheus_port: int | None = Field(default=None, ge=1024, le=65535, examples=[9464])


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

    @field_validator("lines")
    @classmethod
    def _ids_differ(cls, lines: tuple[LineSection, ...]) -> Any:
        ids = [line.id for line in lines]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} is used twice; every line needs its own")
        return lines

    @field_validator("zones")
    @classmethod
    def _ids_and_time_zone(cls, zones: tuple[ZoneSection, ...], info: ValidationInfo) -> Any:
        ids = [section.id for section in (*info.data.get("lines", ()), *zones)]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(
                f"the id {twice[0]!r} is used twice; every line and zone needs its own,"
                f" e.g. id: {twice[0]}-zone"
            )
        if "device" in info.data and any(zone.windows for zone in zones):
            _time_zone(info.data["device"].time_zone)  # the default is not looked up before
        return zones

    def time_zone(self) -> tzinfo:
        """Return the device's time zone if a zone has windows; nothing else needs it."""
        return _time_zone(self.device.time_zone) if any(z.windows for z in self.zones) else UTC

    def hash(self) -> str:
        """Return 12 hex digits of what this file says about the counting.

        What is not there does not change it, so that a new version of the program which
        knows more settings keeps the hashes that are in records and calibrations.
        """
        sections = {"camera", "lines", "counting", "records"} | ({"zones"} if self.zones else set())
        relevant = self.model_dump(mode="json", include=sections)
        if any(zone.windows for zone in self.zones):
            relevant["time_zone"] = self.device.time_zone
        relevant["camera"].pop("source")
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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(
            f"{path}: cannot be read: {reason}; start from config/lobby.example.yaml"
        ) from error
    document = _parse(path, text)
    try:
        config = Config.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        raise ConfigError(explain(path, document, error, Config)) from error
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
        raise ConfigError(f"--broker {shown}: not a broker; e.g. mqtt://127.0.0.1:1883")
    if "@" in parts.netloc:
        raise ConfigError(
            "--broker: a password on the command line can be read by everybody on this machine;"
            " use a config file with mqtt.username and mqtt.password_file"
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
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(
            f"mqtt.password_file: {path} cannot be read: {reason};"
            " put the password in it, readable by the service's user only"
        ) from error


def _parse(path: Path, text: str) -> Any:
    yaml = YAML(typ="rt", pure=True)
    try:
        document = yaml.load(text)
    except RecursionError as error:
        raise ConfigError(f"{path}:1: not valid YAML: nested too deep") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        problem = " ".join(str(error.problem or error.context).split())
        raise ConfigError(
            f"{path}:{line}: not valid YAML: {problem};"
            " check indentation, colons and brackets here and in the line above"
        ) from error
    except YAMLError as error:
        raise ConfigError(f"{path}:1: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise ConfigError(
            f"{path}:1: must be a list of settings such as `device:`;"
            " start from config/lobby.example.yaml"
        )
    return document
