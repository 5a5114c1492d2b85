"""The connections that provisioning writes, read by NetworkManager's own tool.

`nmcli --offline` makes a file of what is meant, and another of ours: they have to be the same.
"""

import shutil
import subprocess

import pytest

from edge.provision_file import NetworkSection
from edge.provision_network import keyfiles

WIFI, CABLE = "lobbycount-wifi.nmconnection", "lobbycount-ethernet.nmconnection"

SAYS_NOTHING = {"addr-gen-mode=default", "[proxy]"}
"""What only `add` writes, without changing anything."""

needs_nmcli = pytest.mark.skipif(
    shutil.which("nmcli") is None, reason="needs nmcli 1.38 or newer, of Debian's network-manager"
)


def written(**network):
    return keyfiles(NetworkSection.model_validate(network))


def nmcli(*words, stdin=""):
    """Return the sections of the file that nmcli makes."""
    done = subprocess.run(
        ["nmcli", "--offline", "connection", *words],
        input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line and line not in SAYS_NOTHING]
    return [line for line in lines if not line.startswith(("uuid=", "id="))]


def read_by_it(text):
    return nmcli("modify", "connection.autoconnect", "yes", stdin=text)


@needs_nmcli
@pytest.mark.parametrize(
    "name",
    ["office", "幸福里 办公室", "a;b", " 5G;", "65;66;", "0x41", "back\\slash", '"q"', "007"],
)
def test_a_wireless_name_is_understood_as_it_is_meant(name):
    text = written(wifi={"ssid": name, "password": "password-1"})[WIFI]
    secret = ("wifi-sec.key-mgmt", "wpa-psk", "wifi-sec.psk", "password-1")
    assert read_by_it(text) == nmcli("add", "type", "wifi", "ssid", name, *secret)


@needs_nmcli
@pytest.mark.parametrize(
    "password",
    ["12345678", "wi;fi#1 = x", "back\\slash\\n", "  two before", '"quoted";', "p$w%d&!'(){}[]"],
)
def test_a_password_is_understood_as_it_is_meant(password):
    text = written(wifi={"ssid": "office", "password": password, "hidden": True})[WIFI]
    meant = nmcli(
        "add", "type", "wifi", "ssid", "office", "wifi.hidden", "yes",
        "wifi-sec.key-mgmt", "wpa-psk", "wifi-sec.psk", password,
    )  # fmt: skip
    assert read_by_it(text) == meant
    assert "hidden=true" in meant


@needs_nmcli
def test_an_address_of_its_own_is_understood_as_it_is_meant():
    dns = ["192.168.1.1", "223.5.5.5"]
    cable = {"address": "192.168.1.20/24", "gateway": "192.168.1.1", "dns": dns}
    meant = nmcli(
        "add", "type", "ethernet", "ipv4.method", "manual", "ipv4.addresses", "192.168.1.20/24",
        "ipv4.gateway", "192.168.1.1", "ipv4.dns", " ".join(dns),
    )  # fmt: skip
    assert read_by_it(written(ethernet=cable)[CABLE]) == meant


def test_a_semicolon_is_not_escaped_and_a_name_that_is_not_plain_is_bytes():
    """Where there is no nmcli: with `psk=a\\;b` it would take the whole password for none."""
    lines = written(wifi={"ssid": "a;é", "password": " a\\;bcdefg"})[WIFI].splitlines()
    assert "ssid=97;59;195;169;" in lines
    assert "psk=\\sa\\\\;bcdefg" in lines


def test_without_a_section_networkmanager_does_as_it_always_does():
    assert written() == {WIFI: None, CABLE: None}
