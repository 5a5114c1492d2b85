"""Registers over HTTP as another system sends them: what is let in, and what each mistake gets."""

import json
import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import text

from evaluation.mqtt_link import LARGEST_PACKET
from evaluation.pages.reception import COOKIE
from evaluation.register_messages import read_register, read_table_of
from tests.system.pages_city import PagesLab
from tests.system.pages_visitor import System

RATING = {"rating": "r-1", "at": "2026-02-03 10:20", "level": 5}
ONE = {"v": "1.0", "rows": [RATING]}
HERE = "/reg/v1/t/s1/ratings"
PAGES = ("/", "/t/t/2026-02", "/t/t/journal", "/t/t/import")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with PagesLab(f"sqlite:///{tmp_path_factory.mktemp('intake')}/city.db") as made:
        yield made


@pytest.fixture(scope="module")
def token(lab):
    """A kiosk's: ratings and activities of one centre."""
    return lab.desk.tokens.add("kiosk", "t", ["s1"], ["ratings", "activities"], 30)


@pytest.fixture(scope="module")
def system(lab, token):
    return System(lab.port, token)


@pytest.fixture(autouse=True)
def _nothing_is_taken(lab):
    """Nothing of what is refused is in the registers."""
    yield
    with lab.database.reading() as connection:
        found = connection.execute(text("SELECT rating FROM ratings WHERE rating LIKE 'r-%'"))
        assert set(found.scalars()) <= {"r-good", "r-0001"}


def test_a_token_opens_its_own_registers_and_no_others(lab, system):
    assert system.send("s1", "ratings", {"v": "1.0", "rows": [RATING | {"rating": "r-good"}]}) == (
        200, {"taken": 1},
    )  # fmt: skip
    for tenant, site, kind in (
        ("other", "x1", "ratings"), ("t", "s2", "ratings"), ("t", "s1", "cases"),
        ("t", "s9", "ratings"), ("nowhere", "s1", "ratings"),
    ):  # fmt: skip
        status, answer = System(lab.port, system.token, tenant).send(site, kind, ONE)
        assert (status, answer["example"][:20]) == (403, "evaluation token add"), (site, kind)
        assert "令牌" in answer["error"]
    refused = [e for e in lab.desk.journal.latest("t") if e.result == "not for this"]
    assert {(e.name, e.about) for e in refused} >= {
        ("token:kiosk", "s2 ratings"), ("token:kiosk", "s1 cases"),
    }  # fmt: skip
    of_all = System(lab.port, lab.desk.tokens.add("office", "t", [], [], 1))
    status, answer = of_all.send("s9", "ratings", ONE)
    assert (status, "no site s9 of t" in answer["error"]) == (422, True)


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/reg/v1/t/s1/staff", "POST", 404),
        ("/reg/v1/t/S1/ratings", "POST", 404),
        ("/reg/v1/t/s1%27--/ratings", "POST", 404),
        ("/reg/v1/t/s1/ratings/", "POST", 404),
        ("/reg/v2/t/s1/ratings", "POST", 404),
        ("/reg/", "GET", 404),
        (HERE, "GET", 405),
        (HERE, "HEAD", 405),
        (HERE, "PUT", 405),
        (HERE, "OPTIONS", 405),
    ],
)
def test_addresses_of_nothing_and_other_methods_are_told_as_json(system, path, method, status):
    answer = system.ask(method, path, b"{}", Content_Type="application/json")
    assert answer.status == status
    if method != "HEAD":
        assert json.loads(answer.body)["example"] == "POST /reg/v1/heping-street/site-001/ratings"


LATE = b"site,at,level,rating\ns1,2026-02-30 10:00,5,r-1\ns1,2026-02-03 10:00,9,r-2\n"


@pytest.mark.parametrize(
    ("message", "kind", "expected"),
    [
        (b"{", "application/json", (422, "not JSON")),
        ({"v": "2.0", "rows": [RATING]}, "application/json", (422, "version '2.0'")),
        ({"v": "1.0", "rows": []}, "application/json", (422, "says nothing")),
        (
            {"v": "1.0", "rows": [RATING, RATING | {"rating": "r-2", "level": 6}]},
            "application/json", (422, "reg/v1/t/s1/ratings:3: level (评价): '6' is no level"),
        ),
        ({"v": "1.0", "rows": [RATING | {"rating": None}]}, "application/json", (422, "no id")),
        ({"v": "1.0", "rows": [RATING, RATING]}, "application/json", (422, "r-1 is in row 2 too")),
        ({"v": "1.0", "rows": [RATING | {"site": "s2"}]}, "application/json", (422, "of 's2'")),
        ({"v": "1.0", "rows": [RATING], "complete_for": "May"}, "application/json", (422, "'May'")),
        (LATE, "text/csv", (422, "reg/v1/t/s1/ratings:2: at (时间): '2026-02-30' is no date")),
        (LATE, "text/csv", (422, "reg/v1/t/s1/ratings:3: level (评价): '9' is no level")),
        (b"site,at,level,rating\ns2,2026-02-03 10:00,5,r-1\n", "text/csv", (422, "'r-1' is of s2")),
        (b"at,level\n", "text/csv", (422, "the heading lacks site")),
        (b"PK\x03\x04", "text/csv", (422, "is a workbook")),
        (ONE, "text/plain", (415, "application/json")),
        (ONE, "", (415, "application/json")),
        (b"x" * (LARGEST_PACKET + 1), "application/json", (413, "1048576")),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place_and_an_example(lab, system, message, kind, expected):
    status, said = expected
    send = system.send_table if kind == "text/csv" else system.send
    found, answer = send("s1", "ratings", message, Content_Type=kind)
    assert found == status
    assert said in answer["error"]
    assert re.search("[\u4e00-\u9fff]", answer["error"])
    assert answer["example"]
    latest = lab.desk.journal.latest("t", 1)[0]
    word = {422: "bad input", 415: "content type", 413: "too large"}[status]
    assert (latest.name, latest.about, latest.result) == ("token:kiosk", "s1 ratings", word)
    topic = "reg/v1/t/site-001/ratings"
    if kind == "text/csv":
        assert read_table_of(topic, answer["example"].encode(), None).rows
    elif kind == "application/json":
        assert read_register(topic, json.dumps(answer["example"]).encode()).rows


def test_a_body_in_pieces_is_no_way_around_its_limit(system):
    pieces = (b" " * 65_536 for _ in range(LARGEST_PACKET // 65_536 + 1))
    answer = system.ask("POST", HERE, pieces, Content_Type="application/json")
    assert answer.status == 413


def test_a_cookie_lets_nothing_in_and_a_token_opens_no_page(lab, token):
    admin = lab.visitor("the-admin")
    sent = json.dumps(ONE)
    own = {"Content_Type": "application/json", "Authorization": ""}
    assert admin.ask("POST", HERE, sent, **own).status == 401
    for said in ("Basic YTpi", "Bearer", f"Token {token}", f"Bearer {admin.cookies[COOKIE]}"):
        answer = admin.ask("POST", HERE, sent, **(own | {"Authorization": said}))
        assert answer.status in {401, 429}, said
        assert "set-cookie" not in answer.headers
    system = System(lab.port, token)
    as_cookie = own | {"Cookie": f"{COOKIE}={token}"}
    assert system.ask("POST", HERE, sent, **as_cookie).status in {401, 429}
    for path in PAGES:
        assert system.ask("GET", path).headers["location"] == "/login"
        cookie = {"Cookie": f"{COOKIE}={token}"}
        assert system.ask("GET", path, **cookie).headers["location"] == "/login"
    # And on the pages the origin counts, whatever else is shown.
    assert system.ask("POST", "/t/t/import", b"").status == 403
    assert system.ask("POST", "/t/t/import", b"", Origin="http://evil.example").status == 403


def test_a_foreign_name_leads_nowhere_and_every_answer_has_the_headers(lab, system):
    own = {"Content_Type": "application/json"}
    answer = system.ask("POST", HERE, json.dumps(ONE), Host="evil.example", **own)
    assert answer.status == 421
    assert json.loads(answer.body)["example"].startswith("evaluation serve --name")
    answer = system.ask("POST", HERE, b"{", Host=f"pages.example:{lab.port}", **own)
    assert answer.status == 422
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_journal_page_names_the_token_and_shows_none(lab, token):
    page = lab.visitor("the-admin").get("/t/t/journal").text
    assert "token:kiosk" in page
    assert token.partition(".")[2] not in page


def curl_in(page):
    """The curl command of a page: method, path, headers, body."""
    [block] = re.findall(r"^curl .*?(?<!\\)$", page, re.DOTALL | re.MULTILINE)
    words = shlex.split(block.replace("\\\n", " "))[1:]
    headers, body, url = {}, None, None
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name.replace("-", "_")] = value
        elif word == "--data":
            body = words.pop(0)
        elif word == "--cacert":
            words.pop(0)
        else:
            url = word
    return re.sub(r"^https://[^/]+", "", url), headers, body


def test_the_command_of_the_docs_works_as_it_stands(lab):
    path, headers, body = curl_in(Path("docs/evaluation-pages.md").read_text("utf-8"))
    assert headers.pop("Authorization") == "Bearer $TOKEN"
    assert path == "/reg/v1/heping-street/site-001/ratings"
    here = System(lab.port, lab.desk.tokens.add("docs", "t", [], [], 1))
    answer = here.ask("POST", HERE, body.encode(), **headers)
    assert (answer.status, answer.body) == (200, b'{"taken":1}')
