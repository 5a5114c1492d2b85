"""The sections of the config file, one model each; what is drawn is in `config_drawings`.

Every setting has an example that works: it is what an operator reads when theirs does not.
"""

from collections.abc import Mapping, Sequence
from datetime import date, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edge.config_drawings import Outline, Section, Slug, daily_windows
from edge.counting import CountingSettings
from edge.errors import SettingError
from edge.geometry import crosses_itself
from edge.hours import Hours
from edge.providers import Provider
from edge.vocabulary import Anchor, DailyWindow, Point
from edge.zones import ZoneSettings


def _from_config_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


ConfigPath = Annotated[Path, AfterValidator(_from_config_folder)]


def find_time_zone(name: str) -> tzinfo:
    """Find a time zone by its IANA name. Raises SettingError when that is not possible."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
    if not known:
        raise SettingError(
            f"time zone {name!r} cannot be looked up, this machine has no time zone data;"
            " install it, e.g. sudo apt install tzdata",
            f"查不到时区 {name!r}，本机没有时区数据；请安装，例如 sudo apt install tzdata",
        )
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "e.g. time_zone: Asia/Shanghai"
    hint_zh = f"是不是 {close[0]!r}？" if close else "例如 time_zone: Asia/Shanghai"
    raise SettingError(
        f"{name!r} is not the name of a time zone; {hint}", f"{name!r} 不是时区名称；{hint_zh}"
    )


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
        find_time_zone(name)
        return name


class CameraSection(Section):
    """Where pictures come from."""

    source: str = Field(min_length=1, examples=["/dev/video0"])
    fps: float = Field(default=8.0, ge=1.0, le=30.0, examples=[8])
    person_height: float | None = Field(default=None, ge=0.03, le=1.0, examples=[0.4])
    masks: tuple[Outline, ...] = Field(default=(), examples=[[[[0, 0], [0.2, 0], [0.2, 0.3]]]])
    watch: bool = Field(default=True, examples=[True])
    """Whether a covered, dark, blurred, frozen or moved view is found and said."""

    @field_validator("source", mode="before")
    @classmethod
    def _where(cls, value: Any, info: ValidationInfo) -> Any:
        if (type(value) is int and value >= 0) or (isinstance(value, str) and value.isdecimal()):
            return f"/dev/video{value}"
        if isinstance(value, str) and value and "://" not in value:
            return str(_from_config_folder(Path(value), info))
        if isinstance(value, str) and "://" in value and not value.startswith(("rtsp:", "rtsps:")):
            raise SettingError(
                "only rtsp:// and rtsps:// addresses can be read;"
                " e.g. source: rtsp://192.168.1.64:554/stream, /dev/video0 or clip.mp4",
                "只能读取 rtsp:// 和 rtsps:// 地址；"
                "例如 source: rtsp://192.168.1.64:554/stream、/dev/video0 或 clip.mp4",
            )
        return value

    @field_validator("masks")
    @classmethod
    def _mask_hides_an_area(cls, masks: Sequence[Sequence[Point]]) -> Any:
        if any(len(set(mask)) < 3 for mask in masks):
            raise SettingError(
                "a mask needs at least three different points, e.g. [[0, 0], [0.2, 0], [0.2, 0.3]]",
                "遮挡区至少要有三个不同的点，例如 [[0, 0], [0.2, 0], [0.2, 0.3]]",
            )
        if any(crosses_itself(mask) for mask in masks):
            raise SettingError(
                "the outline of a mask crosses itself, so a part would stay visible;"
                " give its corners in order, e.g. [[0, 0], [0.2, 0], [0.2, 0.3], [0, 0.3]]",
                "遮挡区的边线自相交，会有一部分遮不住；请按顺序写各个角，"
                "例如 [[0, 0], [0.2, 0], [0.2, 0.3], [0, 0.3]]",
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
            raise SettingError(
                "cert and key belong together; give both, e.g. cert: device.pem, key: device.key",
                "cert 和 key 必须一起填写，例如 cert: device.pem, key: device.key",
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
            raise SettingError(
                "password_file without username would not be used; add e.g. username: lobby-001",
                "只有 password_file 而没有 username，密码不会被使用；"
                "请加上用户名，例如 username: lobby-001",
            )
        if self.tls is None and not self.insecure_lab:
            raise SettingError(
                "no tls section: records would travel in plain text;"
                " add tls: {ca: /etc/lobbycount/ca.pem} or, in a lab only, insecure_lab: true",
                "没有 tls，数据会明文传输；请加上 tls: {ca: /etc/lobbycount/ca.pem}，"
                "仅试验时可写 insecure_lab: true",
            )
        return self


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DayHours = Annotated[tuple[str, ...], Field(max_length=12)]


class HoursSection(Section):
    """When the doors are open, on the clock of device.time_zone; people are counted always."""

    weekly: dict[Weekday, DayHours] = Field(
        examples=[{"mon": ["09:00-12:00", "13:30-17:00"], "sat": ["09:00-12:00"]}]
    )
    closed: tuple[date, ...] = Field(default=(), max_length=366, examples=[["2026-10-01"]])
    special: dict[date, DayHours] = Field(
        default={}, max_length=366, examples=[{"2026-10-10": ["09:00-17:00"]}]
    )
    """Days with hours of their own, e.g. a Saturday that is a working day (调休)."""

    @field_validator("weekly", "special")
    @classmethod
    def _are_times_of_day(cls, days: Mapping[Any, Sequence[str]]) -> Any:
        for day, texts in days.items():
            try:
                daily_windows(texts)
            except SettingError as error:
                raise SettingError(f"{day}: {error.en}", f"{day}：{error.zh}") from error
            if not texts and isinstance(day, date):
                raise SettingError(
                    f"{day}: has no hours; put it into closed: [{day}]",
                    f"{day}：没有开放时段；全天不开放请写入 closed: [{day}]",
                )
        return days

    @model_validator(mode="after")
    def _closed_or_special(self) -> Self:
        both = sorted(set(self.closed) & set(self.special))
        if both:
            raise SettingError(
                f"{both[0]} is in closed and in special; take it out of one of the two",
                f"{both[0]} 同时写在 closed 和 special 中；请从其中一处删去",
            )
        return self

    def hours(self, time_zone: tzinfo) -> Hours:
        """Return the hours as they are asked."""
        weekly = tuple(daily_windows(self.weekly.get(day, ())) for day in get_args(Weekday))
        special = {day: daily_windows(texts) for day, texts in self.special.items()}
        return Hours(time_zone, weekly, {**special, **dict.fromkeys(self.closed, ())})


class HealthSection(Section):
    """Who on this machine may watch it; nobody by default."""

    prometheus_port: int | None = Field(default=None, ge=1024, le=65535, examples=[9464])


class SetupPageSection(Section):
    """The page of the device itself, for drawing lines; off by default."""

    enabled: bool = Field(default=False, examples=[True])
    network: Literal["this-device", "lan"] = Field(default="this-device", examples=["this-device"])
    port: int = Field(default=8090, ge=1024, le=65535, examples=[8090])
    auto_off_min: int = Field(default=60, ge=5, le=1440, examples=[60])
    """It closes itself so long after the start of the service or the last login."""
    still: bool = Field(default=False, examples=[True])
    """Whether it may show a mosaic of the picture, 40 blocks wide, for 15 min after a login."""


Written = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class PrivacySection(Section):
    """What a visitor is told: who answers for this device, and what for. See docs/privacy.md."""

    mode: Literal["lab", "production"] = Field(default="lab", examples=["production"])
    """In production `run` wants the installer's acknowledgement and a broker with TLS."""
    unit: Written = Field(default="", examples=["幸福里街道办事处"])
    purpose: Written = Field(default="", examples=["统计到访人次，改进服务"])
    contact: Written = Field(default="", examples=["021-12345678"])

    @model_validator(mode="after")
    def _production_is_answered_for(self) -> Self:
        if self.mode == "production":
            missing = [name for name in ("unit", "purpose", "contact") if not getattr(self, name)]
            if missing:
                example = (
                    "unit: 幸福里街道办事处, purpose: 统计到访人次，改进服务, contact: 021-12345678"
                )
                raise SettingError(
                    f"mode: production needs {', '.join(missing)} too: visitors read them on the"
                    f" sign, e.g. {example}",
                    f"正式使用还须填写 {'、'.join(missing)}（责任单位、目的、联系方式，"
                    f"印在告示上），例如 {example}",
                )
        return self


class UpdatesSection(Section):
    """New versions of the program over MQTT; off by default. See docs/updates-mqtt.md."""

    over_mqtt: bool = Field(default=False, examples=[True])
    """Whether a signed bundle may come over the configured broker, in pieces that are asked for."""
    hours: DayHours = Field(default=(), examples=[["02:00-05:00"]])
    """When it may come and be installed, on the clock of device.time_zone; none: always."""
    max_mb: float = Field(default=32.0, ge=1.0, le=1000.0, examples=[32])
    kb_per_s: float = Field(default=32.0, ge=1.0, le=10_000.0, examples=[32])
    """How fast it may come, in thousands of bytes a second."""
    folder: ConfigPath = Field(
        default=Path("/var/lib/lobbycount/update"), examples=["/var/lib/lobbycount/update"]
    )
    """Where the installing side waits for it; one for all services of a machine."""

    @field_validator("hours")
    @classmethod
    def _are_times_of_day(cls, texts: Sequence[str]) -> Any:
        daily_windows(texts)
        return texts

    def windows(self) -> tuple[DailyWindow, ...]:
        """Return the hours as they are asked."""
        return daily_windows(self.hours)
