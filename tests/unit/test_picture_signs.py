"""Pictures are known by their bytes, and nothing else is taken for one."""

import base64
import sqlite3
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.adapters.stored import _PART, picture_of
from edge.picture_signs import picture_in
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

NOISE = np.random.default_rng(3).integers(0, 255, (90, 160, 3), dtype=np.uint8)
ENDINGS = {
    ".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".tiff": "TIFF",
    ".jp2": "JPEG 2000", ".ppm": "PPM",
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_opencv_writes_is_known(ending):
    content = cv2.imencode(ending, NOISE)[1].tobytes()
    assert picture_in(content) == ENDINGS[ending]


@pytest.mark.parametrize(
    ("name", "code", "format_"),
    [("x.avi", "MJPG", "AVI"), ("x.mp4", "mp4v", "MP4"), ("x.mkv", "FFV1", "Matroska")],
)
def test_videos_are_known(tmp_path, name, code, format_):
    path = tmp_path / name
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 5.0, (160, 90))
    for _ in range(3):
        writer.write(NOISE)
    writer.release()
    assert picture_of(path) is not None
    found = {picture_in(path.read_bytes()[:200])}
    assert found == {format_}


def test_a_bare_h264_stream_is_known():
    stream = (
        b"\0\0\0\1\x67\x42\xc0\x1e\xd9\x00\xa0\x47\xfe\x88\0\0\0\1\x68\xce\x3c\x80\0\0\1\x65\x88"
    )
    assert picture_in(stream) == "H.264"


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_text_forms_are_known(ending):
    content = cv2.imencode(ending, NOISE)[1].tobytes()
    name = ENDINGS[ending]
    assert picture_in(b'{"a":"' + base64.b64encode(content) + b'"}') == f"{name} in base64"
    if ending != ".webp":
        assert picture_in(content.hex().encode()) == f"{name} in hex"


@pytest.mark.parametrize("at", [0, 5, _PART - 2, _PART, 2 * _PART - 5, 2 * _PART + 100])
def test_a_picture_is_found_wherever_it_is_in_a_file(tmp_path, at):
    path = tmp_path / "x"
    path.write_bytes(b"\0" * at + cv2.imencode(".png", NOISE)[1].tobytes())
    assert picture_of(path) == "PNG"


def test_a_real_outbox_is_not_taken_for_a_picture(tmp_path):
    counts = {Outcome.IN: 3, Outcome.OUT: 2, Outcome.UTURN: 0}
    path = tmp_path / "outbox.sqlite"
    with closing(SqliteOutbox(path, "lobby-a")) as outbox:
        for part in range(20):
            outbox.append(
                [
                    CountBucket("door", n, n + 900_000, counts, 1.0, None, TimeQuality.NTP,
                                Provenance("c", "m"))
                    for n in range(part * 200, part * 200 + 200)
                ]
            )  # fmt: skip
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA page_count").fetchone()[0] > 360, "inner pages are there"
    assert picture_of(path) is None


def test_texts_and_noise_are_not_taken_for_pictures():
    texts = [*Path("tests/contract/golden").glob("*.*"), *Path("docs").glob("*.md")]
    for path in [*texts, *Path().glob("requirements*.lock")]:
        assert picture_in(path.read_bytes()) is None, path
    # Four bytes in a row are met by chance once in 600 MB.
    assert picture_in(np.random.default_rng(8).bytes(1 << 20)) is None
