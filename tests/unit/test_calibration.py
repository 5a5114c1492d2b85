import json

import pytest
from structlog.testing import capture_logs

from edge.audit import Mode, Row, judge
from edge.calibration import (
    DAY_MS,
    Calibration,
    Conditions,
    calibration_record,
    check_writable,
    hash_of,
    path_of,
    write,
)
from edge.errors import OutboxError
from edge.tally_times import utc_ms
from edge.vocabulary import Outcome

NOW = utc_ms("2026-03-02T01:15:00Z")
HERE = Conditions("dev-1", "cfg-1", "model-1", "view-1")


def record(errors=1, n=100, **changes):
    options = {
        "mode": Mode.EVENTS,
        "line": "door",
        "audited_ms": (NOW - 1000, NOW),
        "by": "王芳",
        "evidence": {"tallies": ["0" * 12]},
        "now_ms": NOW,
        "valid_days": 10,
    }
    judgement = judge([Row("door", Outcome.IN, n, n - errors, errors, 0)])
    return calibration_record(HERE, judgement, **options | changes)


def cal(folder, conditions=HERE, now_ms=NOW):
    with capture_logs() as logs:
        cals = Calibration(folder, ["door"], conditions).cals(now_ms)
    (log,) = logs
    assert log["line"] == "door"
    return cals.get("door"), log.get("reason")


def test_the_record_holds_what_was_found():
    found = record()
    assert found["hash"] == hash_of(found)
    assert len(found["hash"]) == 12
    assert (found["n"], found["misses"], found["false"]) == (100, 1, 0)
    assert found["interval"] == [0.0017, 0.0545]  # rounded outwards
    assert (found["verdict"], found["needed"]) == ("under_limit", 93)
    assert (found["when"], found["expires"]) == ("2026-03-02T01:15:00Z", "2026-03-12T01:15:00Z")
    assert (found["by"], found["cfg"], found["model"]) == ("王芳", "cfg-1", "model-1")
    assert found["view"] == "view-1"


def test_another_auditor_is_another_hash():
    assert record()["hash"] != record(by="李强")["hash"]


def test_of_intervals_it_says_that_errors_are_the_least():
    assert (record()["at_least"], record(mode=Mode.INTERVALS)["at_least"]) == (False, True)


def test_a_valid_record_gives_its_hash(tmp_path):
    write(tmp_path, record())
    assert cal(tmp_path) == (record()["hash"], None)
    assert [p.name for p in tmp_path.iterdir()] == ["calibration-door.json"]


@pytest.mark.parametrize(
    ("conditions", "now_ms", "reason"),
    [
        (
            Conditions("dev-1", "cfg-2", "model-1", "view-1"),
            NOW,
            "the config changed since the audit of",
        ),
        (
            Conditions("dev-1", "cfg-1", "model-2", "view-1"),
            NOW,
            "the model changed since the audit of",
        ),
        (
            Conditions("dev-1", "cfg-1", "model-1", "view-2"),
            NOW,
            "the camera changed since the audit of",
        ),
        (Conditions("dev-2", "cfg-1", "model-1", "view-1"), NOW, "is of another device, dev-1"),
        (HERE, NOW + 10 * DAY_MS, "expired on 2026-03-12T01:15:00Z"),
    ],
)
def test_it_ends_when_something_changes_and_says_why(tmp_path, conditions, now_ms, reason):
    write(tmp_path, record())
    found, why = cal(tmp_path, conditions, now_ms)
    assert found is None
    assert reason in why


def test_it_is_valid_to_its_last_millisecond(tmp_path):
    write(tmp_path, record())
    assert cal(tmp_path, now_ms=NOW + 10 * DAY_MS - 1)[0] == record()["hash"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"{}", b"[" * 100_000, b"null", b'{"hash": NaN, "expires": NaN}'],
)
def test_a_damaged_record_is_none(tmp_path, content):
    path_of(tmp_path, "door").write_bytes(content)
    found, why = cal(tmp_path)
    assert found is None
    assert "changed after the audit or is damaged" in why


@pytest.mark.parametrize("field", ["misses", "by", "expires", "cfg", "verdict"])
def test_a_record_edited_by_hand_is_none(tmp_path, field):
    write(tmp_path, record() | {field: "2099-01-01T00:00:00Z"})
    found, why = cal(tmp_path)
    assert found is None
    assert "changed after the audit" in why


def test_a_record_without_an_end_is_none(tmp_path):
    endless = {k: v for k, v in record().items() if k != "expires"}
    write(tmp_path, endless | {"hash": hash_of(endless)})
    assert cal(tmp_path)[0] is None


def test_never_audited(tmp_path):
    assert cal(tmp_path) == (None, "this line was never audited; see `lobbycount audit --help`")


def test_the_log_says_it_once_per_change(tmp_path):
    write(tmp_path, record())
    calibration = Calibration(tmp_path, ["door"], HERE)
    with capture_logs() as logs:
        for now_ms in (NOW, NOW + 1, NOW + 10 * DAY_MS, NOW + 11 * DAY_MS):
            calibration.cals(now_ms)
        write(tmp_path, record(now_ms=NOW + 10 * DAY_MS))
        calibration.cals(NOW + 11 * DAY_MS)
    assert [log["event"] for log in logs] == [
        "calibration.valid",
        "calibration.none",
        "calibration.valid",
    ]


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OutboxError, match="run the audit on the device as the user of the"):
        write(tmp_path / "none", record())
    with pytest.raises(OutboxError, match="there is no such folder"):
        check_writable(tmp_path / "none")
    check_writable(tmp_path)


def test_people_can_read_it(tmp_path):
    text = write(tmp_path, record()).read_text("utf-8")
    assert '"by": "王芳"' in text
    assert json.loads(text) == record()


@pytest.mark.parametrize(
    ("errors", "n", "verdict"), [(0, 58, "open"), (30, 100, "over_limit"), (1, 1, "open")]
)
def test_only_an_audit_that_was_passed_gives_a_cal(tmp_path, errors, n, verdict):
    write(tmp_path, record(errors, n))
    found, why = cal(tmp_path)
    assert found is None
    assert why.endswith(f"was not passed, its verdict is {verdict}")


def test_a_failed_audit_ends_what_an_earlier_one_allowed(tmp_path):
    write(tmp_path, record())
    write(tmp_path, record(errors=30))
    assert cal(tmp_path)[0] is None


def test_every_line_has_its_own(tmp_path):
    door = record()
    write(tmp_path, door)
    path_of(tmp_path, "copied").write_text(path_of(tmp_path, "door").read_text("utf-8"), "utf-8")
    with capture_logs() as logs:
        cals = Calibration(tmp_path, ["door", "side", "copied"], HERE).cals(NOW)
    assert cals == {"door": door["hash"]}
    reasons = {log["line"]: log.get("reason") for log in logs}
    assert "never audited" in reasons["side"]
    assert "is of another line, door" in reasons["copied"]
