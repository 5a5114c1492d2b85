"""The device's key: made once, kept to its owner, never written over."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.adapters.device_key import KEY_FILE, open_key, read_key
from edge.errors import DeviceKeyError


def test_the_first_start_makes_a_key_that_every_later_one_finds(tmp_path: Path) -> None:
    first = open_key(tmp_path)
    text = (tmp_path / KEY_FILE).read_bytes()
    assert text.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    second = open_key(tmp_path)
    assert second.public_key == first.public_key == read_key(tmp_path).public_key
    assert (tmp_path / KEY_FILE).read_bytes() == text
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_two_devices_have_two_keys_and_sign_with_them(tmp_path: Path) -> None:
    keys = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keys.append(open_key(tmp_path / name))
    assert keys[0].public_key != keys[1].public_key
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(keys[0].public_key))
    public.verify(keys[0].sign(b"head"), b"head")


def refusal(folder: Path) -> str:
    with pytest.raises(DeviceKeyError) as caught:
        open_key(folder)
    sentence = str(caught.value)
    assert str(folder / KEY_FILE) in sentence
    assert "\n" not in sentence
    return sentence


def x25519() -> bytes:
    return X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\nMC4C", b"\x00" * 99, None])
def test_a_damaged_key_is_explained_and_left_alone(tmp_path: Path, text: bytes | None) -> None:
    damaged = x25519() if text is None else text
    path = tmp_path / KEY_FILE
    path.write_bytes(damaged)
    path.chmod(0o600)
    assert "not an Ed25519 key" in refusal(tmp_path)
    assert path.read_bytes() == damaged


def test_half_a_key_is_explained(tmp_path: Path) -> None:
    open_key(tmp_path)
    path = tmp_path / KEY_FILE
    path.write_bytes(path.read_bytes()[:60])
    assert "not an Ed25519 key" in refusal(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_read_or_write_is_not_used(tmp_path: Path, mode: int) -> None:
    open_key(tmp_path)
    (tmp_path / KEY_FILE).chmod(mode)
    assert f"its mode is {mode:o}" in refusal(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o400)
    open_key(tmp_path)


def test_a_folder_or_a_dangling_link_in_its_place_is_explained_and_left_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "a" / KEY_FILE).mkdir(parents=True)
    assert "directory" in refusal(tmp_path / "a")
    (tmp_path / KEY_FILE).symlink_to(tmp_path / "nowhere")
    assert "No such file" in refusal(tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_not_there_is_explained(tmp_path: Path) -> None:
    assert "cannot be made" in refusal(tmp_path / "none")
    with pytest.raises(DeviceKeyError, match="No such file"):
        read_key(tmp_path / "none")


def test_a_start_that_was_cut_short_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "device.key.new").write_bytes(b"-----BEGIN PRI")
    open_key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_the_umask_does_not_matter(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        open_key(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_key_is_on_the_disk_before_it_has_its_name(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    folder = tmp_path / "data"
    folder.mkdir()
    script = "import sys; from pathlib import Path; from edge.adapters.device_key import open_key;"
    script += "open_key(Path(sys.argv[1]))"
    calls = "trace=openat,fsync,link,linkat"
    subprocess.run(
        ["strace", "-f", "-y", "-e", calls, "-o", trace, sys.executable, "-c", script, folder],
        check=True,
        timeout=60,
    )
    said = [line for line in trace.read_text().splitlines() if str(folder) in line]
    steps = [re.sub(r"^\d+ +", "", line) for line in said]
    kinds = [re.match(r"\w+", step)[0].replace("linkat", "link") for step in steps]
    made = next(step for step in steps if "device.key.new" in step)
    assert "O_EXCL" in made
    assert "0600" in made
    link = kinds.index("link")
    assert "fsync" in kinds[:link]
    assert "fsync" in kinds[link:]
