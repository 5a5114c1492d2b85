"""The parts of the setup page that decide: sessions, tries, PIN, door, what is written down."""

import json

import pytest

from edge.setup_page import audit_log
from edge.setup_page.audit_log import AuditLog, read_audit
from edge.setup_page.certificate import certificate, fingerprint
from edge.setup_page.door import Door, ask_to_open
from edge.setup_page.limits import (
    ALL,
    FREE_IN_ALL,
    FREE_PER_ADDRESS,
    LONGEST_WAIT_S,
    MOST_ADDRESSES,
    Throttle,
    group,
    wait_s,
)
from edge.setup_page.login import TRIES_FILE, Logins, TooManyTriesError
from edge.setup_page.pin import DIGITS, PIN_FILE, is_pin, new_pin, pin_mark
from edge.setup_page.sessions import IDLE_S, MOST_SESSIONS, Sessions
from edge.testing import ManualClock

HERE, THERE = "192.168.1.7", "192.168.1.8"


# --- Sessions --------------------------------------------------------------------------------


def test_a_session_ends_when_idle_and_after_all():
    sessions = Sessions(3600.0)
    token = sessions.begin(0.0)
    assert sessions.find(token, IDLE_S - 1)
    assert sessions.find(token, 2 * IDLE_S - 2, touch=False)
    assert not sessions.find(token, 2 * IDLE_S - 1)
    token = sessions.begin(0.0)
    for now in range(0, 3600, 600):
        assert sessions.find(token, now)
    assert not sessions.find(token, 3600)
    assert not len(sessions)


@pytest.mark.parametrize("token", [None, "", "x", "\udc80", "x" * 10_000])
def test_what_is_no_token_finds_nothing(token):
    sessions = Sessions(3600.0)
    sessions.begin(0.0)
    assert sessions.find(token, 1.0) is None


def test_the_oldest_makes_room_and_tokens_are_long_and_differ():
    sessions = Sessions(3600.0)
    tokens = [sessions.begin(float(k)) for k in range(MOST_SESSIONS + 1)]
    assert [bool(sessions.find(token, 10.0)) for token in tokens] == [False] + [True] * 4
    assert len(set(tokens)) == len(tokens)
    assert min(map(len, tokens)) >= 43  # 256 bits in base 64
    csrf = {sessions.find(token, 10.0).csrf for token in tokens[1:]}
    assert len(csrf) == MOST_SESSIONS
    assert not csrf & set(tokens)


def test_a_session_shows_no_token():
    sessions = Sessions(3600.0)
    token = sessions.begin(0.0)
    session = sessions.find(token, 1.0)
    assert session.csrf not in repr(session)
    assert token not in str(vars(sessions))
    assert not session.accepts(None)
    assert not session.accepts("é")
    assert session.accepts(session.csrf)


# --- Tries -----------------------------------------------------------------------------------


def test_the_wait_doubles_up_to_an_hour():
    waits = [wait_s(wrong, FREE_PER_ADDRESS) for wrong in range(4, 14)]
    assert waits == [0, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert wait_s(10**6, FREE_PER_ADDRESS) == LONGEST_WAIT_S


def test_a_restart_never_makes_the_wait_shorter():
    throttle = Throttle(0.0)
    for now in range(FREE_PER_ADDRESS + 1):
        throttle.failed(HERE, float(now))
    again = Throttle(0.0, json.loads(json.dumps(throttle.wrong)))
    assert again.retry_after_s(HERE, 0.0) == 120
    assert again.retry_after_s(THERE, 0.0) == 0
    again.succeeded(HERE)
    assert again.retry_after_s(HERE, 0.0) == 0
    assert again.wrong == {}


def test_all_addresses_together_are_limited_and_few_are_remembered():
    throttle = Throttle(0.0)
    for number in range(FREE_IN_ALL):
        assert throttle.retry_after_s(THERE, 0.0) == 0
        throttle.failed(f"10.0.0.{number}", 0.0)
    assert throttle.retry_after_s(THERE, 0.0) == 60
    for number in range(3 * MOST_ADDRESSES):
        throttle.failed(f"10.1.{number // 256}.{number % 256}", 0.0)
    assert len(throttle.wrong) == MOST_ADDRESSES + 1
    assert ALL in throttle.wrong


@pytest.mark.parametrize(
    ("address", "as_one"),
    [
        ("192.168.1.7", "192.168.1.7"),
        ("::ffff:192.168.1.7", "192.168.1.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("?", "?"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address, as_one):
    assert group(address) == as_one


def test_a_try_is_kept_before_it_is_compared(tmp_path, monkeypatch):
    new_pin(tmp_path)
    logins = Logins(tmp_path, 3600.0, ManualClock().monotonic)
    seen = []

    def comparing(_folder, _pin):
        seen.append(json.loads((tmp_path / TRIES_FILE).read_text("utf-8"))["wrong"])
        return False

    monkeypatch.setattr("edge.setup_page.login.is_pin", comparing)
    assert logins.try_pin(HERE, "12345678") is None
    assert seen == [{HERE: 1, ALL: 1}]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wrong": 3}', '{"wrong": {"*": "x"}}'])
def test_tries_that_cannot_be_read_count_as_many(tmp_path, text):
    pin = new_pin(tmp_path)
    (tmp_path / TRIES_FILE).write_text(text)
    with pytest.raises(TooManyTriesError):
        Logins(tmp_path, 3600.0, ManualClock().monotonic).try_pin(HERE, pin)


# --- PIN -------------------------------------------------------------------------------------


def test_a_pin_is_long_random_and_kept_as_a_hash_for_its_owner_only(tmp_path):
    pins = {new_pin(tmp_path) for _ in range(3)}
    assert len(pins) == 3
    pin = new_pin(tmp_path)
    assert pin.isdecimal()
    assert len(pin) == DIGITS
    path = tmp_path / PIN_FILE
    assert pin not in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [PIN_FILE]
    assert is_pin(tmp_path, pin)
    assert not is_pin(tmp_path, pin[:-1])
    assert not any(is_pin(tmp_path, earlier) for earlier in pins)


@pytest.mark.parametrize("text", ["", "{}", '{"salt": "00", "hash": ""}', '{"salt": 1, "hash": 2}'])
def test_a_damaged_pin_file_lets_nobody_in(tmp_path, text):
    (tmp_path / PIN_FILE).write_text(text)
    assert not is_pin(tmp_path, "")
    assert not is_pin(tmp_path, "12345678")


def test_a_pin_may_be_typed_with_blanks(tmp_path):
    pin = new_pin(tmp_path)
    logins = Logins(tmp_path, 3600.0, ManualClock().monotonic)
    assert logins.try_pin(HERE, f" {pin[:4]} {pin[4:]} ")
    assert logins.try_pin(HERE, f"{pin[:4]}-{pin[4:]}")


def test_the_mark_changes_with_the_pin(tmp_path):
    assert pin_mark(tmp_path) is None
    new_pin(tmp_path)
    first = pin_mark(tmp_path)
    new_pin(tmp_path)
    assert pin_mark(tmp_path) != first


# --- Door ------------------------------------------------------------------------------------


def test_the_door_closes_by_itself_and_opens_when_asked(tmp_path):
    clock = ManualClock()
    door = Door(tmp_path, 300.0, clock.monotonic)
    clock.advance(299)
    assert door.look()
    door.hold()
    clock.advance(299)
    assert door.look()
    clock.advance(1)
    assert not door.look()
    ask_to_open(tmp_path)
    assert door.look()
    assert door.closes_in_s() == 300
    clock.advance(300)
    assert not door.look()  # once asked, once opened


# --- What is written down --------------------------------------------------------------------


def test_the_same_is_written_once_in_ten_minutes_with_how_often(tmp_path):
    now = [0]
    log = AuditLog(tmp_path, lambda: now[0])
    for now[0] in range(0, 600_000, 60_000):
        log.note(HERE, "state", "ok", always=False)
    log.note(THERE, "state", "ok", always=False)
    log.note(HERE, "login", "ok")
    log.note(HERE, "login", "ok")
    now[0] = 600_000
    log.note(HERE, "state", "ok", always=False)
    told = [(e["address"], e["what"], e.get("more")) for e in read_audit(tmp_path)]
    assert told == [
        (HERE, "state", None),
        (THERE, "state", None),
        (HERE, "login", None),
        (HERE, "login", None),
        (HERE, "state", 9),
    ]


def test_what_is_done_all_the_time_does_not_push_out_what_was_before(tmp_path):
    log = AuditLog(tmp_path, lambda: 0)
    log.note(THERE, "login", "ok")
    for _ in range(20_000):
        log.note(HERE, "drawings read", "ok")
    entries = read_audit(tmp_path)
    assert len(entries) == 1 + audit_log.MOST_EACH
    assert entries[0]["address"] == THERE


def test_it_never_grows_beyond_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_log, "MOST_BYTES", 1000)
    log = AuditLog(tmp_path, lambda: 0)
    for number in range(200):
        log.note(HERE, "login", f"{number}")
    files = sorted(tmp_path.iterdir())
    assert [each.name for each in files] == [
        "setup-audit.1.jsonl", "setup-audit.2.jsonl", "setup-audit.3.jsonl", "setup-audit.jsonl",
    ]  # fmt: skip
    assert all(each.stat().st_size <= 1000 for each in files)
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in files)
    results = [int(str(entry["result"])) for entry in read_audit(tmp_path)]
    assert results == list(range(results[0], 200))


def test_what_cannot_be_written_stops_nothing(tmp_path, capsys):
    log = AuditLog(tmp_path / "gone", lambda: 0)
    log.note(HERE, "login", "ok")
    assert "audit_unwritable" in capsys.readouterr().out


def test_lines_that_are_not_ours_are_left_out(tmp_path):
    AuditLog(tmp_path, lambda: 0).note(HERE, "login", "ok")
    with (tmp_path / "setup-audit.jsonl").open("ab") as file:
        file.write(b'"text"\n{half\n\xff\n')
    assert [entry["what"] for entry in read_audit(tmp_path)] == ["login"]


# --- Certificate -----------------------------------------------------------------------------


def test_the_certificate_is_made_once_and_shown_by_its_fingerprint(tmp_path):
    path = certificate(tmp_path)
    first = path.read_bytes()
    assert certificate(tmp_path).read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(fingerprint(path).split(":")) == 32
