"""The evaluation's pages over HTTP: who may what, what is shown, what is changed, what is kept."""

import csv
import io
import re
import sqlite3
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from evaluation.pages.forms import MOST_FORM_BYTES
from evaluation.pages.roles import Role
from evaluation.pages.sessions import IDLE_MS
from evaluation.pages.tries import FREE_TOGETHER
from tests.system.pages_city import EVIL_AREA, FROZEN, PASSWORD, PagesLab, ratings, wait_until
from tests.system.pages_visitor import Visitor

MONTH = "/t/t/2026-02"
LOOKS = (
    MONTH, f"{MONTH}/report.csv", f"{MONTH}/print", f"{MONTH}/state", f"{MONTH}/site/s1",
    f"{MONTH}/site/s2/records?day=10", f"{MONTH}/site/s2/records.csv", f"{MONTH}/site/s1/registers",
    "/t/t/fleet", "/password",
)  # fmt: skip
OF_EVALUATORS = ("/t/t/import",)
OF_ADMINS = ("/t/t/people", "/t/t/journal")
FLAG = "imbalance//d3"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A month in review, which tests only look at or add to."""
    folder = tmp_path_factory.mktemp("pages")
    with PagesLab(f"sqlite:///{folder}/city.db") as made:
        yield made


@pytest.fixture
def own_lab(tmp_path):
    """A city that a test may change as it likes."""
    with PagesLab(f"sqlite:///{tmp_path}/city.db") as made:
        yield made


def journal(lab, what):
    return [entry for entry in lab.desk.journal.latest("t") if entry.what == what]


# --- Who may what ----------------------------------------------------------------------------


def test_each_role_sees_what_it_may_and_nobody_else_anything(lab):
    everything = (*LOOKS, *OF_EVALUATORS, *OF_ADMINS)
    nobody = Visitor(lab.port)
    for path in everything:
        answer = nobody.get(path)
        assert (answer.status, answer.headers["location"]) == (303, "/login"), path
    allowed = {
        "the-viewer": LOOKS,
        "the-evaluator": (*LOOKS, *OF_EVALUATORS),
        "the-admin": everything,
    }
    for name, mine in allowed.items():
        visitor = lab.visitor(name)
        statuses = {path: visitor.get(path).status for path in everything}
        assert statuses == {path: 200 if path in mine else 403 for path in everything}
    stranger = lab.visitor("a-stranger")
    assert {stranger.get(path).status for path in everything if path != "/password"} == {404}
    assert stranger.get("/t/nowhere/2026-02").status == 404


def test_every_page_is_shown_from_postgresql_too(postgres):
    with PagesLab(postgres.new_database()) as lab:
        admin = lab.visitor("the-admin")
        pages = (*LOOKS, *OF_EVALUATORS, *OF_ADMINS)
        assert {path: admin.get(path).status for path in pages} == dict.fromkeys(pages, 200)
        said = {"csrf": admin.csrf(), "about": FLAG, "text": "looked at"}
        assert admin.post(f"{MONTH}/site/s3/flags", said).status == 303
        assert "looked at" in admin.get(f"{MONTH}/site/s3").text
        upload = {"csrf": admin.csrf(), "about": "ratings"}
        assert admin.upload("/t/t/import", upload, "late.csv", ratings(5)).status == 200


def test_a_viewer_changes_nothing_even_by_hand(lab):
    visitor = lab.visitor("the-viewer")
    token = {"csrf": visitor.csrf()}
    for path, fields in (
        (f"{MONTH}/site/s3/flags", {"about": FLAG, "text": "x"}),
        (f"{MONTH}/state", {"digest": "x"}),
        ("/t/t/import", {"about": "ratings"}),
        ("/t/t/people", {"act": "add", "about": "eve", "password": PASSWORD, "role": "admin"}),
    ):
        assert visitor.post(path, token | fields).status == 403, path
    assert lab.desk.accounts.find("eve") is None
    evaluator = lab.visitor("the-evaluator")
    upload = {"csrf": evaluator.csrf(), "about": "sites"}
    answer = evaluator.upload("/t/t/import", upload, "sites.csv", b"site\n")
    assert answer.status == 403  # sites are for admins


def test_every_change_needs_the_forms_token_and_its_own_page(lab):
    visitor = lab.visitor("the-admin")
    good = visitor.csrf()
    other = lab.visitor("the-evaluator").csrf()
    paths = ("/logout", "/password", f"{MONTH}/state", f"{MONTH}/site/s3/flags", "/t/t/import")
    for path in (*paths, "/t/t/people"):
        for token in ("", "x", other):
            assert visitor.post(path, {"csrf": token}).status == 403, path
        for headers in (
            {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""},
            {"Sec_Fetch_Site": "cross-site"},
        ):  # fmt: skip
            assert visitor.post(path, {"csrf": good}, **headers).status == 403, path
    assert visitor.get("/t/t/people").status == 200  # nothing of it logged anybody out
    login = Visitor(lab.port)
    login.get("/login")
    assert login.post("/login", {"name": "the-admin", "password": PASSWORD}).status == 403


def test_foreign_hosts_and_methods_are_turned_away_and_headers_are_on_every_answer(lab):
    visitor = lab.visitor("the-viewer")
    for host in ("evil.example", "evil.example:80", "127.0.0.1@evil.example", ""):
        assert visitor.ask("GET", MONTH, Host=host or " ").status in {400, 421}
    assert visitor.ask("GET", MONTH, Host=f"pages.example:{lab.port}").status == 200
    assert visitor.ask("DELETE", MONTH).status == 405
    for path in ("/", "/login", MONTH, "/pages.css", "/nowhere", f"{MONTH}/report.csv"):
        headers = visitor.get(path).headers
        assert "script-src" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
    cookie = Visitor(lab.port).log_in("the-viewer", PASSWORD).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


# --- Logins ----------------------------------------------------------------------------------


def test_wrong_passwords_run_out_and_say_nothing_of_who_there_is(own_lab):
    visitor = Visitor(own_lab.port)
    texts = {visitor.log_in(name, "wrong wrong wrong").text for name in ("the-admin", "nobody")}
    # But for the language's address the two pages are the same.
    assert len({re.sub(r'value="[^"]*"', "", each) for each in texts}) == 1
    for _ in range(FREE_TOGETHER - 1):
        assert visitor.log_in("the-admin", "wrong wrong wrong").status == 401
    assert visitor.log_in("the-admin", PASSWORD).status == 429
    assert Visitor(own_lab.port).log_in("the-viewer", PASSWORD).status == 303
    own_lab.now_ms += 61_000
    assert visitor.log_in("the-admin", PASSWORD).status == 303
    said = own_lab.desk.journal.latest(None)
    wrong = [entry for entry in said if entry.result == "wrong password"]
    assert {entry.name for entry in wrong} == {"the-admin", "?"}
    assert not any(word in str(said) for word in ("wrong wrong", PASSWORD, "nobody"))


def test_a_session_ends_by_itself_by_logging_out_and_by_what_an_admin_does(own_lab):
    admin, viewer = own_lab.visitor("the-admin"), own_lab.visitor("the-viewer")
    token = {"csrf": admin.csrf()}

    def change(**fields):
        assert admin.post("/t/t/people", token | fields | {"about": "the-viewer"}).status == 303

    assert viewer.get(MONTH).status == 200
    change(act="role", role="evaluator")
    assert viewer.get(MONTH).status == 303
    assert viewer.log_in("the-viewer", PASSWORD).status == 303
    assert viewer.get("/t/t/import").status == 200
    change(act="password", password="another long word")
    assert viewer.get(MONTH).status == 303
    assert viewer.log_in("the-viewer", "another long word").status == 303
    change(act="disable")
    assert viewer.get(MONTH).status == 303
    assert viewer.log_in("the-viewer", "another long word").status == 401
    change(act="enable")
    assert viewer.log_in("the-viewer", "another long word").status == 303
    change(act="role", role="")
    assert viewer.log_in("the-viewer", "another long word").status == 303
    assert viewer.get(MONTH).status == 404
    kept = dict(admin.cookies)
    assert admin.post("/logout", token).status == 303
    admin.cookies = kept
    assert admin.get(MONTH).headers["location"] == "/login"
    evaluator = own_lab.visitor("the-evaluator")
    own_lab.now_ms += IDLE_MS
    assert evaluator.get(MONTH).status == 303


def test_one_changes_ones_own_password_and_an_admin_not_those_of_other_tenants(own_lab):
    viewer = own_lab.visitor("the-viewer")
    form = {"csrf": viewer.csrf(), "old": PASSWORD, "new": "short"}
    assert viewer.post("/password", form).status == 422
    assert viewer.post("/password", form | {"old": "x", "new": "a new long word"}).status == 422
    assert viewer.post("/password", form | {"new": "a new long word"}).status == 303
    assert viewer.get(MONTH).status == 303
    assert viewer.log_in("the-viewer", "a new long word").status == 303
    admin = own_lab.visitor("the-admin")
    change = {"csrf": admin.csrf(), "act": "password", "password": "taken over now"}
    assert admin.post("/t/t/people", change | {"about": "a-stranger"}).status == 404
    own_lab.desk.accounts.set_role("a-stranger", "t", Role.VIEWER)
    assert admin.post("/t/t/people", change | {"about": "a-stranger"}).status == 422
    assert own_lab.visitor("a-stranger").get(MONTH).status == 200
    demote = {"csrf": admin.csrf(), "act": "disable", "about": "the-admin"}
    assert admin.post("/t/t/people", demote).status == 422


# --- What is shown ---------------------------------------------------------------------------


def test_the_league_says_who_is_where_and_what_is_not_known(lab):
    page = lab.visitor("the-viewer", "zh").get(MONTH).text
    assert "幸福里党群服务中心" in page
    assert "不予评定" in page
    assert "核对中" in page
    table = lab.visitor("the-viewer").get(f"{MONTH}/report.csv")
    assert table.body.startswith(b"\xef\xbb\xbf")
    rows = {row["Centre"]: row for row in csv.DictReader(io.StringIO(table.text.lstrip("\ufeff")))}
    assert rows["s4"]["Score"] == ""  # nobody looked: empty, not 0
    assert rows["s4"]["Grade"] == "not rated"
    assert float(rows["s1"]["Score"]) > 0
    assert rows["s2"]["Grade"] == "estimated"
    assert rows["s3"]["Area"] == f"'{EVIL_AREA}"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows.values()
                   for cell in row.values())  # fmt: skip


def test_a_day_that_nobody_saw_is_hatched_and_no_zero(lab):
    page = lab.visitor("the-viewer").get(f"{MONTH}/site/s2").text
    [day] = re.findall(r'records\?day=10"><title>([^<]*)', page) or re.findall(
        r"<title>(2026-02-10[^<]*)</title>", page
    )
    assert day == "2026-02-10 nobody looked"
    assert "url(#hatch)" in page
    assert "nobody looked" in page


def test_a_figure_goes_down_to_its_records_and_their_hashes(lab):
    visitor = lab.visitor("the-viewer")
    site = visitor.get(f"{MONTH}/site/s1").text
    assert "cfg-0001" in site
    assert "model-0001" in site
    [link] = set(re.findall(r'href="(/t/t/2026-02/site/s1/records\?weekday=1&amp;hour=9)"', site))
    page = visitor.get(link.replace("&amp;", "&")).text
    assert page.count("<td>door</td>") == 4  # four Tuesdays
    assert "0000000000000001" in page
    with lab.database.reading() as connection:
        chains = connection.execute(text("SELECT chain FROM records WHERE dev = 'd1' LIMIT 1"))
        [(chain,)] = chains.all()
    assert chain in visitor.get(f"{MONTH}/site/s1/records.csv").text
    assert "No record of this time" in visitor.get(f"{MONTH}/site/s2/records?day=10").text


def test_project_and_service_figures_go_down_to_the_registers(lab):
    page = lab.visitor("the-viewer").get(f"{MONTH}/site/s1/registers").text
    assert page.count("手机课堂") == 3
    assert page.count("<td>2026-02-10 ") == 2  # an activity from and to
    assert "<td>2026-02-11</td>" in page  # a case that is due that day
    assert "<td>c5</td>" in page
    levels = dict(re.findall(r"<td>(\d)</td><td class=\"number\">(\d+)</td>", page))
    assert levels == {"5": "60", "4": "0", "3": "0", "2": "0", "1": "2"}
    with lab.database.writing() as connection:
        forget = text("DELETE FROM registers_received WHERE site = 's4' AND kind = 'ratings'")
        connection.execute(forget)
    assert "not received" in lab.visitor("the-viewer").get(f"{MONTH}/site/s4/registers").text


def test_what_centres_are_called_runs_nowhere(lab):
    for name in ("the-viewer", "the-admin"):
        visitor = lab.visitor(name)
        for path in (MONTH, f"{MONTH}/site/s3", f"{MONTH}/print", f"{MONTH}/site/s3/records?day=3"):
            page = visitor.get(path).text
            assert "&lt;script&gt;" in page, path
            assert "<script" not in page
            assert "<img" not in page
            assert not re.search(r"<[a-z]+[^>]*\son\w+=", page)
            assert not re.search(r"<[a-z]+[^>]*\sstyle=", page)


@pytest.mark.parametrize(
    "path",
    [
        "/t/t/2026-02/site/s1%27%20OR%201=1--", "/t/t/2026-02/site/..%2f..%2fetc%2fpasswd",
        "/t/t/2026-02/site/../../../etc/passwd", "/t/t/2026-13", "/t/t/2026-02/site/none",
        "/t/t%27--/2026-02", "/static/../app.py", "/pages.css/../app.py", "/t/t/2025-01",
        "/t/t/2026-02?revision=7", "/t/t/2026-02/compare?from=0&to=draft", "//evil.example/",
    ],
)  # fmt: skip
def test_addresses_of_nothing_lead_nowhere(lab, path):
    answer = lab.visitor("the-viewer").get(path)
    assert answer.status == 404
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("query", ["day=0", "day=99", "day=1%27--", "weekday=7&hour=x", "day=-1"])
def test_odd_questions_for_records_get_the_month(lab, query):
    answer = lab.visitor("the-viewer").get(f"{MONTH}/site/s1/records?{query}")
    assert answer.status == 200
    assert answer.text.count("<td>door</td>") == 80


# --- What is changed -------------------------------------------------------------------------


def test_an_answer_stands_beside_its_flag_which_stays(lab):
    evaluator = lab.visitor("the-evaluator")
    form = {"csrf": evaluator.csrf(), "about": FLAG, "text": "<b>the back door</b>"}
    path = f"{MONTH}/site/s3/flags"
    assert evaluator.post(path, form | {"about": "loops/01/d9"}).status == 422
    for words in (" ", "two\nlines", "x" * 1001):
        assert evaluator.post(path, form | {"text": words}).status == 422
    assert evaluator.post(path, form).status == 303
    page = lab.visitor("the-viewer").get(f"{MONTH}/site/s3").text
    assert "&lt;b&gt;the back door&lt;/b&gt;" in page
    assert "<code>imbalance</code>" in page
    assert "the-evaluator" in page
    assert [entry.about for entry in journal(lab, "answer") if entry.result == "ok"] == [
        f"2026-02 s3 {FLAG}"
    ]


def test_a_month_is_frozen_by_itself_and_revised_by_people_with_a_reason(own_lab):
    own_lab.now_ms = round(FROZEN.timestamp() * 1000)
    evaluator = own_lab.visitor("the-evaluator")
    token = {"csrf": evaluator.csrf()}
    own_lab.desk.keeper.wake()
    wait_until(lambda: "frozen by itself" in evaluator.get(f"{MONTH}/state").text, "it is frozen")
    assert "Data is the same as in the last revision" in evaluator.get(f"{MONTH}/state").text
    before = evaluator.get(MONTH).text
    assert "revision 0" in before
    late = token | {"about": "ratings"}
    answer = evaluator.upload("/t/t/import", late, "late.csv", ratings(5, bad=50))
    assert "55 rows were taken over" in answer.text
    state = wait_until(
        lambda: (page := evaluator.get(f"{MONTH}/state").text)
        and "Data has changed since revision 0" in page and page,
        "the draft follows",
    )  # fmt: skip
    assert evaluator.get(MONTH).text == before  # what is frozen stays as it was
    [digest] = re.findall(r'name="digest" value="(\w+)"', state)
    revise = token | {"digest": digest}
    assert evaluator.post(f"{MONTH}/state", revise).status == 422  # without a reason
    stale = revise | {"digest": "0" * 64, "reason": "ratings came late"}
    assert evaluator.post(f"{MONTH}/state", stale).status == 422
    assert evaluator.post(f"{MONTH}/state", revise | {"reason": "ratings came late"}).status == 303
    state = evaluator.get(f"{MONTH}/state").text
    assert "ratings came late" in state
    assert "the-evaluator" in state
    assert "revision 1" in evaluator.get(MONTH).text
    assert "revision 0" in evaluator.get(f"{MONTH}?revision=0").text
    found = evaluator.get(f"{MONTH}/compare?from=0&to=1").text
    assert "S1 praise rate" in found
    assert "F1 visit rate" not in found
    again = evaluator.post(f"{MONTH}/state", revise | {"reason": "once more"})
    assert again.status == 422


def test_mistakes_of_a_file_are_told_and_nothing_of_it_is_taken(lab):
    evaluator = lab.visitor("the-evaluator")
    token = {"csrf": evaluator.csrf(), "about": "ratings"}
    bad = b"site,at,level\ns1,2026-02-30 10:00,5\ns1,2026-02-03 10:00,9\n"
    answer = evaluator.upload("/t/t/import", token, "../../x<b>.csv", bad)
    assert answer.status == 422
    assert "nothing was taken over" in answer.text
    assert "x&lt;b&gt;.csv:2" in answer.text
    elsewhere = b"site,at,level\nx1,2026-02-03 10:00,5\n"
    assert evaluator.upload("/t/t/import", token, "a.csv", elsewhere).status == 422
    assert evaluator.upload("/t/t/import", token, "a.csv", b"").status == 422
    assert evaluator.upload("/t/t/import", token | {"about": "x"}, "a.csv", b"x").status == 400


def test_what_is_too_large_or_no_form_is_not_read(lab):
    visitor = lab.visitor("the-evaluator")
    token = visitor.csrf()
    large = {"csrf": token, "about": "x" * MOST_FORM_BYTES}
    assert visitor.post(f"{MONTH}/site/s3/flags", large).status == 413
    said_in_pieces = (urlencode(large).encode() for _ in range(1))
    kind = "application/x-www-form-urlencoded"
    answer = visitor.ask("POST", f"{MONTH}/site/s3/flags", said_in_pieces, Content_Type=kind)
    assert answer.status == 413
    for kind, body in (
        ("application/json", b"{}"), ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense"), ("text/plain", b"csrf=x"),
    ):  # fmt: skip
        answer = visitor.ask("POST", f"{MONTH}/state", body, Content_Type=kind)
        assert answer.status in {400, 415}, kind


def test_a_database_that_is_away_is_said_and_comes_back(own_lab, tmp_path):
    visitor = own_lab.visitor("the-viewer")
    assert visitor.get(MONTH).status == 200
    with sqlite3.connect(tmp_path / "city.db") as other:
        other.execute("ALTER TABLE page_sessions RENAME TO elsewhere")
    for path in (MONTH, "/"):
        answer = visitor.get(path)
        assert answer.status == 503
        assert "not available" in answer.text
    with sqlite3.connect(tmp_path / "city.db") as other:
        other.execute("ALTER TABLE elsewhere RENAME TO page_sessions")
    assert visitor.get(MONTH).status == 200


def test_the_journal_names_who_looked_and_who_was_refused(lab):
    lab.visitor("the-viewer").get("/t/t/people")
    lab.visitor("the-viewer").get(f"{MONTH}/site/s1")
    assert any(e.name == "the-viewer" and e.about == "2026-02 s1" for e in journal(lab, "site"))
    assert any(e.name == "the-viewer" and e.result == "role" for e in journal(lab, "users"))
    assert "the-viewer" in lab.visitor("the-admin").get("/t/t/journal").text
