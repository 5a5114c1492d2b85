"""The bundle's format: a golden one, and every way of tampering with it."""

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.device_key import DeviceKey
from edge.errors import UpdateError
from edge.sealing import canonical
from edge.updating.acceptance import Here, expect_acceptable
from edge.updating.bundle import (
    MANIFEST,
    SIGNATURE,
    bytes_of,
    expect_whole,
    key_id,
    read_signed,
    read_wheels,
    sign,
    write_bundle,
)
from edge.updating.manifest import Manifest, Wheel, manifest_bytes, parse_manifest
from edge.updating.words import Code, refusal, words

GOLDEN = Path("tests/contract/golden/update")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYS = {key_id(KEY.public_key()): KEY.public_key()}
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
CONTENTS = {
    "lobbycount-0.2.0-py3-none-any.whl": b"our own wheel" * 50,
    "numpy-2.4.6-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl": b"n" * 512,
    "h11-0.16.0-py3-none-any.whl": b"left out",
}
WHEELS = [
    Wheel(name, len(content), hashlib.sha256(content).hexdigest(), not name.startswith("h11"))
    for name, content in CONTENTS.items()
]
MADE = Manifest(
    "0.2.0", "0.1.0", "2026-11-27T20:00:00Z", "aarch64", "3.11", "0123456789abcdef", 3, WHEELS
)


def bundle_of(content, *, key=KEY, signature=None):
    """Return a bundle's bytes for the bytes of a manifest."""
    out = io.BytesIO()
    carried = [(wheel, [CONTENTS[wheel.name]]) for wheel in MADE.carried]
    write_bundle(out, content, signature or sign(content, DeviceKey(key)), carried)
    return out.getvalue()


BUNDLE = bundle_of(manifest_bytes(MADE))


def read(bundle, keys=KEYS):
    file = io.BytesIO(bundle)
    signed = read_signed(file, keys)
    expect_whole(file, signed.manifest)
    return signed


def code_of(act, *arguments, **options):
    with pytest.raises(UpdateError) as caught:
        act(*arguments, **options)
    return caught.value.code


def test_the_golden_manifest_and_signature_are_read_and_made_the_same():
    golden = (GOLDEN / MANIFEST).read_bytes().rstrip(b"\n")
    signature = (GOLDEN / SIGNATURE).read_bytes().rstrip(b"\n")
    assert manifest_bytes(MADE) == golden
    assert sign(golden, DeviceKey(KEY)) == signature
    assert read(bundle_of(golden, signature=signature)).manifest == MADE


def test_a_bundle_is_read_back():
    signed = read(BUNDLE)
    assert signed.manifest == MADE
    assert signed.key in KEYS
    assert [wheel.name for wheel in signed.manifest.carried] == list(CONTENTS)[:2]
    sizes = len(manifest_bytes(MADE)), len(sign(manifest_bytes(MADE), DeviceKey(KEY)))
    assert bytes_of(MADE, *sizes) == len(BUNDLE)


def test_its_wheels_come_out_as_they_went_in():
    out = {}

    class Kept(io.BytesIO):
        def close(self):
            self.content = self.getvalue()
            super().close()

    file = io.BytesIO(BUNDLE)
    manifest = read_signed(file, KEYS).manifest
    read_wheels(file, manifest, lambda wheel: out.setdefault(wheel.name, Kept()))
    assert {name: kept.content for name, kept in out.items()} == dict(list(CONTENTS.items())[:2])


def test_any_tar_lists_it():
    with tarfile.open(fileobj=io.BytesIO(BUNDLE)) as tar:
        assert tar.getnames() == [MANIFEST, SIGNATURE, *list(CONTENTS)[:2]]


@given(st.integers(0, len(BUNDLE) - 1), st.integers(1, 255))
def test_any_byte_that_is_changed_is_refused(position, change):
    tampered = bytearray(BUNDLE)
    tampered[position] ^= change
    assert code_of(read, bytes(tampered)) in {"tampered", "not_a_bundle", "unknown_key"}


@given(st.integers(0, len(BUNDLE) - 1))
def test_a_bundle_that_is_cut_off_is_refused(length):
    assert code_of(read, BUNDLE[:length]) in {"tampered", "not_a_bundle"}


def test_what_follows_the_end_is_refused():
    assert code_of(read, BUNDLE + b"\0") == "tampered"


@given(st.binary(max_size=3000))
def test_anything_else_is_no_bundle(content):
    assert code_of(read, content) == "not_a_bundle"


def test_keys_that_are_not_trusted_are_named():
    assert code_of(read, BUNDLE, {}) == "no_keys"
    assert code_of(read, bundle_of(manifest_bytes(MADE), key=OTHER)) == "unknown_key"


def test_a_signature_of_another_key_under_a_trusted_name_is_refused():
    content = manifest_bytes(MADE)
    sig = sign(content, DeviceKey(OTHER)).replace(
        key_id(OTHER.public_key()).encode(), key_id(KEY.public_key()).encode()
    )
    assert code_of(read, bundle_of(content, signature=sig)) == "tampered"


def test_a_signature_has_one_form():
    content = manifest_bytes(MADE)
    signature = sign(content, DeviceKey(KEY)).replace(b":", b": ")
    assert code_of(read, bundle_of(content, signature=signature)) == "not_a_bundle"


def test_a_signature_made_for_something_else_does_not_fit():
    content = manifest_bytes(MADE)
    sig = KEY.sign(content).hex()
    signature = canonical({"key": key_id(KEY.public_key()), "sig": sig}).encode()
    assert code_of(read, bundle_of(content, signature=signature)) == "tampered"


def with_tar(change):
    """Return the bundle's members packed again by tarfile, changed by name."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(BUNDLE)) as old,
        tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in old.getmembers():
            content = old.extractfile(member).read()
            for info, body in change(member, content):
                new.addfile(info, io.BytesIO(body) if body is not None else None)
    return out.getvalue()


def traversal(member, content):
    if member.name.startswith("numpy"):
        member.name = "../../etc/cron.d/numpy"
    return [(member, content)]


def absolute(member, content):
    if member.name.startswith("lobbycount"):
        member.name = "/etc/passwd"
    return [(member, content)]


def symlink(member, content):
    if not member.name.startswith("numpy"):
        return [(member, content)]
    link = tarfile.TarInfo(member.name)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
    return [(link, None)]


def hard_link(member, content):
    link = tarfile.TarInfo("more.whl")
    link.type, link.linkname = tarfile.LNKTYPE, MANIFEST
    return [(member, content), (link, None)]


def twice(member, content):
    return [(member, content), (member, content)]


def one_more(member, content):
    more = tarfile.TarInfo("evil-1.0-py3-none-any.whl")
    more.size = 4
    return [(member, content), (more, b"evil")]


def a_device(member, content):
    member.type = tarfile.CHRTYPE
    return [(member, None)]


def a_manifest_without_end(member, content):
    if member.name == MANIFEST:
        content += b" " * (300 * 1024)
        member.size = len(content)
    return [(member, content)]


TRICKS = [
    traversal, absolute, symlink, hard_link, twice, one_more, a_device, a_manifest_without_end,
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_tricks_with_a_tar_are_refused(trick):
    assert code_of(read, with_tar(trick)) in {"tampered", "not_a_bundle"}


def test_a_size_that_is_a_lie_is_not_believed():
    lie = BUNDLE[:124] + b"77777777777\0" + BUNDLE[136:]

    class Counted(io.BytesIO):
        most = 0

        def read(self, size=-1):
            self.most = max(self.most, size)
            return super().read(size)

    file = Counted(lie)
    assert code_of(read_signed, file, KEYS) == "not_a_bundle"
    assert file.most <= 512


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"program": "another"}, "program"),
        ({"version": "new"}, "version 'new'"),
        ({"requires": None}, "requires"),
        ({"machine": "armv7l"}, "machine"),
        ({"python": "2.7"}, "python"),
        ({"data_format": True}, "data_format"),
        ({"wheels": []}, "wheels"),
        ({"wheels": [{"name": "lobbycount"}]}, "wheels"),
        ({"built": "yesterday"}, "built"),
    ],
)
def test_a_manifest_that_says_what_is_not_known_is_refused(change, said):
    fields = {**json.loads(manifest_bytes(MADE)), **change}
    with pytest.raises(UpdateError, match=said) as caught:
        parse_manifest(canonical(fields).encode())
    assert caught.value.code == "format"


@pytest.mark.parametrize(
    "name",
    ["../lobbycount-1-py3-none-any.whl", "lobbycount-1.tar.gz", "a/b-1-py3-none-any.whl", ""],
)
def test_a_wheel_is_a_file_name(name):
    wheels = [replace(WHEELS[0], name=name)]
    assert code_of(manifest_bytes, replace(MADE, wheels=wheels)) == "format"


def test_the_same_package_twice_is_refused():
    again = replace(WHEELS[1], name="NumPy-2.4.5-py3-none-any.whl")
    assert code_of(manifest_bytes, replace(MADE, wheels=[*WHEELS, again])) == "format"


def test_fields_that_are_not_known_are_read_over():
    fields = {**json.loads(manifest_bytes(MADE)), "notes": "of a newer builder"}
    assert parse_manifest(canonical(fields).encode()) == MADE


HERE = Here("aarch64", "3.11", version="0.1.0", highest="0.1.0", data_format=3)


@pytest.mark.parametrize(
    ("here", "code"),
    [
        ({"machine": "x86_64"}, "platform"),
        ({"python": "3.13"}, "platform"),
        ({"version": "0.2.0"}, "not_newer"),
        ({"version": "0.2"}, "not_newer"),
        ({"version": "0.3.0", "highest": "0.3.0"}, "downgrade"),
        ({"highest": "0.2.0"}, "downgrade"),  # taken back by hand, and not to come by itself
        ({"version": "0.0.9", "highest": "0.0.9"}, "requires"),
        ({"data_format": 2}, "data_format"),
    ],
)
def test_what_is_not_for_this_device_is_refused(here, code):
    expect_acceptable(MADE, HERE)
    assert code_of(expect_acceptable, MADE, replace(HERE, **here)) == code


def test_an_older_version_is_taken_only_when_somebody_says_so():
    here = replace(HERE, version="0.3.0", highest="0.3.0")
    assert code_of(expect_acceptable, MADE, here) == "downgrade"
    expect_acceptable(MADE, here, allow_older=True)


@pytest.mark.parametrize("code", Code)
def test_every_reason_has_its_sentence_in_both_languages(code):
    zh, en = words(code, "what", "here")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)
    assert en.isascii()
    assert "{" not in zh + en
    error = refusal(code, "what", "here")
    assert (error.code, str(error)) == (str(code), en)
    assert zh in error.told
