"""The parts of `scripts/image` that need no image; the build itself is run by hand."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from imaging import card, received, sbom, timestamps

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin"
MKE2FS, SFDISK = (which(name, path=SYSTEM_PATH) for name in ("mke2fs", "sfdisk"))
GROW = SCRIPTS / "imaging" / "root" / "usr" / "local" / "sbin" / "lobbycount-grow"
MIB = 2**20


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--variant", "jetson"], "--variant: must be virt or pi, not 'jetson'; e.g."),
        (["--variant"], "the last option needs a value; e.g."),
        (["--pulls", "many"], "--pulls: must be a number, not 'many'; e.g."),
        (["--out", ""], "--out: must be a folder; e.g."),
        (["--boot", "--variant", "pi"], "--boot: only the virt variant boots here"),
        (["--flash"], "--flash: no such option; e.g."),
        (
            ["--update-key", __file__],
            f"--update-key: must be a public key in a file *.pem, not '{__file__}'",
        ),
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
    arrived = [record(1, 2, 2), record(2, 3, 5), record(2, 3, 5)]
    assert received.verdict(arrived, {("s", 1), ("s", 2)}) == []


@pytest.mark.parametrize(
    ("arrived", "stored", "told"),
    [
        ([record(1, 2, 2), record(3, 1, 3)], set(), "never arrived: [2]"),
        ([record(1, 2, 2)], {("s", 1), ("s", 2)}, "on the card and never arrived: [('s', 2)]"),
        ([record(1, 2, 2), record(1, 3, 3)], set(), "s/1 arrived twice and differs"),
        ([record(1, 2, 2), record(2, 1, 9)], set(), "s/2: tot_in is not the sum"),
    ],
)
def test_a_lost_or_changed_record_is_told(arrived, stored, told):
    assert any(told in fault for fault in received.verdict(arrived, stored))


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """An image with the partition table of the virt variant, its root 8 MiB, and nothing in it."""
    if SFDISK is None or MKE2FS is None:
        pytest.skip("needs the Debian packages fdisk and e2fsprogs")
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{SYSTEM_PATH}")
    image = tmp_path / "disk.img"
    image.touch()
    os.truncate(image, (1 + 256 + 8 + 1536 + 1024 + 1) * MIB)
    table = subprocess.run(
        ["bash", "-c", f"VARIANT=virt; . {SCRIPTS}/imaging/disk.sh; partition_table 8"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    subprocess.run([SFDISK, "--quiet", image], input=table, check=True)
    return image


def test_the_data_partition_is_the_last_one_so_that_it_can_grow(disk):
    assert card.data_partition(disk) == ((1 + 256 + 8 + 1536) * MIB, 1024 * MIB)


def test_a_data_partition_that_did_not_grow_is_told(disk, tmp_path):
    data = tmp_path / "data.img"
    data.touch()
    os.truncate(data, 1024 * MIB)
    subprocess.run([MKE2FS, "-q", "-t", "ext4", data], check=True)
    assert card.not_grown(disk, data) == []
    os.truncate(disk, disk.stat().st_size + 512 * MIB)
    (told,) = card.not_grown(disk, data)
    assert told == f"the data partition ends at {2825 * MIB} of {3338 * MIB} bytes"
    grown = ["--quiet", "--no-reread", "--no-tell-kernel", "-N", "4"]  # as lobbycount-grow says it
    assert " ".join(grown[:3]) in GROW.read_text()
    subprocess.run([SFDISK, *grown, disk], input=b", +", check=True)
    (told,) = card.not_grown(disk, data)
    assert told == f"the data file system has {1024 * MIB} of the {1537 * MIB} bytes there are"


def test_only_a_partition_can_grow():
    done = subprocess.run([GROW, "/dev/null"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/dev/null is no partition, e.g. /dev/mmcblk0p4" in done.stderr


@pytest.fixture
def product(tmp_path):
    """Run functions of product.sh on an empty tree, and return the tree."""
    tree = tmp_path / "tree"
    (tree / "opt/lobbycount/a/bin").mkdir(parents=True)
    (tree / "etc/systemd/system").mkdir(parents=True)
    (tree / "etc/udev/rules.d").mkdir(parents=True)

    def run(commands):
        head = f"set -euo pipefail; PATH=$PATH:{SYSTEM_PATH}; ROOT={SCRIPTS.parent} TREE={tree}"
        source = f"{head}; . {SCRIPTS}/imaging/product.sh; {commands}"
        subprocess.run(["bash", "-c", source], check=True)
        return tree

    return run


def test_the_slots_are_laid_out_as_the_installer_and_the_updater_expect(product):
    home = product("put_to_use $TREE/opt/lobbycount") / "opt/lobbycount"
    links = {path.name: str(path.readlink()) for path in home.iterdir() if path.is_symlink()}
    assert links == {"current": "a", "confirmed": "a", "bin": "current/bin"}
    assert (home / "a" / ".source").read_text().endswith(" 3.11")


def test_units_start_at_boot_unless_they_wait_for_a_name(product):
    units = product("install_units") / "etc/systemd/system"
    assert (units / "lobbycount@.service").is_file()
    wanted = {path.name for path in units.glob("*.wants/*")}
    assert {"lobbycount.service", "lobbycount-provision.service"} <= wanted
    assert not [name for name in wanted if "@" in name]
    assert all(path.resolve().is_file() for path in units.glob("*.wants/*"))


def test_only_the_keys_that_were_given_are_trusted(product, tmp_path):
    key = tmp_path / "release.pem"
    key.write_text("-----BEGIN PUBLIC KEY-----\n")
    put = f"UPDATE_KEYS=({key}); install_update_keys; UPDATE_KEYS=(); "
    keys = product(put) / "opt/lobbycount/update-keys"
    assert [path.name for path in keys.iterdir()] == ["release.pem"]
    product("UPDATE_KEYS=(); install_update_keys")
    assert list(keys.iterdir()) == []
