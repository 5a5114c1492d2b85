"""Key files for NetworkManager, see its nm-settings-keyfile(5)."""

import re
from uuid import NAMESPACE_URL, uuid5

from edge.provision_file import EthernetSection, NetworkSection, WifiSection

_NAMES = ("lobbycount-wifi", "lobbycount-ethernet")


def keyfiles(network: NetworkSection) -> dict[str, str | None]:
    """Return each of our connections by its file's name; None: it shall not be there."""
    wifi, ethernet = network.wifi, network.ethernet
    texts = (_wifi(wifi) if wifi else None, _ethernet(ethernet) if ethernet else None)
    return {f"{name}.nmconnection": text for name, text in zip(_NAMES, texts, strict=True)}


def _wifi(wifi: WifiSection) -> str:
    hidden = "hidden=true\n" if wifi.hidden else ""
    return (
        _connection(_NAMES[0], "wifi")
        + f"\n[wifi]\nmode=infrastructure\nssid={_octets(wifi.ssid)}\n{hidden}"
        + f"\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={_escaped(wifi.password)}\n"
        + "\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
    )


def _ethernet(ethernet: EthernetSection) -> str:
    dns = f"dns={';'.join(map(str, ethernet.dns))};\n" if ethernet.dns else ""
    return (
        _connection(_NAMES[1], "ethernet")
        + f"\n[ipv4]\nmethod=manual\naddress1={ethernet.address},{ethernet.gateway}\n{dns}"
        + "\n[ipv6]\nmethod=auto\n"
    )


def _connection(name: str, kind: str) -> str:
    uuid = uuid5(NAMESPACE_URL, f"lobbycount:{name}")
    return f"[connection]\nid={name}\nuuid={uuid}\ntype={kind}\nautoconnect=true\n"


def _octets(text: str) -> str:
    """Write a name as bytes, unless it is plain: text and lists have rules of their own there."""
    if re.fullmatch("[A-Za-z0-9._-]*[A-Za-z._-][A-Za-z0-9._-]*", text):
        return text
    return "".join(f"{octet};" for octet in text.encode())


def _escaped(text: str) -> str:
    """Write a text as GLib's key files want it. A semicolon stays: escaped, all is refused."""
    text = text.replace("\\", "\\\\")
    bare = text.lstrip(" ")
    return "\\s" * (len(text) - len(bare)) + bare
