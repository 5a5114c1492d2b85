"""The lab authority; what its certificates are good for is tested on a real broker."""

import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import lab_ca
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.errors import BadInputError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    lab_ca.init(tmp_path / "ca", now=NOW)
    return tmp_path / "ca"


def certificate(pair):
    return x509.load_pem_x509_certificate(pair.cert.read_bytes())


def purpose(cert):
    return list(cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_device_is_called_what_its_certificate_says(folder):
    cert = certificate(lab_ca.device(folder, "lobby-001", 7, NOW))
    assert cert.subject.rfc4514_string() == "CN=lobby-001"
    assert purpose(cert) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert cert.not_valid_after_utc == NOW + timedelta(days=7)
    assert NOW - timedelta(hours=1) < cert.not_valid_before_utc < NOW
    cert.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()))


def test_a_backend_has_a_name_that_no_device_can_have(folder):
    cert = certificate(lab_ca.backend(folder, "evaluation"))
    assert cert.subject.rfc4514_string() == "CN=backend.evaluation"
    with pytest.raises(BadInputError, match=r"device id 'backend\.evaluation'"):
        lab_ca.device(folder, "backend.evaluation")


def test_a_broker_is_for_names_and_addresses(folder):
    cert = certificate(lab_ca.broker(folder, ["broker.example.org", "192.0.2.7", "::1"]))
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example.org"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7", "::1"]
    assert purpose(cert) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_what_it_issues_cannot_issue(folder):
    constraints = certificate(lab_ca.device(folder, "d")).extensions.get_extension_for_class(
        x509.BasicConstraints
    )
    assert constraints.critical
    assert not constraints.value.ca
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_keys_are_private_from_the_first_byte(folder):
    lab_ca.device(folder, "d")
    lab_ca.broker(folder, ["b"])
    lab_ca.backend(folder, "e")
    keys = list(folder.rglob("*.key"))
    assert len(keys) == 4
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}


@pytest.mark.parametrize(
    "again",
    [
        lab_ca.init,
        lambda folder: lab_ca.broker(folder, ["other"]),
        lambda folder: lab_ca.device(folder, "d"),
        lambda folder: lab_ca.backend(folder, "e"),
    ],
)
def test_nothing_is_ever_overwritten(folder, again):
    lab_ca.device(folder, "d")
    lab_ca.broker(folder, ["b"])
    lab_ca.backend(folder, "e")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(BadInputError, match="there is a key already"):
        again(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("dev", ["", "A", "a/b", "a+", "#", "../a", "a.b", "门", "-a", "a" * 64])
def test_ids_that_cannot_stand_in_a_topic_get_no_certificate(folder, dev):
    with pytest.raises(BadInputError, match="must be 1 to 63 of the characters"):
        lab_ca.device(folder, dev)
    assert not list(folder.rglob("*.key"))[1:]


@pytest.mark.parametrize("host", ["", "a b", "mqtts://a", "a:8883", "*", "门"])
def test_what_is_not_a_host_is_refused(folder, host):
    with pytest.raises(BadInputError, match=r"e\.g\. --host broker\.example\.org"):
        lab_ca.broker(folder, [host])


def run(*arguments):
    return subprocess.run(
        [sys.executable, "scripts/lab_ca.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_says_what_it_made_and_what_is_wrong(tmp_path):
    assert run("init", tmp_path, "--days", "30").returncode == 0
    made = run("device", tmp_path, "lobby-001")
    assert made.stdout.startswith(f"{tmp_path}/devices/lobby-001.pem\n")
    again = run("device", tmp_path, "lobby-001")
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "never overwritten" in again.stderr
    assert "--host: name every host name" in run("broker", tmp_path).stderr
    assert "scripts/lab-ca init" in run("device", tmp_path / "none", "d").stderr
    assert "number from 1 to 3650" in run("init", tmp_path / "x", "--days", "0").stderr
