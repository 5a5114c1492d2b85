"""Tokens of other systems and what they let in, on SQLite and on PostgreSQL."""

import pytest
from sqlalchemy import text

from edge.errors import BadInputError
from evaluation import registry
from evaluation.page_tables import PAGE_TOKENS
from evaluation.pages.tokens import DAY_MS, LONGEST_DAYS, Tokens
from evaluation.pages.tries import FREE_TOGETHER, Tries, token_keys
from evaluation.register_messages import COLUMNS, KINDS, example_of, read_register, read_table_of
from evaluation.registry_rows import site_rows
from tests.contract.test_pages import EVIL, HERE, THERE, Clock
from tests.system.pages_city import FROZEN, SITES, PagesLab, prepared
from tests.system.pages_visitor import System

PLACE = ("t", "s1", "ratings")


@pytest.fixture
def lab(database_url):
    with PagesLab(database_url) as made:
        yield made


@pytest.fixture
def database(database_url):
    """The sites of a tenant, and nothing else."""
    with prepared(database_url) as db:
        registry.take_over(db, "t", site_rows(SITES.encode(), "sites.csv", "t"))
        yield db


def stored(lab, site="s1"):
    with lab.database.reading() as connection:
        found = connection.execute(
            text("SELECT rating, level FROM ratings WHERE site = :site AND rating LIKE 'k-%'"),
            {"site": site},
        )
        return sorted(map(tuple, found))


def rows(*levels):
    made = [
        {"rating": f"k-{n}", "at": f"2026-02-03 10:{n:02}", "level": level}
        for n, level in enumerate(levels)
    ]
    return {"v": "1.0", "rows": made}


def test_a_token_is_shown_once_and_holds_until_it_ends_or_is_revoked(database):
    clock = Clock()
    tokens = Tokens(database, clock)
    said = tokens.add("kiosk", "t", ["s2", "s1"], ["ratings"], 30)
    assert said.startswith("kiosk.")
    assert len(said) >= len("kiosk.") + 43  # 256 bits
    with database.reading() as connection:
        kept = str(connection.execute(PAGE_TOKENS.select()).all())
    assert said.partition(".")[2] not in kept
    found = tokens.find(said)
    assert (found.tenant, found.sites, found.kinds) == ("t", {"s1", "s2"}, {"ratings"})
    assert found.is_for(*PLACE)
    for other in (("u", "s1", "ratings"), ("t", "s3", "ratings"), ("t", "s1", "cases")):
        assert not found.is_for(*other)
    all_of = tokens.find(tokens.add("office", "t", [], [], LONGEST_DAYS))
    assert all_of.is_for("t", "s4", "cases")
    assert not all_of.is_for("other", "x1", "cases")
    wrong = (said[:-1], said + "x", "kiosk.", "kiosk", ".x", "", EVIL, f"office.{said[6:]}", "é.é")
    assert [each for each in wrong if tokens.find(each)] == []
    assert found.ended(clock.now_ms + 30 * DAY_MS - 1) == ""
    assert found.ended(clock.now_ms + 30 * DAY_MS) == "expired"
    tokens.revoke("kiosk")
    assert tokens.find(said).ended(clock.now_ms) == "revoked"
    for name in ("kiosk", "nobody", EVIL):
        with pytest.raises(BadInputError, match="no token"):
            tokens.revoke(name)
    assert [each.name for each in tokens.all()] == ["kiosk", "office"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("taken", "t", [], [], 1), "taken-2"),
        (("Kiosk", "t", [], [], 1), "e.g. kiosk"),
        (("a.b", "t", [], [], 1), "令牌名"),
        ((EVIL, "t", [], [], 1), "no name of a token"),
        (("kiosk", "t", ["s9"], [], 1), "no site s9 of t"),
        (("kiosk", "t", ["x1"], [], 1), "no site x1 of t"),
        (("kiosk", "nowhere", [], [], 1), "import the table of sites first"),
        (("kiosk", "t", [], ["sites"], 1), "no register 'sites'"),
        (("kiosk", "t", [], [], 0), "--days 365"),
        (("kiosk", "t", [], [], LONGEST_DAYS + 1), "--days 365"),
    ],
)
def test_what_cannot_be_a_token_is_told(database, asked, said):
    tokens = Tokens(database, Clock())
    tokens.add("taken", "t", [], [], 1)
    with pytest.raises(BadInputError) as caught:
        tokens.add(*asked)
    assert said in str(caught.value)
    assert [each.name for each in tokens.all()] == ["taken"]


def test_wrong_tokens_are_counted_by_address_and_keep_nobody_from_logging_in(database):
    clock = Clock()
    wrong, logins = Tries(database, clock, token_keys), Tries(database, clock)
    for _ in range(FREE_TOGETHER):
        assert wrong.retry_after_s(HERE, "") == 0
        wrong.failed(HERE, "")
    assert wrong.retry_after_s(HERE, "") == 60
    assert wrong.retry_after_s(THERE, "") == 0
    assert logins.retry_after_s(HERE, "") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_mistake_is_taken_and_is_the_row_of_the_table(kind):
    topic = f"reg/v1/t/site-001/{kind}"
    head = ",".join(each.name for each in COLUMNS[kind])
    table = f"{head}\n{','.join(each.example for each in COLUMNS[kind])}\n".encode()
    found = read_register(topic, example_of(kind).encode())
    assert len(found.rows) == 1
    assert found == read_table_of(topic, table, None)


def test_what_a_system_sends_is_in_the_month_once_and_in_the_journal(lab):
    system = System(lab.port, lab.desk.tokens.add("kiosk", "t", [], [], 30))
    assert system.send("s1", "ratings", rows(5, 1)) == (200, {"taken": 2})
    assert system.send("s1", "ratings", rows(5, 4)) == (200, {"taken": 2})
    assert stored(lab) == [("k-0", 5), ("k-1", 4)]
    table = b"site,at,level,rating\ns1,2026-02-03 10:07,3,k-7\n"
    assert system.send_table("s1", "ratings", table) == (200, {"taken": 1})
    assert system.send_table("s1", "ratings", table) == (200, {"taken": 1})
    assert stored(lab) == [("k-0", 5), ("k-1", 4), ("k-7", 3)]
    evil = "活动'); DROP TABLE activities; --<script>=1+1"
    talk = {
        "activity": evil, "title": evil, "begin": "2026-02-03 09:00",
        "end": "2026-02-03 10:00", "held": True,
    }  # fmt: skip
    assert system.send("s1", "activities", {"v": "1.0", "rows": [talk]}) == (200, {"taken": 1})
    nothing_else = {"v": "1.0", "rows": [], "complete_for": "2026-05"}
    assert system.send("s2", "cases", nothing_else) == (200, {"taken": 0})
    none = b"site,at,level,rating\n"
    assert system.send_table("s3", "ratings", none, "?complete_for=2026-05") == (200, {"taken": 0})
    with lab.database.reading() as connection:
        complete = connection.execute(
            text("SELECT site, kind FROM registers_received WHERE month = '2026-05'")
        )
        # Of the address alone, whatever else the tenant has.
        assert sorted(map(tuple, complete)) == [("s2", "cases"), ("s3", "ratings")]
        titles = connection.execute(text("SELECT title FROM activities WHERE site = 's1'"))
        assert evil in set(titles.scalars())
    said = [each for each in lab.desk.journal.latest("t") if each.what == "register"]
    assert [(each.name, each.about, each.result) for each in said][::-1] == [
        ("token:kiosk", "s1 ratings 2", "ok"),
        ("token:kiosk", "s1 ratings 2", "ok"),
        ("token:kiosk", "s1 ratings 1", "ok"),
        ("token:kiosk", "s1 ratings 1", "ok"),
        ("token:kiosk", "s1 activities 1", "ok"),
        ("token:kiosk", "s2 cases 0", "ok"),
        ("token:kiosk", "s3 ratings 0", "ok"),
    ]
    assert {each.address for each in said} == {"127.0.0.1"}


def test_a_token_that_has_ended_and_one_that_there_is_not_take_nothing(lab):
    tokens = lab.desk.tokens
    revoked, short, long = (
        tokens.add(name, "t", [], [], days) for name, days in (("a-1", 99), ("b-1", 1), ("c-1", 99))
    )
    tokens.revoke("a-1")
    assert System(lab.port, short).send("s1", "ratings", rows(5))[0] == 200
    lab.now_ms = round(FROZEN.timestamp() * 1000)
    for token, why in ((revoked, "revoked"), (short, "expired")):
        status, answer = System(lab.port, token).send("s1", "ratings", rows(5, 5))
        assert (status, why in answer["error"], "令牌" in answer["error"]) == (401, True, True)
    for _ in range(FREE_TOGETHER):
        status, answer = System(lab.port, f"c-1.{short[4:]}").send("s1", "ratings", rows(5, 5))
        assert (status, answer["example"][:21]) == (401, "Authorization: Bearer")
    assert System(lab.port, "").send("s1", "ratings", rows(5, 5))[0] == 429
    # Who has the right one waits for nobody.
    assert System(lab.port, long).send("s2", "ratings", rows(5, 5))[0] == 200
    lab.now_ms += 61_000
    assert System(lab.port, "").send("s1", "ratings", rows(5, 5))[0] == 401
    assert stored(lab) == [("k-0", 5)]
    everything = lab.desk.journal.latest(None)
    assert not any(each[4:] in str(everything) for each in (revoked, short, long))
    results = [(each.name, each.result) for each in everything if each.what == "register"]
    assert results[::-1] == [
        ("token:b-1", "ok"), ("token:a-1", "revoked"), ("token:b-1", "expired"),
        *[("", "no token")] * FREE_TOGETHER, ("", "ok"), ("token:c-1", "ok"), ("", "no token"),
    ]  # fmt: skip


def test_a_database_that_is_away_is_said_and_nothing_is_lost(lab):
    system = System(lab.port, lab.desk.tokens.add("kiosk", "t", [], [], 30))
    with lab.database.writing() as connection:
        connection.execute(text("ALTER TABLE ratings RENAME TO elsewhere"))
    status, answer = system.send("s1", "ratings", rows(5))
    assert (status, "not available" in answer["error"]) == (503, True)
    with lab.database.writing() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO ratings"))
    assert system.send("s1", "ratings", rows(5)) == (200, {"taken": 1})
    assert stored(lab) == [("k-0", 5)]
