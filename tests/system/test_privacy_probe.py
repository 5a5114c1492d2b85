"""The sentinel picture: a product that keeps or tells too much is found out by a run of it."""

import base64
import copy
import json
import os
import shutil

import cv2
import numpy as np
import pytest

from edge.adapters import sentinel
from edge.adapters.lab_broker import available_kinds
from edge.app import OUTBOX_FILE
from edge.config import load
from edge.privacy_findings import looks_of
from edge.privacy_probe import probe
from edge.privacy_verdicts import verdicts
from tests.system.privacy_unit import broken

pytestmark = [
    pytest.mark.skipif(not available_kinds(), reason="needs a broker"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the camera process"),
]
CONFIG = """
device: {tenant: t, id: probed, name: 大厅, clock: rtc}
camera: {source: rtsp://192.0.2.1/live}
lines: [{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}]
mqtt: {host: broker.test, tls: {}}
privacy: {unit: 幸福里街道办事处, purpose: 统计到访人次, contact: 021-12345678}
"""
# A product that breaks every promise that a run can break: patched before it begins.
GOSSIP = """
import sys
if sys.orig_argv[1:4] == ["-m", "edge", "run"]:
    import base64, json, os, pathlib
    from dataclasses import replace
    import cv2
    from edge import messages, service
    kept, take, health = [], service.Service._take, messages.health_message
    def hoard(self, item):
        if hasattr(item, "image"):
            kept.append(item.image.copy())
            if len(kept) == 3:
                scratch = pathlib.Path(os.environ["TMPDIR"], "scratch")
                scratch.write_bytes(item.image.tobytes())
                print("somebody is track 12 now", file=sys.stderr, flush=True)
        take(self, item)
    def tell(*args, **options):
        message = health(*args, **options)
        fields = json.loads(message.payload)
        if kept:
            small = cv2.resize(kept[-1], (160, 90), interpolation=cv2.INTER_AREA)
            fields["note"] = base64.b64encode(cv2.imencode(".jpg", small)[1].tobytes()).decode()
        else:
            fields["looked"] = [0.25, 0.75]
        return replace(message, payload=json.dumps(fields).encode())
    service.Service._take, messages.health_message = hoard, tell
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "lobby.yaml"
    file.write_text(CONFIG, "utf-8")
    return load(file)


@pytest.fixture(scope="module")
def honest(config, tmp_path_factory):
    """What is found in a run of the product as it is."""
    return probe(config, tmp_path_factory.mktemp("probe"), seed=1)


@pytest.fixture
def spoilt(honest, tmp_path):
    """A copy of it that a test may spoil."""
    shutil.copytree(honest.folder, tmp_path / "probe")
    found = copy.copy(honest)
    found.folder, found.messages = tmp_path / "probe", list(honest.messages)
    found.copies = [list(look) for look in honest.copies]
    return found


def guilty(found):
    return broken(verdicts(looks_of(found, OUTBOX_FILE)))


def test_the_product_keeps_and_tells_nothing_of_the_sentinel(honest):
    assert honest.code == 0, honest.log
    assert guilty(honest) == (set(), "")
    assert len(honest.copies) >= 2
    # It is looked for while it is there: in the shared memory, in the decoder, and once more.
    assert all(1 <= len(set(look)) <= 3 for look in honest.copies)
    assert max(honest.copies[-1]) > 16, "more than two seconds after the first picture"


def test_a_product_that_breaks_what_a_run_can_break_is_found_out(config, tmp_path, monkeypatch):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "sitecustomize.py").write_text(GOSSIP, "utf-8")
    path = f"{tmp_path}/inside{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    monkeypatch.setenv("PYTHONPATH", path)
    (tmp_path / "probe").mkdir()
    found = probe(config, tmp_path / "probe", seed=2)
    assert found.code == 0, found.log
    promises, text = guilty(found)
    assert promises == {
        "pictures-not-stored", "pictures-not-sent", "pictures-forgotten", "tracks-stay",
        "places-stay",
    }, text  # fmt: skip
    assert "tmp/scratch: raw BGR" in text
    assert "/health: JPEG in base64" in text  # told as it is: base64 is not decoded
    assert "health.looked: a list of numbers" in text


def test_copies_that_stay_are_found_out(spoilt):
    spoilt.copies.append([3, 30])
    assert guilty(spoilt) == ({"pictures-forgotten"}, "a picture stayed for 3.4 s")
    spoilt.copies[-1] = [30, 30, 30, 29]
    assert guilty(spoilt) == ({"pictures-forgotten"}, "4 copies of pictures in memory")


def encoded(ending, scale=1.0, mode="BGR"):
    def make(picture):
        size = (round(sentinel.WIDTH * scale), round(sentinel.HEIGHT * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return cv2.imencode(ending, small if mode == "L" else cv2.merge([small] * 3))[1].tobytes()

    return make


OF_THE_SENTINEL = {
    "raw grey", "raw BGR", "one row in hex", "rows in base64", "NumPy", "JPEG", "small grey JPEG",
    "PNG", "half WEBP", "BMP thumbnail",
}  # fmt: skip
FORMS = {
    "raw grey": lambda p: b"junk" + p.tobytes(),
    "raw BGR": lambda p: cv2.merge([p] * 3).tobytes()[5:],
    "one row in hex": lambda p: p[180, 300:400].tobytes().hex().encode(),
    "rows in base64": lambda p: base64.b64encode(b"x" + cv2.merge([p] * 3)[170:190].tobytes()),
    "NumPy": lambda p: b"\x93NUMPY\x01\x00" + p.tobytes(),
    "JPEG": encoded(".jpg"),
    "small grey JPEG": encoded(".jpg", 0.25, "L"),
    "PNG": encoded(".png"),
    "half WEBP": encoded(".webp", 0.5),
    "BMP thumbnail": encoded(".bmp", 0.1),
    "JPEG in base64": lambda p: base64.b64encode(encoded(".jpg", 0.5)(p)),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_sentinel_is_found_in_every_form(spoilt, form):
    content = FORMS[form](spoilt.sentinel.grey[7])
    (spoilt.folder / "cwd" / "x").write_bytes(content)
    promises, text = guilty(spoilt)
    assert promises == {"pictures-not-stored"}, text
    assert "cwd/x: " in text
    assert ("of the sentinel" in text) is (form in OF_THE_SENTINEL)


def test_pictures_of_others_are_not_taken_for_the_sentinel(honest):
    rng = np.random.default_rng(5)
    other = rng.integers(0, 255, (360, 640), dtype=np.uint8)
    clip = cv2.VideoCapture("tests/data/vtest.mp4")
    real = cv2.cvtColor(clip.read()[1], cv2.COLOR_BGR2GRAY)
    assert not honest.sentinel.is_like(other)
    assert not honest.sentinel.is_like(real)
    assert honest.sentinel.is_like(cv2.resize(honest.sentinel.grey[9], (64, 36)))


@pytest.mark.parametrize(
    ("leaf", "change", "promise"),
    [
        ("counts", {"thumbnail": "…"}, "pictures-not-sent"),
        ("counts", {"note": "x" * 5000}, "pictures-not-sent"),
        ("counts", {"faces": 3}, "nobody-recognised"),
        ("health", {"track_id": 7}, "tracks-stay"),
        ("health", {"trajectory": []}, "places-stay"),
        ("status", {"state": [0.1, 0.2]}, "places-stay"),
        ("info", {"interval_s": 60}, "intervals-coarse"),
        ("privacy", {"purpose": "advertising"}, "statement-true"),
        ("privacy", {"mode": "production"}, "statement-true"),
        ("privacy", {"transport": "tls"}, "transport-safe"),
    ],
)
def test_a_message_that_says_something_else_is_found_out(spoilt, leaf, change, promise):
    at = max(k for k, (topic, _) in enumerate(spoilt.messages) if topic.endswith(f"/{leaf}"))
    topic, payload = spoilt.messages[at]
    changed = json.loads(payload) | change
    spoilt.messages[at] = topic, json.dumps(changed).encode()
    promises, text = guilty(spoilt)
    assert promises == {promise}, text


@pytest.mark.parametrize(
    ("answer", "promise"),
    [
        (("/api/still", 200, "image/png", b"\x89PNG\r\n\x1a\n"), "pictures-not-sent"),
        (("/api/state", 200, "application/json", None), "pictures-not-sent"),
        (("/api/still", 200, "application/json", b"{}"), "setup-closed"),
    ],
)
def test_a_page_that_shows_a_picture_is_found_out(spoilt, answer, promise):
    path, status, kind, body = answer
    row = spoilt.sentinel.grey[5, 180, 300:400].tobytes()
    raw = b'{"x":"' + base64.b64encode(row) + b'"}' if body is None else body
    spoilt.answers = [*spoilt.answers, (path, status, kind, raw)]
    promises, text = guilty(spoilt)
    assert promises == {promise}, text
    assert f"GET {path}" in text


def test_the_page_was_looked_at_without_and_with_a_login(honest):
    answered = {}
    for path, status, _, _ in honest.answers:
        answered.setdefault(path, []).append(status)
    assert answered["/"] == answered["/privacy"] == answered["/sign"] == [200, 200]
    assert answered["/api/login"] == [204]
    for path in ("/api/state", "/api/drawings", "/api/doctor", "/api/tally"):
        assert answered[path] == [401, 200], path
    assert answered["/api/still"] == [401, 403]


def test_a_file_beside_the_data_folder_is_found_out(spoilt):
    (spoilt.folder / "home" / ".cache").write_text("x", "utf-8")
    assert guilty(spoilt) == ({"files-in-place"}, "home/.cache")


def test_a_run_that_fails_or_cannot_be_looked_into_is_never_passed(spoilt):
    spoilt.code = 1
    outcomes = {str(v.outcome) for v in verdicts(looks_of(spoilt, OUTBOX_FILE))}
    assert outcomes == {"not run"}
    spoilt.code, spoilt.closed, spoilt.messages = 0, "Permission denied", None
    outcomes = {v.promise.id: str(v.outcome) for v in verdicts(looks_of(spoilt, OUTBOX_FILE))}
    assert outcomes["pictures-forgotten"] == outcomes["pictures-not-sent"] == "not run"
    assert outcomes["statement-true"] == "not run"
