"""The last look at a bundle: nothing but text, and no secret in any dress."""

from base64 import b64encode

import cv2
import numpy as np
import pytest

from edge.adapters.bundle_file import pack, unpack
from edge.bundle_scan import found_in
from edge.redaction import Secret

SECRET = Secret("mqtt.password", "S3cret:Mqtt!")


def picture(ending):
    return cv2.imencode(ending, np.zeros((40, 40, 3), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (".jpg", "a JPEG picture"),
        (".png", "a PNG picture"),
        (".bmp", "a bitmap"),
        (".tiff", "a TIFF picture"),
        (".webp", "a WebP picture or an AVI film"),
        (".ppm", "a bitmap"),
    ],
)
def test_a_picture_is_found_whole_inside_text_and_in_base64(ending, kind):
    raw = picture(ending)
    assert f"log.txt: {kind}" in found_in({"log.txt": raw}, [])
    if kind != "a bitmap":  # too short a sign to look for inside of text
        assert f"log.txt: {kind}" in found_in({"log.txt": b"some text\n" + raw}, [])
    if ending in {".jpg", ".png", ".webp"}:
        assert "log.txt: a picture in base64" in found_in({"log.txt": b64encode(raw)}, [])


@pytest.mark.parametrize(
    "dressed",
    [
        "x S3cret:Mqtt! y",
        "S3cret%3AMqtt%21",
        b"S3cret:Mqtt!".hex(),
        b64encode(b"S3cret:Mqtt!").decode(),
        b64encode(b"lobby-001:S3cret:Mqtt!").decode(),
        b64encode(b"a-longer-name:S3cret:Mqtt!").decode(),
        b64encode(b"ab:S3cret:Mqtt!").decode(),
    ],
)
def test_a_secret_is_found_in_every_dress_and_is_not_told(dressed):
    found = found_in({"about.json": b"{}", "log.txt": f"… {dressed} …".encode()}, [SECRET])
    assert found == ["log.txt: the secret of mqtt.password"]


@pytest.mark.parametrize(
    "content", [b"-----BEGIN PRIVATE KEY-----\nMC4", b"SQLite format 3\0", b"\xff\xfe", b"a\0b"]
)
def test_a_key_a_database_and_what_is_no_text_are_found(content):
    assert found_in({"x": content}, [])


def test_plain_text_with_other_words_passes():
    text = "计数 9, RIFF and ftyp and PRIVATE KEY are words, S3cret Mqtt, BM\n".encode()
    assert found_in({"log.txt": text}, [SECRET, Secret("short", "9")]) == []


def test_the_same_parts_make_the_same_bytes_in_the_order_given():
    parts = {"b.txt": "二\n", "a.txt": "1\n"}
    content = pack(parts)
    assert content == pack(parts)
    assert list(unpack(content).items()) == [("b.txt", "二\n".encode()), ("a.txt", b"1\n")]
