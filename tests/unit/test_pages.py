"""The parts of the evaluation's pages that need no database: plots, tables, words, forms."""

import re
from datetime import date
from pathlib import Path

import pytest

from edge.errors import BadInputError
from evaluation.closing import State
from evaluation.pages.compare import differences
from evaluation.pages.csv_text import csv_text, plain
from evaluation.pages.day_series import Days, day_series, nice
from evaluation.pages.forms import read_form
from evaluation.pages.heat_map import heat_map, shown_hours
from evaluation.pages.league_page import classes
from evaluation.pages.passwords import checked_password, hashed, is_password
from evaluation.pages.range_bar import range_bar
from evaluation.pages.refusal import Refusal
from evaluation.pages.render import part, quantity, rank
from evaluation.pages.roles import Role, role_in
from evaluation.pages.trend_line import Point, trend_line
from evaluation.pages.words import PARTS, TEXTS

TEMPLATES = Path("evaluation/pages/templates")
CODE = Path("evaluation/pages")
USED = re.compile(r"\bt\('(\w+)'|(?<![.\w])text\(\"(\w+)\"")
HATCH = "url(#hatch)"
PUT_TOGETHER = {*State, "named", "proposed"}


# --- Words -----------------------------------------------------------------------------------


def test_every_text_is_there_in_both_languages_and_every_one_is_used():
    for name, (zh, en) in TEXTS.items():
        assert zh.strip(), name
        assert en.strip(), name
        assert zh.count("{}") == en.count("{}"), name
        assert re.search("[\u4e00-\u9fff]", zh) or name == "other_language", name
    sources = [*TEMPLATES.glob("*.html"), *CODE.glob("*.py")]
    said = "\n".join(path.read_text("utf-8") for path in sources if path.name != "words.py")
    asked = {one or other for one, other in USED.findall(said)}
    assert asked <= set(TEXTS)
    for name in set(TEXTS) - asked:
        # Those that are put together: a state, a section, a kind, a heading of a table.
        stem = name.removesuffix("_about")
        assert f'"{stem}"' in said or f"'{stem}'" in said or stem in PUT_TOGETHER


def test_nothing_in_the_pages_is_inline_or_comes_from_elsewhere():
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|https?:|\|\s*safe", text), path
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL):
            assert "csrf" in form or 'name="before"' in form, path
    style = (CODE / "static" / "pages.css").read_text("utf-8")
    assert not re.search(r"https?:|url\(|@import", style)


# --- Tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", " =1"]
)
def test_no_text_is_computed_by_a_spreadsheet(cell):
    assert plain(cell) == f"'{cell}"
    assert csv_text(["a"], [[cell]]).startswith("\ufeffa\r\n")


def test_numbers_stay_numbers_and_nothing_stays_nothing():
    assert csv_text(["=a", "b"], [[-1.5, None], ["a-b", 0]]) == "\ufeff'=a,b\r\n-1.5,\r\na-b,0\r\n"


# --- Plots -----------------------------------------------------------------------------------


def hours(**cells):
    found = [[0.0] * 24 for _ in range(7)]
    for name, value in cells.items():
        day, hour = map(int, name[1:].split("_"))
        found[day][hour] = value
    return found


def test_an_hour_that_nobody_saw_is_hatched_and_one_without_visitors_says_0():
    pattern = hours(h1_9=6.0, h1_10=None, h1_11=0.0, h1_12=3.0)
    made = heat_map(pattern, "en", "visits", lambda day, hour: f"/r?{day}-{hour}")
    cells = dict(re.findall(r'<a href="/r\?(\d-\d+)">(.*?)</a>', made)) or {
        href: body for body, href in re.findall(r"<a href=\"/r\?(\d-\d+)\"[^>]*>(.*?)</a>", made)
    }
    assert HATCH in cells["1-10"]
    assert "nobody looked" in cells["1-10"]
    assert HATCH not in cells["1-11"]
    assert ">0</text>" in cells["1-11"]
    assert ">6.0</text>" in cells["1-9"]
    assert shown_hours(pattern) == range(8, 14)


def test_a_day_is_closed_or_unseen_or_partly_seen():
    days = Days(date(2026, 2, 1), [None, None, 30, 40], [None, 0.0, 0.5, 1.0], (0.95, 0.7))
    made = day_series(days, "en", "visits", lambda day: f"/r?{day}")
    told = re.findall(r"<title>(2026-[^<]*)</title>", made)
    assert told == [
        "2026-02-01 closed", "2026-02-02 nobody looked", "2026-02-03 30 visits, coverage 50%",
        "2026-02-04 40 visits, coverage 100%",
    ]  # fmt: skip
    closed, unseen, partly, seen = re.findall(r"<a href=[^>]*>(.*?)</a>", made)
    assert HATCH not in closed
    assert unseen.count(HATCH) == 2
    assert partly.count(HATCH) == 2  # above the bar, and in the strip of coverage
    assert seen.count(HATCH) == 1  # behind the whole strip


@pytest.mark.parametrize(("most", "round_"), [(1, 1), (3, 5), (7, 10), (11, 20), (480, 500)])
def test_an_axis_ends_at_a_round_number(most, round_):
    assert nice(most) == round_


def test_a_score_is_a_bar_with_a_whisker_and_none_is_hatched():
    figure = {"value": 50.0, "low": 40.0, "high": 60.0, "grade": "estimated"}
    made = range_bar(figure, "50.0 <b>")
    assert "stroke-dasharray" in made
    assert "&lt;b&gt;" in made
    assert HATCH not in made
    none = dict.fromkeys(("value", "low", "high")) | {"grade": "not_rated"}
    assert HATCH in range_bar(none, "not rated")


def test_a_trend_has_no_line_through_a_month_that_was_not_rated():
    def point(month, value):
        return Point(month, value, value, value)

    def way(points):
        """The moves (M) and lines (L) of the path."""
        [path] = re.findall(r'<path d="([^"]*)"[^>]*stroke-width="1.5"', trend_line(points, "t"))
        return "".join(re.findall("[ML]", path))

    whole = [point("2026-01", 50.0), point("2026-02", 60.0), point("2026-03", 55.0)]
    gap = [whole[0], Point("2026-02", None, None, None), whole[2]]
    assert way(whole) == "MLL"
    assert way(gap) == "MM"
    assert way([whole[0], None, whole[2]]) == "MM"
    assert trend_line(gap, "t").count(HATCH) == 1
    assert HATCH not in trend_line([whole[0], None, whole[2]], "t")
    draft = Point("2026-03", 55.0, 50.0, 60.0, is_closed=False)
    assert "<circle" in trend_line([whole[0], draft], "t")
    assert "<circle" not in trend_line(whole, "t")


def test_figures_are_said_as_people_say_them():
    assert quantity(0.123, "space_use") == "12.3%"
    assert quantity(12.3456, "visit_rate") == "12.35"
    assert quantity(None, "visit_rate") == "—"
    assert rank([2, 4, 9]) == "2–4 / 9"
    assert rank([1, 1, 9]) == "1 / 9"
    assert part(("coverage", 0.951), "zh") == "覆盖率 95.1%"
    assert part(("residents", 12000), "en") == "residents 12,000"
    assert part(("known", None), "en").endswith("—")
    assert {"seen", "filled"} <= set(PARTS)


# --- Comparing -------------------------------------------------------------------------------


def report(value, flags=(), **more):
    none = {"value": None, "low": None, "high": None, "grade": "not_rated", "reason": None}
    figure = none if value is None else none | {
        "value": value, "low": value, "high": value, "grade": "reliable",
    }  # fmt: skip
    site = {
        "site": "s1", "name": "One", "score": figure, "rank": None, "residents": 10,
        "open_days": 20, "indicators": {"F1": {"figure": figure}}, "flags": list(flags),
        "pattern": {"days": [None, 3]},
    }  # fmt: skip
    indicator = {"id": "F1", "kind": "visit_rate", "zh": "到访率", "en": "visit rate"}
    return {"scheme": {"indicators": [indicator]}, "sites": [site | more]}


def test_what_differs_is_told_and_nothing_else():
    flag = {"code": "loops", "day": 2, "source": "d1", "zh": "绕", "en": "around"}
    assert differences(report(5.0), report(5.0), "en") == []
    found = differences(report(5.0), report(None, [flag]), "en")
    assert [(each.what, each.before, each.after) for each in found] == [
        ("Score", "5.0 (5.0 – 5.0) reliable", "not rated"),
        ("F1 visit rate", "5.00 (5.00 – 5.00) reliable", "not rated"),
        ("Flags loops/03/d1", "—", "around"),
    ]
    gone = differences(report(5.0), {**report(5.0), "sites": []}, "zh")
    assert {each.after for each in gone} == {"—"}


# --- Passwords, roles, forms -----------------------------------------------------------------


def test_a_password_is_known_again_and_its_hash_names_its_cost():
    kept = hashed("correct horse battery")
    assert kept.startswith("scrypt$32768$8$3$")
    assert is_password("correct horse battery", kept)
    assert not is_password("correct horse batterz", kept)
    assert not is_password("", None)
    assert not is_password("x", "damaged")


@pytest.mark.parametrize(
    "password", ["short", "x" * 129, "aaaaaaaaaaaaaaa", "zhang.wei 2026", "\0" * 12]
)
def test_a_poor_password_is_refused_with_an_example(password):
    with pytest.raises(BadInputError, match="密码"):
        checked_password(password, "zhang.wei")


def test_the_higher_of_two_roles_holds():
    roles = {"t": Role.VIEWER, "*": Role.EVALUATOR}
    assert role_in(roles, "t") is Role.EVALUATOR
    assert role_in({"t": Role.ADMIN}, "u") is None
    assert [Role.EVALUATOR.covers(each) for each in Role] == [True, True, False]


def test_a_file_comes_as_it_was_sent_and_names_nothing_here():
    content = b"a,b\r\n--x\r\n\x00\xff"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="about"\r\n\r\nratings\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="..\\..\\etc/pass.csv"\r\n'
        b"Content-Type: text/csv\r\n\r\n" + content + b"\r\n--b--\r\n"
    )
    form = read_form("multipart/form-data; boundary=b", body)
    assert form.text("about") == "ratings"
    assert form.files["file"].content == content
    assert form.files["file"].name == "pass.csv"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=b", b"--b\r\nname\r\n--b--"),
        ("multipart/form-data; boundary=b", b"--b"),
        ("multipart/form-data", b""),
        ("application/x-www-form-urlencoded", b"a=1&" * 99),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", b"a=%00"),
        ("text/plain", b""),
    ],
)
def test_what_is_no_form_is_refused(kind, body):
    with pytest.raises(Refusal):
        read_form(kind, body)


# --- The order of a league ----------------------------------------------------------------------


def test_a_centre_of_which_little_is_known_does_not_stand_above_a_better_one():
    def site(name, score, place):
        return {"site": name, "size_class": "small", "rank": place, "score": {"value": score}}

    vague, good, best = (
        site("a", 63.1, [1, 24, 33]),
        site("b", 73.0, [2, 12, 33]),
        site("c", 77.6, [1, 8, 33]),
    )
    unseen, equal = site("d", None, None), site("e", 73.0, [3, 12, 33])
    scheme = {"size_classes": [{"id": "small", "below": None}]}
    [found] = classes({"scheme": scheme, "sites": [unseen, vague, equal, good, best]})
    assert [each["site"] for each in found["sites"]] == ["c", "b", "e", "a", "d"]
