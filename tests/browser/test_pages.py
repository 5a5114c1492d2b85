"""The evaluation's pages as its users meet them, in Chromium, on a small city.

Screenshots go to the folder named by LOBBYCOUNT_SCREENSHOTS, else to the test's own.
"""

import base64
import re

import pytest
from selenium.webdriver.common.by import By

from tests.browser.chromium import browsers
from tests.browser.lobby import until
from tests.system.pages_city import EVIL_NAME, FROZEN, PASSWORD, PagesLab, ratings

MONTH = "t/t/2026-02"
WRITTEN = ("中心", "街道", "评价机数据补传", "后门没有装设备")
CHINESE = re.compile("[\u4e00-\u9fff]+")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    with PagesLab(f"sqlite:///{folder}/city.db", FROZEN) as made:
        yield made


@pytest.fixture
def open_page(lab, tmp_path):
    with browsers(f"http://127.0.0.1:{lab.port}/", tmp_path) as open_:
        yield open_


def log_in(page, name, password=PASSWORD):
    page.type("#name", name)
    page.type("#password", password)
    page.click("form .button")


def go(page, path):
    page.driver.get(page.url + path)


def shoot(page, what):
    """The whole page, not only the window."""
    high = min(page.ask("return document.documentElement.scrollHeight"), 4000)
    wide = page.ask("return window.innerWidth")
    clip = {"x": 0, "y": 0, "width": wide, "height": high, "scale": 1}
    taken = page.driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
    )
    path = page.folder / f"{page.name}-{what}.png"
    path.write_bytes(base64.b64decode(taken["data"]))


def test_an_evaluator_follows_a_figure_answers_a_flag_and_revises_a_month(lab, open_page, tmp_path):
    page = open_page("zh-CN", "pages-zh")
    log_in(page, "the-evaluator", "wrong wrong wrong")
    page.wait_for(".problem", "用户名或密码不正确")
    shoot(page, "1-login")
    log_in(page, "the-evaluator")
    page.wait_for("h1", "2026-02 排行")
    assert page.ask("return document.documentElement.lang") == "zh-CN"
    page.wait_for(".facts", "修订 0")  # frozen by itself
    assert "1 / 3" in page.text(".league")
    assert "不排名" in page.text(".league")
    assert EVIL_NAME in page.text(".league")  # as text
    shoot(page, "2-league")

    page.driver.find_element(By.LINK_TEXT, "阳光里党群服务中心").click()
    page.wait_for("h1", "阳光里党群服务中心")
    shoot(page, "3-site")
    page.click('svg a[href$="?day=11"]')  # hatched: its device was off
    page.wait_for(".notice", "没有收到这段时间的记录")
    page.driver.back()
    page.click('svg a[href$="?weekday=1&hour=9"]')
    page.wait_for("h1", "二 09:00–10:00")
    assert "cfg-0001" in page.text(".records")
    shoot(page, "4-records")

    go(page, f"{MONTH}/site/s3#flags")
    page.type('form[action$="flags"] [name=text]', "后门没有装设备")
    page.click('form[action$="flags"] .button')
    page.wait_for("blockquote", "后门没有装设备")
    assert "imbalance" in page.text("#flags")
    shoot(page, "5-answered")

    import_late_ratings(page, tmp_path)
    page.type("#reason", "评价机数据补传")
    shoot(page, "6-month")
    page.click("main form .button")
    page.wait_for("table", "评价机数据补传")
    page.driver.find_element(By.LINK_TEXT, "与 0 比较").click()
    page.wait_for("table", "S1 好评率")
    shoot(page, "7-compare")

    print_report(page)


def import_late_ratings(page, folder):
    go(page, "t/t/import")
    table = folder / "late.csv"
    table.write_bytes(ratings(5, bad=50))
    page.ask("arguments[0].value = 'ratings'", page.find("#about"))
    page.find("#file").send_keys(str(table))
    page.click("form.card .button")
    page.wait_for(".good", "已导入 55 行")
    go(page, f"{MONTH}/state")

    def draft_has_changed():
        page.driver.refresh()
        return "修订 0 之后数据有变化" in page.text(".notice")

    until(draft_has_changed, "the draft follows the import")


def print_report(page):
    go(page, f"{MONTH}/print")
    page.wait_for("h1", "2026-02 月报")
    shoot(page, "8-print")
    printed = page.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    (page.folder / f"{page.name}-8-print.pdf").write_bytes(pdf)
    [(wide, high)] = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf))
    assert (round(float(wide)), round(float(high))) == (595, 842)  # A4


def test_a_phone_shows_it_in_english_and_nothing_is_pushed_about(lab, open_page):
    page = open_page("en-GB", "pages-phone-en", phone=True)
    log_in(page, "the-admin")
    page.wait_for("h1", "2026-02 League")
    names = ("", "/site/s2", "/state", "/site/s2/records?day=3", "/print")
    for path in (*(MONTH + name for name in names), "t/t/fleet", "t/t/import", "t/t/people"):
        go(page, path)
        page.find("h1")
        assert page.width() == 390, path
        shoot(page, path.removeprefix("t/t/").replace("/", "-").partition("?")[0])
        # Only what people wrote is in the other language.
        strange = CHINESE.findall(page.text("main")) if path != "t/t/import" else []
        assert {each for each in strange if not each.endswith(WRITTEN)} == set(), path
    go(page, f"{MONTH}?lang=zh")
    page.wait_for("h1", "排行")
    go(page, "t/t/fleet")
    page.wait_for("h1", "设备")  # the choice is remembered
