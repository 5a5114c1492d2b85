"""The file an installer edits on the boot partition: its shape."""

import re
from ipaddress import IPv4Address, IPv4Interface
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from edge.config_drawings import Section
from edge.config_sections import (
    CameraSection,
    DeviceSection,
    HoursSection,
    PrivacySection,
    SetupPageSection,
)
from edge.errors import SettingError

_SPENT = re.compile(r"used-*")
_PEM = "-----BEGIN CERTIFICATE-----"


class WifiSection(Section):
    """A wireless network with a password of its own (WPA2 or WPA3 personal)."""

    ssid: str = Field(min_length=1, max_length=32, examples=["centre-office"])
    password: str = Field(min_length=8, max_length=63, examples=["at least 8 characters"])
    hidden: bool = Field(default=False, examples=[True])
    """It does not say its name by itself."""

    @field_validator("ssid", "password")
    @classmethod
    def _can_be_sent(cls, text: str) -> str:
        if not text.isprintable() or len(text.encode()) > 63:
            raise SettingError(
                "has characters that cannot be typed, or too many; type it again",
                "有无法输入的字符，或太长；请重新输入",
            )
        return text

    @field_validator("ssid")
    @classmethod
    def _is_short(cls, text: str) -> str:
        if len(text.encode()) > 32:
            raise SettingError(
                "has more than 32 bytes (a Chinese character has 3), e.g. ssid: office",
                "超过 32 字节（一个汉字占 3 字节），例如 ssid: office",
            )
        return text


class EthernetSection(Section):
    """An address that does not come from the network itself."""

    address: IPv4Interface = Field(examples=["192.168.1.20/24"])
    gateway: IPv4Address = Field(examples=["192.168.1.1"])
    dns: tuple[IPv4Address, ...] = Field(default=(), max_length=3, examples=[["192.168.1.1"]])

    @field_validator("address", mode="before")
    @classmethod
    def _has_a_length(cls, address: object) -> object:
        try:
            found = IPv4Interface(str(address))
        except ValueError:
            found = None
        if found is None or "/" not in str(address):
            raise SettingError(
                "must be an IPv4 address and the length of its network, most often /24,"
                " e.g. address: 192.168.1.20/24",
                "必须是 IPv4 地址和网段长度，多数是 /24（即 255.255.255.0），"
                "例如 address: 192.168.1.20/24",
            )
        return found

    @field_validator("gateway", mode="before")
    @classmethod
    def _is_an_address(cls, address: object) -> object:
        try:
            return IPv4Address(str(address))
        except ValueError:
            raise SettingError(
                "must be an IPv4 address, e.g. gateway: 192.168.1.1",
                "必须是 IPv4 地址，例如 gateway: 192.168.1.1",
            ) from None

    @model_validator(mode="after")
    def _gateway_is_near(self) -> Self:
        if self.gateway not in self.address.network:
            raise SettingError(
                f"the gateway {self.gateway} is not in the network {self.address.network};"
                " e.g. address: 192.168.1.20/24, gateway: 192.168.1.1",
                f"网关 {self.gateway} 不在网段 {self.address.network} 内；"
                "例如 address: 192.168.1.20/24, gateway: 192.168.1.1",
            )
        return self


class NetworkSection(Section):
    """How it is connected; without this section by cable, with an address from the network."""

    wifi: WifiSection | None = None
    ethernet: EthernetSection | None = None


class BrokerSection(Section):
    """Where records go, and the authority that vouches for it."""

    host: str = Field(min_length=1, max_length=253, examples=["broker.example.org"])
    port: int = Field(default=8883, ge=1, le=65535, examples=[8883])
    ca: str = Field(examples=["ca.pem"])
    """The name of a file beside this one, or the certificate itself."""

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+:[0-9A-Fa-f:.]+", host):
            raise SettingError(
                "is the name or address alone, e.g. host: broker.example.org; the port goes behind"
                " port:",
                "只写名称或地址，例如 host: broker.example.org；端口写在 port: 后面",
            )
        return host

    @field_validator("ca")
    @classmethod
    def _file_or_text(cls, text: str) -> str:
        if not text.lstrip().startswith(_PEM) and (not text or re.search(r"[/\\\n]|^\.", text)):
            raise SettingError(
                "must be the name of a file beside provision.yaml, e.g. ca: ca.pem,"
                f" or the certificate itself, from {_PEM} on",
                f"必须是 provision.yaml 旁边的文件名，例如 ca: ca.pem，或证书全文，从 {_PEM} 开始",
            )
        return text


class EnrolmentSection(Section):
    """Where the device asks for its certificate, with a word that is good for once."""

    url: str = Field(max_length=300, examples=["https://broker.example.org:8443/enrol"])
    token: str = Field(default="", examples=["the one of tokens.csv"])

    @field_validator("token")
    @classmethod
    def _is_whole(cls, token: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9-]{16,100}|", token):
            raise SettingError(
                "is no token: 16 to 100 letters, digits and '-' are expected; copy the whole of it",
                "不是令牌：应为 16 至 100 个字母、数字和 '-'；请完整复制",
            )
        return token

    @field_validator("url")
    @classmethod
    def _is_https(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            good = parts.scheme == "https" and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good or "@" in url or not url.isascii():
            raise SettingError(
                "must be an https address, e.g. https://broker.example.org:8443/enrol",
                "必须是 https 地址，例如 https://broker.example.org:8443/enrol",
            )
        return url


class Provision(Section):
    """The whole file."""

    device: DeviceSection = Field(examples=[{"tenant": "street-office-1", "id": "lobby-001"}])
    camera: CameraSection = Field(examples=[{"source": "rtsp://192.168.1.64:554/stream"}])
    network: NetworkSection = NetworkSection()
    broker: BrokerSection = Field(examples=[{"host": "broker.example.org", "ca": "ca.pem"}])
    enrolment: EnrolmentSection | None = None
    """Without it the request goes by a file, see docs/provisioning.md."""
    privacy: PrivacySection | None = None
    hours: HoursSection | None = None
    setup_page: SetupPageSection | None = None

    @property
    def token(self) -> str:
        """The one-time token; empty where there is none or it has been used."""
        token = self.enrolment.token if self.enrolment else ""
        return "" if _SPENT.fullmatch(token) else token
