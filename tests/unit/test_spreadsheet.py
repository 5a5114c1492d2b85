"""Tables out of spreadsheets, with every trace that offices leave in them."""

from datetime import date, datetime

import pytest

from edge.errors import BadInputError
from evaluation.register_rows import activity_rows, case_rows, rating_rows
from evaluation.registry_rows import device_rows, site_rows, special_day_rows
from evaluation.spreadsheet import a_count, a_day, a_minute, a_moment

SITES = "编号,名称,街道,常住人口,开放时间\nsite-001,幸福里,和平街道,8200,周一至周五 9:00-17:30\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_table_is_read_as_offices_write_it(encoding, ending, delimiter):
    content = SITES.replace("\n", ending).replace(",", delimiter).encode(encoding)
    rows = site_rows(content, "sites.csv", "street")
    assert rows["sites"] == [
        {"site": "site-001", "name": "幸福里", "area": "和平街道", "tenant": "street"}
        | {"time_zone": "Asia/Shanghai"}
    ]
    assert rows["site_residents"][0]["residents"] == 8200
    assert [row["hours"] for row in rows["site_hours"]] == ["[[540,1050]]"] * 5 + ["[]"] * 2


def test_columns_may_be_in_any_order_english_and_with_others_beside_them():
    table = 'hours,remark,residents,site,name\ndaily 9:00-10:00,x,"1,200",s1,A\n\n,,,,\n'
    rows = site_rows(table.encode(), "s.csv", "t")
    assert (rows["sites"][0]["site"], rows["site_residents"][0]["residents"]) == ("s1", 1200)


def test_every_mistake_is_told_at_once_by_row_and_column_in_both_languages():
    table = SITES + "Site 2,桃源,,many,always\n,无名,,5,每天 9:00-10:00\n"
    with pytest.raises(BadInputError) as raised:
        site_rows(table.encode(), "sites.csv", "t")
    told = str(raised.value)
    for part in (
        "sites.csv:3: site (编号): 'Site 2' is no id",
        "sites.csv:3: residents (常住人口): 'many' is no whole number",
        "'many' 不是整数",
        "sites.csv:3: hours (开放时间):",
        "sites.csv:4: site (编号): is empty",
        "nothing was taken over 没有导入任何内容",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "lacks site"),
        (b"a,b\n1,2\n", "lacks site"),
        (b"PK\x03\x04xxxx", "CSV UTF-8"),
        ("编号".encode("utf-16"), "CSV UTF-8"),
        (b"\xff\x00\x81", "neither UTF-8 nor GB18030"),
    ],
)
def test_what_is_no_table_is_told_with_what_works(content, why):
    with pytest.raises(BadInputError, match=why):
        site_rows(content, "x.csv", "t")


def test_the_same_site_may_be_there_with_another_date_but_not_twice():
    header = "site,name,residents,hours,from_day\n"
    table = header + "s1,Old,100,daily 9:00-10:00,\ns1,New,200,daily 9:00-10:00,2026-07-01\n"
    rows = site_rows(table.encode(), "s.csv", "t")
    assert [row["name"] for row in rows["sites"]] == ["New"]
    assert [row["from_day"] for row in rows["site_residents"]] == ["2000-01-01", "2026-07-01"]
    with pytest.raises(BadInputError, match="same as row 2"):
        site_rows((header + "s1,A,1,daily 9:00-10:00,\n" * 2).encode(), "s.csv", "t")


def test_devices_have_places_dates_and_lines():
    table = (
        "dev,site,place,from_day,to_day,lines\nd1,s1,,2026-01-01,2026-02-01,door;side\nd2,s1,,,,\n"
    )
    rows = device_rows(table.encode(), "d.csv", "t")
    assert rows["devices"][0] == {"dev": "d1", "tenant": "t", "lines": ["door", "side"]}
    assert rows["device_sites"][0]["to_day"] == "2026-02-01"
    assert rows["device_sites"][1] == {
        "dev": "d2", "site": "s1", "place": "d2", "from_day": "2000-01-01", "to_day": None,
    }  # fmt: skip
    backwards = b"dev,site,from_day,to_day\nd1,s1,2026-02-01,2026-01-01\n"
    with pytest.raises(BadInputError, match="not after from_day"):
        device_rows(backwards, "d.csv", "t")


def test_special_days_are_of_one_site_or_of_all():
    table = "编号,日期,开放时间\n*,2026年2月17日,休息\n全部,2026/2/18,closed\n"
    table += "s1,2026-02-15,9:00-12:00\n"
    rows = special_day_rows(table.encode(), "x.csv", "t")["special_days"]
    assert [(row["site"], row["day"], row["hours"]) for row in rows] == [
        ("*", "2026-02-17", "[]"),
        ("*", "2026-02-18", "[]"),
        ("s1", "2026-02-15", "[[540,720]]"),
    ]


def test_activities_ratings_and_cases():
    activities = "编号,活动编号,活动名称,开始,结束,是否举办,人群\n"
    activities += "s1,a1,课堂,2026-01-15 9:30,2026-01-15 11:00,是,elderly、youth\n"
    [activity] = activity_rows(activities.encode("gb18030"), "a.csv")
    assert activity["held"] is True
    assert activity["audiences"] == ["elderly", "youth"]
    assert (activity["expected"], activity["attended"]) == (None, None)
    assert activity["begin"] == datetime(2026, 1, 15, 9, 30)
    ratings = "site,at,level\n" + "s1,2026-01-15 10:20,5\n" * 2 + "s1,2026-01-15 10:20,不满意\n"
    rows = rating_rows(ratings.encode(), "r.csv")
    assert [row["level"] for row in rows] == [5, 5, 2]
    assert len({row["rating"] for row in rows}) == 3
    assert rows == rating_rows(ratings.encode(), "again.csv")
    [case] = case_rows(b"site,case,due,done\ns1,c1,2026-01-31,\n", "c.csv")
    assert (case["due"], case["done"]) == (datetime(2026, 2, 1), None)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (a_count, "１２", 12),
        (a_count, "30.0", 30),
        (a_day, "2026/1/5", date(2026, 1, 5)),
        (a_day, "2026.01.05", date(2026, 1, 5)),
        (a_minute, "24:00", 1440),
        (a_minute, "9:05:00", 545),
        (a_moment, "2026-01-05", datetime(2026, 1, 5)),
        (a_moment, "2026-01-05T09:07", datetime(2026, 1, 5, 9, 7)),
    ],
)
def test_cells(parse, text, expected):
    assert parse(text) == expected
