"""When a version may say that it works, and the report of an update."""

import json

import pytest

from edge.updating.confirmation import (
    Confirmation,
    Expected,
    Proof,
    Work,
    confirmation_file,
    confirmation_text,
    parse_confirmation,
)
from edge.updating.report import ENDED, Report, State, parse_report, report_text


def proven(expected, *reports, steady_s=60.0):
    """Return after which report it is proven, by number; None for never."""
    proof = Proof(expected, steady_s)
    given = (number for number, work in enumerate(reports) if proof.is_given_by(work))
    return next(given, None)


def every_10_s(count=10, *, frames=lambda n: 10 * n + 1, is_stored=True, is_connected=True):
    return [
        Work(10.0 * n, frames(n), is_stored, is_connected(n) if callable(is_connected) else True)
        for n in range(count)
    ]


ALL = Expected()


def test_pictures_records_and_broker_for_a_minute_prove_it():
    assert proven(ALL, *every_10_s()) == 6


def test_a_version_that_never_looks_at_pictures_proves_nothing():
    assert proven(ALL, *every_10_s(100, frames=lambda _: 0)) is None


def test_pictures_have_to_go_on():
    assert proven(ALL, *every_10_s(100, frames=lambda n: min(n, 3) + 1)) is None


def test_a_pause_begins_the_minute_anew():
    assert proven(ALL, *every_10_s(20, frames=lambda n: n + (n != 4))) == 11


def test_where_the_camera_was_off_before_nobody_is_asked_for_pictures():
    assert proven(Expected(pictures=False), *every_10_s(frames=lambda _: 0)) == 6


def test_the_broker_has_to_be_reached_if_it_was_before():
    away = every_10_s(30, is_connected=lambda _: False)
    assert proven(ALL, *away) is None
    assert proven(Expected(broker=False), *away) == 6
    assert proven(ALL, *every_10_s(30, is_connected=lambda n: n == 9)) == 9


def test_a_disk_that_takes_nothing_proves_nothing():
    assert proven(Expected(pictures=False, broker=False), *every_10_s(30, is_stored=False)) is None


def test_the_note_is_read_back_and_named_after_the_config():
    note = Confirmation("0.2.0", 17, "2026-11-27T20:00:00Z")
    assert parse_confirmation(confirmation_text(note)) == note
    assert confirmation_file("lobby") == "confirm.json"
    assert confirmation_file("front") == "confirm-front.json"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"version":1,"pid":1,"at":""}', '{"version":"","pid":true,"at":""}'],
)
def test_any_other_note_is_none(text):
    assert parse_confirmation(text) is None


REPORT = Report(
    "0.1.0",
    "b" * 64,
    "0.2.0",
    State.REVERTED,
    "not_confirmed",
    "退回",
    "back",
    "2026-11-27T20:00:00Z",
)


def test_a_report_has_the_shape_that_the_service_reads():
    assert json.loads(report_text(REPORT)) == {
        "v": "1.0",
        "version": "0.1.0",
        "bundle": "b" * 64,
        "wanted": "0.2.0",
        "state": "reverted",
        "reason": "not_confirmed",
        "zh": "退回",
        "en": "back",
        "at": "2026-11-27T20:00:00Z",
    }
    assert parse_report(report_text(REPORT)) == REPORT
    assert {state for state in State if state not in ENDED} == {"verifying", "installing", "trial"}


@pytest.mark.parametrize(
    "change", [{"v": "2.0"}, {"state": "else"}, {"version": None}, {"zh": 1}, {"reason": []}]
)
def test_a_report_of_another_shape_is_none(change):
    assert parse_report(json.dumps(json.loads(report_text(REPORT)) | change)) is None
    assert parse_report(json.dumps([])) is None


def test_what_a_report_says_more_is_read_over():
    assert parse_report(json.dumps(json.loads(report_text(REPORT)) | {"more": 1})) == REPORT
