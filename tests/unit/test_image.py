"""The parts of `scripts/image` that need no image; the build itself is run by hand."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from imaging import boot, sbom, timestamps

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
MKE2FS = which("mke2fs", path="/usr/sbin:/sbin:/usr/bin")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--variant", "jetson"], "--variant: must be virt or pi, not 'jetson'; e.g."),
        (["--variant"], "the last option needs a value; e.g."),
        (["--pulls", "many"], "--pulls: must be a number, not 'many'; e.g."),
        (["--out", ""], "--out: must be a folder; e.g."),
        (["--boot", "--variant", "pi"], "--boot: only the virt variant boots here"),
        (["--flash"], "--flash: no such option; e.g."),
    ],
)
def test_a_wrong_option_is_told_with_one_that_works(arguments, told):
    done = subprocess.run(
        [SCRIPTS / "image", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {told}")


def test_a_debian_package_is_named_by_version_architecture_and_source():
    (component,) = sbom.debian_components("libssl3\t3.0.17-1~deb12u3\tarm64\topenssl\n")
    assert component["purl"] == (
        "pkg:deb/debian/libssl3@3.0.17-1~deb12u3?arch=arm64&distro=bookworm"
    )
    assert component["properties"] == [{"name": "debian:source", "value": "openssl"}]


def test_a_line_that_is_no_package_is_told_by_its_number():
    with pytest.raises(ValueError, match=r"packages\.tsv:2: must be name, version"):
        sbom.debian_components("a\t1\tarm64\ta\nb\t1\tarm64\t\n")


def test_a_python_package_has_its_licence():
    component = sbom.python_component(
        "Metadata-Version: 2.4\nName: paho_mqtt\nVersion: 2.2.0\nLicense-Expression: EPL-2.0\n\n"
    )
    assert component["purl"] == "pkg:pypi/paho-mqtt@2.2.0"
    assert component["licenses"] == [{"expression": "EPL-2.0"}]


def test_the_same_tree_has_the_same_bill_in_any_order():
    parts = sbom.debian_components("b\t1\tarm64\tb\na\t1\tarm64\ta\n")
    assert sbom.bill("x", parts, 0) == sbom.bill("x", parts[::-1], 0)
    assert sbom.bill("x", parts, 0) != sbom.bill("x", parts[:1], 0)
    assert sbom.bill("x", parts, 0)["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"


@pytest.mark.skipif(MKE2FS is None, reason="needs the Debian package e2fsprogs")
def test_every_inode_in_use_gets_the_date(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{Path(MKE2FS).parent}")
    tree, image = tmp_path / "tree", tmp_path / "image"
    (tree / "folder").mkdir(parents=True)
    (tree / "folder" / "file").write_text("x")
    image.write_bytes(b"")
    subprocess.run([MKE2FS, "-q", "-t", "ext4", "-d", tree, image, "2M"], check=True)
    timestamps.main(str(image), "1000000000")
    shown = subprocess.run(
        [Path(MKE2FS).parent / "debugfs", "-R", "stat folder/file", image],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    dates = [line for line in shown.splitlines() if "time: 0x" in line]
    assert len(dates) == 4
    assert all("time: 0x3b9aca00:00000000" in line for line in dates)


def record(seq, entered, total, stream="s"):
    return {"stream": stream, "seq": seq, "line": "door", "in": entered, "tot_in": total}


def test_records_that_all_arrived_are_nothing_to_tell():
    received = [record(1, 2, 2), record(2, 3, 5), record(2, 3, 5)]
    assert boot.verdict(received, {("s", 1), ("s", 2)}) == []


@pytest.mark.parametrize(
    ("received", "card", "told"),
    [
        ([record(1, 2, 2), record(3, 1, 3)], set(), "never arrived: [2]"),
        ([record(1, 2, 2)], {("s", 1), ("s", 2)}, "on the card and never arrived: [('s', 2)]"),
        ([record(1, 2, 2), record(1, 3, 3)], set(), "s/1 arrived twice and differs"),
        ([record(1, 2, 2), record(2, 1, 9)], set(), "s/2: tot_in is not the sum"),
    ],
)
def test_a_lost_or_changed_record_is_told(received, card, told):
    assert any(told in fault for fault in boot.verdict(received, card))
