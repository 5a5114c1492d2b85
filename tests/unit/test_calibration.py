import json

import pytest
from structlog.testing import capture_logs

from edge.audit import Mode, Row, judge
from edge.calibration import (
    DAY_MS,
    FILE_NAME,
    Calibration,
    Conditions,
    calibration_record,
    hash_of,
    write,
)
from edge.errors import OutboxError
from edge.tally import utc_ms
from edge.vocabulary import Outcome

NOW = utc_ms("2026-03-02T01:15:00Z")
HERE = Conditions("dev-1", "cfg-1", "model-1")


def record(**changes):
    options = {
        "mode": Mode.EVENTS,
        "lines": ["door"],
        "audited_ms": (NOW - 1000, NOW),
        "by": "王芳",
        "evidence": {"tally": "0" * 12},
        "now_ms": NOW,
        "valid_days": 10,
    }
    judgement = judge([Row("door", Outcome.IN, 100, 99, 1, 0)])
    return calibration_record(HERE, judgement, **options | changes)


def cal(folder, conditions=HERE, now_ms=NOW):
    with capture_logs() as logs:
        return Calibration(folder, conditions).cal(now_ms), logs[0].get("reason")


def test_the_record_holds_what_was_found():
    found = record()
    assert found["hash"] == hash_of(found)
    assert len(found["hash"]) == 12
    assert (found["n"], found["misses"], found["false"]) == (100, 1, 0)
    assert found["interval"] == [0.0017, 0.0545]  # rounded outwards
    assert (found["verdict"], found["more_needed"]) == ("under_limit", 0)
    assert (found["when"], found["expires"]) == ("2026-03-02T01:15:00Z", "2026-03-12T01:15:00Z")
    assert (found["by"], found["cfg"], found["model"]) == ("王芳", "cfg-1", "model-1")
    assert not any("view" in key for key in found)


def test_another_auditor_is_another_hash():
    assert record()["hash"] != record(by="李强")["hash"]


def test_of_intervals_it_says_that_errors_are_the_least():
    assert (record()["at_least"], record(mode=Mode.INTERVALS)["at_least"]) == (False, True)


def test_a_valid_record_gives_its_hash(tmp_path):
    write(tmp_path, record())
    assert cal(tmp_path) == (record()["hash"], None)
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize(
    ("conditions", "now_ms", "reason"),
    [
        (
            Conditions("dev-1", "cfg-2", "model-1"),
            NOW,
            "the config changed since the audit of",
        ),
        (Conditions("dev-1", "cfg-1", "model-2"), NOW, "the model changed since the audit of"),
        (Conditions("dev-2", "cfg-1", "model-1"), NOW, "is of another device, dev-1"),
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
    (tmp_path / FILE_NAME).write_bytes(content)
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
    assert cal(tmp_path) == (None, "this device was never audited; see `lobbycount audit --help`")


def test_the_log_says_it_once_per_change(tmp_path):
    write(tmp_path, record())
    calibration = Calibration(tmp_path, HERE)
    with capture_logs() as logs:
        for now_ms in (NOW, NOW + 1, NOW + 10 * DAY_MS, NOW + 11 * DAY_MS):
            calibration.cal(now_ms)
        write(tmp_path, record(now_ms=NOW + 10 * DAY_MS))
        calibration.cal(NOW + 11 * DAY_MS)
    assert [log["event"] for log in logs] == [
        "calibration.valid",
        "calibration.none",
        "calibration.valid",
    ]


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OutboxError, match="run the audit as the user of the service"):
        write(tmp_path / "none", record())


def test_people_can_read_it(tmp_path):
    text = write(tmp_path, record()).read_text("utf-8")
    assert '"by": "王芳"' in text
    assert json.loads(text) == record()
