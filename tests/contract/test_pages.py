"""What the pages keep in the database, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from edge.errors import BadInputError
from evaluation import registers
from evaluation.closing import State, close
from evaluation.errors import StoreError
from evaluation.page_tables import PAGE_SESSIONS, PAGE_USERS
from evaluation.pages.accounts import Accounts
from evaluation.pages.answers import Answer, answer, answers, key_of
from evaluation.pages.calendar import month_in, months_of, zone_of
from evaluation.pages.drafts import Drafts
from evaluation.pages.journal import SAME_MS, Journal, Who
from evaluation.pages.keeper import Keeper
from evaluation.pages.provenance import devices_at, records_of, sources_of, windows
from evaluation.pages.roles import EVERY_TENANT, Role
from evaluation.pages.sessions import IDLE_MS, LASTS_MS, TOUCH_MS, Sessions
from evaluation.pages.tries import FREE_ALONE, FREE_TOGETHER, Tries
from evaluation.pages.words import PARTS
from evaluation.register_rows import READERS
from evaluation.rollup import RollUp
from evaluation.scheme_file import read_scheme
from tests.system.pages_city import (
    FROZEN,
    IN_REVIEW,
    PASSWORD,
    SCHEME,
    make_city,
    prepared,
    ratings,
)

HERE, THERE = "192.168.1.7", "192.168.1.8"
EVIL = "'; DROP TABLE page_users; --"


class Clock:
    def __init__(self, now_ms=1_000_000_000_000):
        self.now_ms = now_ms

    def __call__(self):
        return self.now_ms


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def database(database_url):
    with prepared(database_url) as db:
        yield db


@pytest.fixture
def accounts(database, clock):
    made = Accounts(database, clock)
    made.add("zhang", PASSWORD, "t", Role.VIEWER)
    return made


def test_an_account_is_made_once_and_has_a_role_in_each_tenant(accounts):
    with pytest.raises(BadInputError, match="already"):
        accounts.add("zhang", "another long word", "t", Role.ADMIN)
    accounts.set_role("zhang", "u", Role.EVALUATOR)
    accounts.set_role("zhang", EVERY_TENANT, Role.VIEWER)
    accounts.set_role("zhang", "t", None)
    [found] = accounts.all()
    assert found.roles == {"*": Role.VIEWER, "u": Role.EVALUATOR}
    assert accounts.log_in("zhang", PASSWORD) == found
    assert accounts.log_in("zhang", "another long word") is None
    for name in (EVIL, "nobody", ""):
        assert accounts.log_in(name, PASSWORD) is None
        with pytest.raises(BadInputError, match="没有用户"):
            accounts.disable(name)
    for wrong in (EVIL, "A", "张伟", "x" * 33):
        with pytest.raises(BadInputError, match="user name"):
            accounts.add(wrong, PASSWORD, "t", Role.VIEWER)
    with pytest.raises(BadInputError, match="tenant"):
        accounts.set_role("zhang", EVIL, Role.VIEWER)
    assert [each.name for each in accounts.all()] == ["zhang"]


def test_neither_passwords_nor_tokens_are_kept(database, accounts, clock):
    token = Sessions(database, clock).begin("zhang")
    with database.reading() as connection:
        rows = [
            *connection.execute(PAGE_USERS.select()),
            *connection.execute(PAGE_SESSIONS.select()),
        ]
    assert len(rows) == 2
    assert PASSWORD not in str(rows)
    assert token not in str(rows)


def test_a_session_idles_out_has_its_day_and_ends_with_what_it_rests_on(database, accounts, clock):
    sessions = Sessions(database, clock)
    token = sessions.begin("zhang")
    session = sessions.find(token)
    assert session.name == "zhang"
    assert session.accepts(session.csrf)
    assert not session.accepts("")
    assert not session.accepts("é")
    assert not {each for each in ("", None, "x", token + "x", EVIL) if sessions.find(each)}
    for _ in range(LASTS_MS // (IDLE_MS - 1)):
        clock.now_ms += IDLE_MS - 1
        assert sessions.find(token)
    clock.now_ms += IDLE_MS - 1
    assert sessions.find(token) is None  # its day is over although it never idled
    token = sessions.begin("zhang")
    clock.now_ms += IDLE_MS
    assert sessions.find(token) is None
    for change in (
        lambda: accounts.set_password("zhang", "another long word"),
        lambda: accounts.set_role("zhang", "t", Role.ADMIN),
        lambda: accounts.disable("zhang"),
    ):
        token = sessions.begin("zhang")
        clock.now_ms += TOUCH_MS + 1
        assert sessions.find(token)
        change()
        assert sessions.find(token) is None
    assert sessions.find(sessions.begin("zhang")) is None  # disabled
    accounts.disable("zhang", is_disabled=False)
    token = sessions.begin("zhang")
    sessions.end(token)
    assert sessions.find(token) is None


def test_tries_are_counted_by_account_by_address_and_by_both(database, clock):
    tries = Tries(database, clock)
    for _ in range(FREE_TOGETHER):
        assert tries.retry_after_s(HERE, "zhang") == 0
        tries.failed(HERE, "zhang")
    assert tries.retry_after_s(HERE, "zhang") == 60
    assert tries.retry_after_s(THERE, "zhang") == 0
    assert tries.retry_after_s(HERE, "li") == 0
    clock.now_ms += 60_000
    tries.failed(HERE, "zhang")
    assert tries.retry_after_s(HERE, "zhang") == 120
    for n in range(FREE_ALONE):
        tries.failed(THERE, f"name-{n}")
    assert tries.retry_after_s(THERE, "li") == 60  # one address, many accounts
    for n in range(FREE_ALONE):
        tries.failed(f"10.0.0.{n}", "wang")
    assert tries.retry_after_s("10.9.9.9", "wang") == 60  # one account, many addresses


def test_who_knows_the_password_is_free_again_but_the_address_is_not(database, clock):
    tries = Tries(database, clock)
    for n in range(FREE_ALONE - 1):
        tries.failed(HERE, f"name-{n}")
    tries.failed(HERE, "own-account")
    tries.succeeded(HERE, "own-account")
    tries.failed(HERE, "zhang")
    assert tries.retry_after_s(HERE, "li") == 60


def test_two_tries_at_once_count_as_two(database, clock):
    tries = Tries(database, clock)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: tries.failed(HERE, "zhang"), range(FREE_TOGETHER)))
    assert tries.retry_after_s(HERE, "zhang") == 60


def test_journal_and_answers_only_grow(database, clock):
    journal = Journal(database, clock)
    journal.note(Who("zhang", HERE, "t"), "login", f"{EVIL}\n\t")
    with database.writing() as connection:
        said = Answer("s1", "loops/03/d1", 5, "zhang", EVIL)
        answer(connection, "t", "2026-02", said)
        with pytest.raises(BadInputError, match="说明"):
            answer(connection, "t", "2026-02", Answer("s1", "x", 5, "zhang", "x" * 1001))
    for table in ("page_journal", "flag_answers"):
        for change in (f"UPDATE {table} SET id = 7", f"DELETE FROM {table}"):
            with pytest.raises(StoreError, match="only grows"), database.writing() as connection:
                connection.execute(text(change))
    assert journal.latest("t")[0].about == f"{EVIL}??"
    with database.reading() as connection:
        assert dict(answers(connection, "t", "2026-02")) == {("s1", "loops/03/d1"): [said]}
        assert not answers(connection, "other", "2026-02")


def test_a_look_is_written_once_in_a_while_and_a_change_each_time(database, clock):
    journal = Journal(database, clock)
    who = Who("zhang", HERE, "t")
    for wait_ms in (0, SAME_MS - 1, 1):
        clock.now_ms += wait_ms
        journal.note_look(who, "site", "2026-02 s1")
        journal.note(who, "answer", "x")
    assert [each.what for each in journal.latest("t")].count("site") == 2
    assert [each.what for each in journal.latest("t")].count("answer") == 3
    assert journal.latest("other") == []
    assert len(journal.latest(None, 4)) == 4


def test_a_flag_has_the_same_key_in_every_revision():
    flag = {"code": "loops", "day": 2, "source": "d1", "zh": "一", "en": "one"}
    assert key_of(flag) == key_of(flag | {"zh": "二", "en": "two"}) == "loops/03/d1"
    assert key_of(flag | {"day": None, "source": None}) == "loops//"


# --- Reports ---------------------------------------------------------------------------------


@pytest.fixture
def city(database_url):
    with prepared(database_url) as db:
        make_city(db)
        RollUp(db).run()
        yield db


def late(database):
    rows = READERS["ratings"](ratings(1, bad=30), "late.csv")
    registers.take_over(database, "t", "ratings", rows)


def test_what_moves_to_another_month_changes_the_one_it_leaves(city):
    drafts = Drafts(city, read_scheme(SCHEME))
    first = drafts.renewed("t", "2026-02")
    head = "site,activity,title,begin,end,held,expected,attended,audiences\n"
    row = "s1,a3,手机课堂,2026-03-03 09:30,2026-03-03 11:00,yes,30,21,elderly\n"
    rows = READERS["activities"](f"{head}{row}".encode(), "moved.csv")
    registers.take_over(city, "t", "activities", rows)
    assert drafts.renewed("t", "2026-02").digest != first.digest


def test_every_part_of_a_figure_has_a_name(city):
    report = Drafts(city, read_scheme(SCHEME)).draft("t", "2026-02").report
    parts = {
        name
        for site in report["sites"]
        for each in site["indicators"].values()
        for name in each["figure"]["parts"]
    }
    assert {"visits", "coverage", "held", "praise", "in_time", "borrowed"} <= parts <= set(PARTS)


def test_a_draft_is_made_anew_only_when_something_has_changed(city):
    drafts = Drafts(city, read_scheme(SCHEME))
    first = drafts.draft("t", "2026-02")
    assert drafts.renewed("t", "2026-02").made_ms == first.made_ms
    assert drafts.draft("t", "2026-01").digest != first.digest
    late(city)
    assert drafts.draft("t", "2026-02").digest == first.digest  # reading makes nothing
    again = drafts.renewed("t", "2026-02")
    assert again.digest != first.digest
    # Another process with the same database and scheme has nothing to make.
    other = Drafts(city, read_scheme(SCHEME))
    assert other.renewed("t", "2026-02").made_ms == again.made_ms
    assert other.draft("t", "2026-02").report == again.report
    assert drafts.draft("nobody", "2026-02") is None
    assert drafts.draft(EVIL, "2026-02") is None


def test_months_have_their_states_and_close_by_themselves(city):
    clock = Clock(round(IN_REVIEW.timestamp() * 1000))
    drafts = Drafts(city, read_scheme(SCHEME))
    keeper = Keeper(city, drafts, read_scheme(SCHEME), clock)

    def months():
        with city.reading() as connection:
            return months_of(connection, "t", clock.now_ms)

    keeper.look()
    [february] = months()
    assert (february.name, february.state, february.closed) == ("2026-02", State.IN_REVIEW, ())
    clock.now_ms = round(FROZEN.timestamp() * 1000)
    keeper.look()
    [february] = months()
    assert february.state is State.FROZEN
    assert [(each.number, each.made_by) for each in february.closed] == [(0, "freeze")]
    kept = drafts.closed("t", february.closed[0])
    late(city)
    close(city, drafts.renewed("t", "2026-02").report, made_by="zhang", reason="late")
    [february] = months()
    afresh = Drafts(city, read_scheme(SCHEME))
    assert [afresh.closed("t", each).revision for each in february.closed] == [0, 1]
    assert afresh.closed("t", february.closed[0]) == kept
    assert afresh.closed("t", february.closed[1]).digest != kept.digest
    assert afresh.closed("t", replace(february.closed[1], number=2, digest="x")) is None
    with city.reading() as connection:
        assert zone_of(connection, "nobody") is None
        assert months_of(connection, "nobody", clock.now_ms) == []


def test_a_figure_goes_down_to_the_records_it_is_made_of(city):
    with city.reading() as connection:
        zone = zone_of(connection, "t")
        month = month_in(zone, "2026-02")
        places = devices_at(connection, "s1", month, zone)
        tuesdays_at_nine = windows(month, day=None, weekday=1, hour=9)
        found = records_of(connection, places, tuesdays_at_nine, 100)
        assert len(tuesdays_at_nine) == 4
        assert [row["line"] or row["zone"] for row in found] == ["room", "door"] * 4 or [
            row["line"] or row["zone"] for row in found
        ] == ["door", "room"] * 4
        assert {row["cfg"] for row in found} == {"cfg-0001"}
        assert len(records_of(connection, places, tuesdays_at_nine, 3)) == 3
        whole = records_of(
            connection, places, windows(month, day=None, weekday=None, hour=None), 999
        )
        assert len(whole) == 160
        [source] = sources_of(connection, places)
        assert (source.records, source.model, source.cal) == (160, "model-0001", None)
        assert devices_at(connection, EVIL, month, zone) == []
