"""The setup page over real HTTP, beside a real service: what it shows, and what it changes."""

import hashlib
import json
import re
import threading
from base64 import b64encode

import cv2
import numpy as np
import pytest

from edge.adapters.record_reader import read_records
from edge.calibration import path_of
from edge.config import load
from edge.testing import ManualClock
from tests.system.setup_page_device import (
    WALK,
    Running,
    person,
    wait_until,
)

CHINESE = re.compile("[\u4e00-\u9fff]")
TIMES = ["12:05", "12:10"]
MOVED = {"id": "door", "points": [[0.2, 0.7], [0.8, 0.7]], "in": "down"}


@pytest.fixture
def device(tmp_path):
    with Running(tmp_path) as running:
        yield running


def drawings(browser, **changed):
    """What the page would send: what it read, with changes."""
    return browser.get("/api/drawings").json | changed


# --- What it shows ---------------------------------------------------------------------------


def test_live_counts_todays_counts_and_heads_are_shown(device):
    visitor = device.visitor()
    device.see(30)  # over the line, not yet far enough away for good
    during = visitor.get("/api/state").json
    assert during["zones"] == [{"id": "hall", "name": "", "now": 1}]
    device.see(200)
    (line,) = visitor.get("/api/state").json["lines"]
    assert line["live"] == {"in": 1, "out": 0, "uturn": 0}
    assert line["today"] == {"in": 1, "out": 0, "uturn": 0}


def test_todays_counts_survive_a_restart_and_end_at_local_midnight(tmp_path):
    with Running(tmp_path) as first:
        first.see(230)
    clock = ManualClock(first.clock.utc(), first.clock.monotonic())
    with Running(tmp_path, clock=clock) as second:
        assert second.panel.reading().today["door", "in"] == 1
        second.see(230)
        assert second.panel.reading().today["door", "in"] == 2
        assert second.panel.reading().live["door", "in"] == 1
        second.see(step_s=12 * 3600)
        assert second.panel.reading().today.get(("door", "in"), 0) == 0


def test_the_state_in_words_follows_what_happens(device):
    visitor = device.visitor()
    device.see()

    def codes():
        told = visitor.get("/api/state").json
        return [told["state"]["code"], *(problem["code"] for problem in told["problems"])]

    assert codes() == ["no_network", "no_network"]  # nobody listens at the broker's port
    device.see_nothing()
    assert codes() == ["no_camera", "no_camera", "no_network"]
    device.see()
    assert codes() == ["no_network", "no_network"]
    assert "数据已保存" in visitor.get("/api/state").json["state"]["zh"]


def test_the_session_says_whose_page_it_is_and_when_it_ends(device):
    browser = device.browser()
    told = browser.get("/api/session").json
    assert told == {
        "logged_in": False,
        "csrf": None,
        "expires_at": None,
        "device": {"id": "d", "name": "大厅"},
        "still_allowed": False,
        "retry_after_s": None,
    }
    browser.login(device.pin)
    assert browser.get("/api/session").json["expires_at"] == "2026-01-01T04:15:00Z"
    assert browser.post("/api/logout").status == 204
    assert browser.get("/api/state").status == 401


def test_the_privacy_statement_and_the_sign_are_for_everybody(device):
    browser = device.browser()
    chinese, english = browser.get("/privacy"), browser.get("/privacy?lang=en")
    assert (chinese.status, english.status) == (200, 200)
    assert 'lang="zh-CN"' in chinese.body.decode()
    assert 'lang="en"' in english.body.decode()
    assert browser.get("/privacy", accept_language="en-GB,en").body == english.body
    sign = browser.get("/sign").body.decode()
    assert "大厅" in sign
    for answer in (chinese, english, browser.get("/sign")):
        style = answer.body.decode().split("<style>")[1].split("</style>")[0]
        digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"; style-src 'self' 'sha256-{digest}'" in answer.headers["content-security-policy"]


def test_the_line_doctor_looks_at_who_has_passed(device):
    visitor = device.visitor()
    device.see(230)
    told = visitor.get("/api/doctor").json
    assert told["watched_s"] > 20
    (line,) = told["lines"]
    assert line["id"] == "door"
    assert {"code", "zh", "en", "severity"} <= set(line["findings"][0])


def test_the_operator_confirms_the_view(device):
    visitor = device.visitor()
    assert not device.confirmed
    assert visitor.post("/api/view/confirm").status == 204
    assert device.confirmed == [True]
    assert "view confirm: ok" in device.audit()


# --- Stills ----------------------------------------------------------------------------------


def test_no_still_unless_the_config_allows_it(device):
    device.see()
    assert device.visitor().get("/api/still").status == 403
    assert not device.panel._asking


def test_a_still_is_a_coarse_mosaic_made_on_request_within_15_minutes_of_the_login(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)
    with Running(tmp_path, ", still: true") as device:
        visitor, idle = device.visitor(), device.visitor()
        device.see(3, noise)
        assert device.panel._still is None  # nobody asked
        answers = []
        asking = threading.Thread(target=lambda: answers.append(visitor.get("/api/still")))
        asking.start()
        wait_until(lambda: device.panel._asking, "a still asked for")
        device.see(1, noise)
        asking.join()
        (answer,) = answers
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
        picture = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
        height, width = picture.shape[:2]
        assert width <= 320
        blocks = picture.reshape(height // 8, 8, width // 8, 8, 3)
        assert np.array_equal(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape))
        assert device.panel._still is None  # given away, not kept
        assert "still: ok" in device.audit()
        device.clock.advance(14 * 60)
        assert visitor.get("/api/session").json["still_allowed"]
        visitor.get("/api/drawings")  # something is being done
        device.clock.advance(61)
        assert visitor.get("/api/still").status == 403
        assert not visitor.get("/api/session").json["still_allowed"]
        assert idle.get("/api/state").status == 401


# --- Drawing ---------------------------------------------------------------------------------


def test_drawings_are_read_from_the_file_and_written_into_it_with_its_comments(device):
    visitor = device.visitor()
    read = drawings(visitor)
    assert read["lines"][0]["points"] == [[0.2, 0.5], [0.8, 0.5]]
    answer = visitor.ask("PUT", "/api/drawings", read | {"lines": [MOVED]})
    assert answer.status == 200
    assert load(device.file).lines[0].points == ((0.2, 0.7), (0.8, 0.7))
    assert "# the only door" in device.file.read_text("utf-8")
    assert visitor.get("/api/drawings").json["hash"] == answer.json["hash"] != read["hash"]
    assert "drawings write: ok" in device.audit()


def test_drawings_that_began_from_an_older_file_are_not_written(device):
    visitor = device.visitor()
    mine = drawings(visitor, lines=[MOVED])
    text = device.file.read_text("utf-8") + "# by hand, meanwhile\n"
    device.file.write_text(text, "utf-8")
    assert visitor.ask("PUT", "/api/drawings", mine).status == 409
    assert device.file.read_text("utf-8") == text


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [MOVED | {"in": "sideways"}]}, "lines[0].in"),
        ({"lines": [MOVED | {"points": [[0.2, 1.7], [0.8, 0.7]]}]}, "lines[0].points[0][1]"),
        ({"lines": [MOVED, MOVED]}, "lines"),
        ({"lines": [MOVED | {"pioints": 1}]}, "lines[0].pioints"),
        ({"lines": "door"}, "lines"),
        ({"zones": [{"id": "door", "polygon": [[0, 0], [1, 0], [1, 1]]}]}, "zones"),
        ({"masks": [[[0, 0], [1, 1], [1, 0], [0, 1]]]}, "masks"),
        ({"masks": [[[0, 0], [0, 0], [0, 0]]]}, "masks"),
    ],
)
def test_drawings_that_cannot_be_used_are_refused_by_their_place(device, changed, place):
    visitor = device.visitor()
    before = device.file.read_text("utf-8")
    answer = visitor.ask("PUT", "/api/drawings", drawings(visitor, **changed))
    assert answer.status == 422
    assert place in {error["path"] for error in answer.json["errors"]}, answer.json
    assert all(CHINESE.search(error["zh"]) for error in answer.json["errors"]), answer.json
    assert device.file.read_text("utf-8") == before


def test_a_file_that_cannot_be_used_is_not_written_over(device):
    visitor = device.visitor()
    broken = device.file.read_text("utf-8") + "oops: [\n"
    device.file.write_text(broken, "utf-8")
    read = drawings(visitor)
    assert read["lines"][0]["id"] == "door"  # what is in force
    answer = visitor.ask("PUT", "/api/drawings", read)
    assert answer.status == 422
    (error,) = answer.json["errors"]
    assert error["path"] == ""
    assert re.search(r"lobby\.yaml:\d+: not valid YAML", error["text"])
    assert re.fullmatch(r"第 \d+ 行：不是正确的 YAML：.*", error["zh"])
    assert device.file.read_text("utf-8") == broken


def test_what_is_drawn_comes_into_force_and_a_mistake_in_the_file_is_told_by_its_line(tmp_path):
    with Running(tmp_path, watched=True) as device:
        visitor = device.visitor()

        def told():
            device.see()
            return visitor.get("/api/state").json["config"]

        before = told()["hash"]
        visitor.ask("PUT", "/api/drawings", drawings(visitor, lines=[MOVED]))
        drawn = load(device.file).hash()
        wait_until(lambda: told()["hash"] == drawn != before, "the drawn line in force")
        good = device.file.read_text("utf-8")
        device.file.write_text(good.replace("in: down", "in: sideways"), "utf-8")
        (error,) = wait_until(lambda: told()["errors"], "the mistake told")
        assert (error["line"], error["path"]) == (6, "lines[0].in")
        assert error["text"].startswith("must be 'up'")
        assert error["zh"].startswith("只能是 'up'")
        state = visitor.get("/api/state").json["state"]
        assert state["code"] == "config"
        assert told()["hash"] == drawn
        device.file.write_text(good, "utf-8")
        wait_until(lambda: not told()["errors"], "the mistake gone")


# --- Tally mode ------------------------------------------------------------------------------


def passing(people):
    """A script: one after the other walks in."""
    return [detections for _ in range(people) for detections in [*WALK, *[person(-1)] * 40]]


def test_a_tally_survives_a_reload_and_ends_in_the_verdict_of_the_verb(tmp_path):
    people = 4
    with Running(tmp_path, script=passing(people)) as device:
        visitor = device.visitor()
        assert visitor.post("/api/tally/mark", {"direction": "in"}).status == 409
        assert visitor.post("/api/tally/start", {"line": "dor", "by": "王芳"}).status == 422
        started = visitor.post("/api/tally/start", {"line": "door", "by": "王芳"})
        assert (started.status, started.json["running"]) == (200, True)
        assert visitor.post("/api/tally/start", {"line": "door", "by": "x"}).status == 409
        device.see(101 * people + 100)
        for _ in range(people + 1):  # one too many, taken back
            device.clock.advance(0.001)
            visitor.post("/api/tally/mark", {"direction": "in"})
        visitor.post("/api/tally/undo", {})
        other = device.visitor()  # another phone, or the same after a reload
        assert other.get("/api/tally").json["in"] == people
        assert other.get("/api/state").json["tally"]["by"] == "王芳"
        verdict = other.post("/api/tally/stop", {}).json
        # From noon for less than one interval of 5 min: only the next one can be whole.
        for words in (verdict["error"]["zh"], verdict["error"]["en"]):
            assert re.findall(r"\b5 (?=min|分钟)|\d\d:\d\d|--\w+", words) == ["5 ", *TIMES], words
        assert verdict["file"].startswith("tally-door-")
        kept = device.data / verdict["file"]
        assert kept.stat().st_mode & 0o777 == 0o600
        assert not path_of(device.data, "door").exists()


def test_a_tally_that_agrees_calibrates_the_line(tmp_path):
    people = 60
    with Running(tmp_path, script=passing(people)) as device:
        visitor = device.visitor()
        visitor.post("/api/tally/start", {"line": "door", "by": "王芳"})
        for _ in range(people):
            device.see(40)
            visitor.post("/api/tally/mark", {"direction": "in"})
            device.see(61)
        device.see(1)
        device.see(1, step_s=300.0)  # no whole interval more that somebody passed in
        device.see(200)
        answer = visitor.post("/api/tally/stop", {})
        assert answer.status == 200, answer.json
        (line,) = answer.json["lines"]
        record = json.loads(path_of(device.data, "door").read_text("utf-8"))
        records = read_records(device.data / "outbox.sqlite", "t", "d")
        assert sum(r.entered or 0 for r in records) >= line["n"]
        assert (line["verdict"], line["misses"], line["false"]) == ("under_limit", 0, 0)
        assert record["hash"] == line["calibration"]
        assert (record["by"], record["mode"]) == ("王芳", "intervals")
        assert answer.json == visitor.post("/api/tally/stop", {}).json


def test_nobody_tallied_leaves_nothing_behind(device):
    visitor = device.visitor()
    visitor.post("/api/tally/start", {"line": "door", "by": "王芳"})
    assert visitor.post("/api/tally/stop", {}).json["error"]["en"]
    assert not list(device.data.glob("tally-*"))


# --- The page and the service ----------------------------------------------------------------


def test_a_page_that_breaks_does_not_stop_the_counting(device, monkeypatch, capsys):
    visitor = device.visitor()
    monkeypatch.setattr(type(device.panel), "reading", lambda _self: 1 / 0)
    broken = visitor.get("/api/state")
    assert broken.status == 500
    assert "计数不受影响" in broken.json["error"]["zh"]
    assert broken.headers["x-content-type-options"] == "nosniff"
    wait_until(lambda: "setup_page.failed" in capsys.readouterr().out, "it in the log")
    monkeypatch.setattr(device.page._door, "look", lambda: 1 / 0)
    wait_until(lambda: not device.page.listening.is_set(), "the page down")
    device.see(230)
    assert device.pipeline.progress.frames == 230


def test_a_panel_that_breaks_does_not_stop_the_counting(device, monkeypatch):
    monkeypatch.setattr(device.panel, "_book", lambda _booked: 1 / 0)
    device.see(230)
    assert device.pipeline.progress.frames == 230


def test_a_port_that_is_taken_does_not_stop_the_counting(device, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    second = Running(other)
    second.page.port = device.page.port
    second.page.listening.wait = lambda _limit: True
    with second:
        wait_until(lambda: "cannot be listened at" in capsys.readouterr().out, "the reason logged")
        second.see(5)
        assert second.pipeline.progress.frames == 5


def test_the_page_closes_itself_and_opens_when_asked_on_the_device(tmp_path):
    with Running(tmp_path, ", auto_off_min: 5") as device:
        device.clock.advance(4 * 60)
        visitor = device.visitor()
        device.clock.advance(4 * 60)
        told = visitor.get("/api/state").json
        assert told["closes_at"] == "2026-01-01T04:09:00Z"  # a login counts anew
        device.clock.advance(61)
        wait_until(lambda: not device.page.listening.is_set(), "the page closed")
        with pytest.raises(ConnectionRefusedError):
            visitor.get("/")
        assert device.audit()[-1] == "page: closed"
        (device.data / "setup-open").touch()
        assert device.page.listening.wait(10)
        reopened = device.browser()
        reopened.cookie = visitor.cookie
        assert reopened.get("/api/state").status == 401  # all logins have ended with it
        assert not (device.data / "setup-open").exists()


def test_off_by_default_nothing_listens_and_no_pin_is_made(tmp_path):
    (tmp_path / "lobby.yaml").write_text(
        "device: {tenant: t, id: d}\ncamera: {source: /dev/video0}\n"
        "lines: [{id: door, points: [[0.2, 0.5], [0.8, 0.5]], in: down}]\n"
        "records: {data_dir: data, interval_min: 5}\n"
        "mqtt: {host: 127.0.0.1, port: 1, insecure_lab: true}\n",
        "utf-8",
    )
    with Running(tmp_path) as device:
        device.see()
        assert device.page is None
        assert not device.said
        assert "setup-page" not in {thread.name for thread in threading.enumerate()}
        assert not list(device.data.glob("setup-*"))
