"""The config file: its shape, and what is said when it is wrong.

Every problem is one line, `file:line: path: what is wrong; what is allowed, e.g. …`,
and all problems of a file are told at once.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from edge.config_errors import explain, without_password
from edge.counting import CountingSettings
from edge.errors import ConfigError
from edge.geometry import crosses_itself
from edge.vocabulary import Anchor, Line, Point


def _from_config_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


ConfigPath = Annotated[Path, AfterValidator(_from_config_folder)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Direction = Literal["up", "down", "left", "right"]

_HEADING: dict[str, Point] = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
_MIN_ANGLE_SINE = 0.17  # 10 degrees: below it the word does not say which side is meant


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class DeviceSection(_Section):
    """Who this device is."""

    tenant: Slug = Field(examples=["street-office-1"])
    id: Slug = Field(examples=["lobby-001"])
    name: str = Field(default="", max_length=120, examples=["幸福里党群服务中心 大厅"])


class CameraSection(_Section):
    """Where pictures come from."""

    source: str = Field(min_length=1, examples=["/dev/video0"])
    fps: float = Field(default=8.0, ge=1.0, le=30.0, examples=[8])
    masks: tuple[tuple[tuple[Share, Share], ...], ...] = Field(
        default=(), examples=[[[[0, 0], [0.2, 0], [0.2, 0.3]]]]
    )

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


class ModelSection(_Section):
    """Which detector looks."""

    name: str = Field(default="nanodet-g-416-int8", examples=["nanodet-g-416-int8"])
    folder: ConfigPath | None = None
    threads: int = Field(default=2, ge=1, le=16, examples=[2])


class LineSection(_Section):
    """One counting line."""

    id: Slug = Field(examples=["door"])
    name: str = Field(default="", max_length=120, examples=["大门"])
    points: tuple[tuple[Share, Share], ...] = Field(examples=[[[0.2, 0.6], [0.8, 0.6]]])
    entry: Direction = Field(alias="in", examples=["down"])

    @model_validator(mode="after")
    def _has_two_sides(self) -> Self:
        if len(self.points) < 2 or any(
            a == b for a, b in zip(self.points, self.points[1:], strict=False)
        ):
            raise ValueError(
                "a line needs at least two different points, e.g. [[0.2, 0.6], [0.8, 0.6]]"
            )
        if abs(self._sine()) < _MIN_ANGLE_SINE:
            allowed = "left or right" if self.entry in {"up", "down"} else "up or down"
            raise ValueError(
                f"people moving {self.entry} walk along this line, not over it;"
                f" draw it across their way or use {allowed}"
            )
        return self

    def _sine(self) -> float:
        (x0, y0), (x1, y1) = self.points[0], self.points[-1]
        dx, dy = x1 - x0, y1 - y0
        length = float((dx * dx + dy * dy) ** 0.5)
        heading = _HEADING[self.entry]
        return (dx * heading[1] - dy * heading[0]) / length if length else 0.0

    def line(self) -> Line:
        """Return the line for the counter, with its entry side as a sign."""
        return Line(self.id, self.points, 1 if self._sine() > 0 else -1, self.name)


class CountingSection(_Section):
    """The crossing rule."""

    anchor: Anchor = Field(default=Anchor.BOTTOM_CENTRE, examples=["bottom-centre"])
    dead_band_heights: float = Field(default=0.10, ge=0.0, le=0.5, examples=[0.1])
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


class RecordsSection(_Section):
    """What is kept and published."""

    interval_min: Literal[5, 10, 15, 20, 30, 60] = Field(default=15, examples=[15])
    data_dir: ConfigPath = Path("/var/lib/lobbycount")


class TlsSection(_Section):
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


class MqttSection(_Section):
    """Where records go."""

    host: str = Field(min_length=1, examples=["broker.example.org"])
    port: int = Field(default=8883, ge=1, le=65535, examples=[8883])
    tls: TlsSection | None = None
    username: str | None = None
    password_file: ConfigPath | None = None
    insecure_lab: bool = Field(default=False, examples=[False])

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


class Config(_Section):
    """The whole file."""

    device: DeviceSection = Field(examples=[{"tenant": "street-office-1", "id": "lobby-001"}])
    camera: CameraSection = Field(examples=[{"source": "/dev/video0"}])
    model: ModelSection = ModelSection()
    lines: tuple[LineSection, ...] = Field(
        min_length=1,
        max_length=32,
        examples=[[{"id": "door", "points": [[0.2, 0.6], [0.8, 0.6]], "in": "down"}]],
    )
    counting: CountingSection = CountingSection()
    records: RecordsSection = RecordsSection()
    mqtt: MqttSection = Field(
        examples=[{"host": "broker.example.org", "tls": {"ca": "/etc/lobbycount/ca.pem"}}]
    )

    @field_validator("lines")
    @classmethod
    def _ids_differ(cls, lines: tuple[LineSection, ...]) -> Any:
        ids = [line.id for line in lines]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"the id {twice[0]!r} is used twice; every line needs its own")
        return lines

    def hash(self) -> str:
        """Return 12 hex digits of what this file says about the counting."""
        relevant = self.model_dump(mode="json", include={"camera", "lines", "counting", "records"})
        relevant["camera"].pop("source")
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
