"""The setup page as its users meet it: Chromium, the running device, real footage, a real broker.

Screenshots go to the folder named by LOBBYCOUNT_SCREENSHOTS, else to the test's own.
"""

import re
from itertools import pairwise

import pytest
from ruamel.yaml import YAML
from selenium.webdriver.common.keys import Keys

from tests.browser.lobby import until

MIDDLE = (0.45, 0.78), (0.80, 0.30)  # across the ways most people of the clip walk
VIEWS = ("overview", "draw", "tally", "privacy")
CHINESE = re.compile("[\u4e00-\u9fff]+")


def config_of(lobby):
    return YAML(typ="safe").load(lobby.path)


def lines_of(lobby):
    return {line["id"]: line for line in config_of(lobby)["lines"]}


def test_a_line_is_drawn_counts_and_survives_a_broken_config(lobby, open_page):
    page = open_page("zh-CN", "desktop-zh")
    page.shoot("1-login")
    page.log_in("0000000")
    assert "PIN" in until(lambda: page.text("#pin-error"), "the wrong PIN is told")
    page.shoot("2-wrong-pin")
    page.log_in(lobby.pin)
    page.wait_for(".state h1", "正常")
    assert page.ask("return document.documentElement.lang") == "zh-CN"
    page.shoot("3-overview")

    page.go("draw")
    page.find(".stage:not(.empty)")
    page.click("[data-add=line]:enabled")
    page.drag(*MIDDLE)
    page.type("#item-name", "中间")
    page.click("#flip")
    page.wait_for(".saving", "有未保存的修改")
    page.shoot("4-drawn")
    page.click("#save")
    page.wait_for(".saving", "都已保存")
    drawn = lines_of(lobby)["line-1"]
    assert (drawn["name"], drawn["in"], len(drawn["points"])) == ("中间", "left", 2)
    assert drawn["points"][0] == pytest.approx(MIDDLE[0], abs=0.01)
    assert "This comment has to survive every edit." in lobby.path.read_text("utf-8")

    page.go("overview")
    until(lambda: page.count("line-1") > 0, "somebody is counted at the new line")
    page.shoot("5-counting")

    good = lobby.path.read_text("utf-8")
    at = next(k for k, row in enumerate(good.splitlines(), 1) if row.startswith("camera:"))
    lobby.path.write_text(good.replace("fps: 10}", "fps: 10]}"), "utf-8")
    page.wait_for(".notice.broken", f"第 {at} 行")
    assert "继续按上一次正确的配置计数" in page.text(".notice.broken")
    assert "不是正确的 YAML：" in page.text(".notice.broken .why")
    assert "not valid" not in page.text(".notice.broken")
    before = page.count("line-1")
    page.shoot("6-broken-config")
    until(lambda: page.count("line-1") > before, "counting goes on with the last good config")
    lobby.path.write_text(good, "utf-8")
    until(lambda: not page.all(".notice.broken"), "the message is gone")
    page.wait_for(".state h1", "正常")
    page.shoot("7-recovered")


def test_on_a_phone_a_line_is_drawn_and_people_are_tallied(lobby, open_page):
    page = open_page("en-GB", "phone-en", phone=True)
    page.log_in(lobby.pin)
    page.wait_for(".state h1", "All is well")
    page.go("draw")
    page.find(".stage:not(.empty)")
    page.tap("[data-add=line]:enabled")
    page.swipe(*MIDDLE)
    page.wait_for(".saving", "Not saved yet")
    page.shoot("draw-unsaved")
    page.tap_until("#save", lambda: "line-1" in lines_of(lobby))
    page.swipe(MIDDLE[0], (0.40, 0.80))
    page.wait_for(".saving", "Not saved yet")
    moved = pytest.approx([0.40, 0.80], abs=0.01)
    page.tap_until("#save", lambda: lines_of(lobby)["line-1"]["points"][0] == moved)
    page.tap("[data-add=zone]:enabled")
    corners = [(0.1, 0.2), (0.3, 0.2), (0.2, 0.5)]
    for corner in corners:
        page.touch(corner)
    page.tap_until(".tools-row .primary", lambda: page.text("#item-kind"))
    page.shoot("zone-by-taps")
    page.tap_until("#save", lambda: "zones" in config_of(lobby))
    assert config_of(lobby)["zones"][0]["polygon"] == [pytest.approx(c, abs=0.01) for c in corners]

    page.go("tally")
    until(lambda: "line-1" in page.text("#tally-line"), "the line can be tallied")
    page.ask("document.getElementById('tally-line').value = 'line-1'")
    page.type("#tally-by", "王芳")
    page.shoot("tally-begin")
    page.tap("form .primary")
    for way in ("in", "in", "out"):
        page.tap(f".count.{way}")
    until(
        lambda: (page.text("[data-tally=in]"), page.text("[data-tally=out]")) == ("2", "1"),
        "tallied",
    )
    page.tap("#tally-undo")
    until(lambda: page.text("[data-tally=out]") == "0", "the last one is undone")
    page.shoot("tally-counting")
    page.driver.refresh()  # what was tallied is on the device
    until(lambda: page.text("[data-tally=in]") == "2", "the tally goes on after a reload")
    page.tap("#tally-stop")
    page.tap("#tally-stop")
    page.wait_for(".state h2", "Too early to tell")  # no whole interval was watched
    assert re.search(r"go on until \d\d:\d\d, when", page.text(".state.calm p"))
    page.shoot("tally-verdict")


@pytest.mark.parametrize(
    ("browser_speaks", "lang", "phone"), [("de-DE", "zh-CN", True), ("en-GB", "en", False)]
)
def test_every_view_is_in_one_language_and_fits(lobby, open_page, browser_speaks, lang, phone):
    """Chinese for whoever does not read English, until the reader says otherwise."""
    page = open_page(browser_speaks, f"{'phone' if phone else 'desktop'}-{lang[:2]}", phone=phone)
    until(lambda: page.ask("return document.documentElement.lang") == lang, "it is in " + lang)
    page.log_in(lobby.pin)
    for view in VIEWS:
        page.go(view)
        page.find("main h1, main .state, main .stage")
        if view == "draw":
            page.click("[data-item=corner]")
            page.find("#flip")
        page.shoot(view)
        assert page.width() <= (390 if phone else 1280), view
        assert page.hard_to_hit() == [], view
        if lang == "en":
            words = page.text("main").replace("角落", "").replace("进 IN", "")
            assert CHINESE.findall(words) == [], view
    page.click(".head .quiet")
    page.driver.refresh()
    page.wait_for(".nav", "Overview" if lang == "zh-CN" else "总览")


def test_a_line_is_drawn_with_the_keyboard_alone(lobby, open_page):
    page = open_page("zh-CN", "keyboard")
    page.find("#pin")
    page.keys(*lobby.pin, Keys.ENTER)
    page.wait_for(".state h1", "正常")
    page.tab_to(".nav.top [href='#draw']")
    page.keys(Keys.ENTER)
    page.find(".stage")
    page.find("[data-add=line]:enabled")
    page.tab_to("[data-add=line]")
    page.keys(Keys.ENTER)  # the focus goes to "in the middle"
    page.keys(Keys.ENTER)  # and to the first point
    page.keys(Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_UP)
    page.keys(Keys.INSERT, Keys.ARROW_DOWN)
    page.shoot("points")
    page.tab_to("[data-add=mask]")
    page.keys(Keys.ENTER, Keys.ENTER, Keys.DELETE, Keys.DELETE)  # a square, then its last three
    page.tab_to("#save")
    page.keys(Keys.ENTER)
    page.wait_for(".saving", "都已保存")
    drawn = lines_of(lobby)["line-1"]
    assert drawn["points"] == [[0.31, 0.48], [0.505, 0.5], [0.7, 0.5]]
    assert drawn["in"] == "down"
    assert len(config_of(lobby)["camera"]["masks"][0]) == 3


def test_an_unsaved_drawing_survives_a_restart_and_somebody_elses_edit(lobby, open_page):
    page = open_page("zh-CN", "restart")
    page.log_in(lobby.pin)
    page.go("draw")
    page.click("[data-add=zone]:enabled")
    page.drag((0.2, 0.5), (0.4, 0.8))
    page.type("#item-name", "等候区")
    page.wait_for(".saving", "有未保存的修改")
    lobby.stop()
    page.wait_for(".notice.lost", "失去联系")
    top = page.ask("return document.querySelector('.notice.lost').getBoundingClientRect().top")
    assert 0 <= top < 400, "it is seen wherever one has scrolled to"
    page.shoot("1-no-contact")
    lobby.start()
    page.wait_for(".farewell", "已退出")
    page.shoot("2-logged-out")
    page.log_in(lobby.pin)
    page.wait_for(".saving", "有未保存的修改")

    theirs = lobby.path.read_text("utf-8").replace("name: 角落", "name: 拐角")
    lobby.path.write_text(theirs, "utf-8")
    page.click("#save")
    page.find("#keep-mine")
    page.shoot("3-conflict")
    page.click("#keep-mine")
    page.wait_for(".saving", "都已保存")
    zone = config_of(lobby)["zones"][0]
    assert (zone["name"], len(zone["polygon"])) == ("等候区", 4)

    page.click("[data-add=line]:enabled")
    page.drag((0.3, 0.3), (0.6, 0.3))
    page.ask("document.querySelector('.item details').open = true")
    page.type("#item-id", "Not An Id")
    page.click("#save")
    page.wait_for(".saving .problem", "Not An Id")
    assert page.find(".mark.wrong")
    page.shoot("4-not-saved")
    page.click("#discard")
    page.wait_for(".saving", "都已保存")

    page.click("[data-item=corner]")
    page.find("#item-audience").send_keys("仅")  # as one picks from a list by its first letter
    page.wait_for(".saving", "有未保存的修改")
    page.click("#save")
    page.wait_for(".saving", "都已保存")
    page.go("overview")
    page.wait_for(".line .tag", "仅工作人员")


def test_the_page_says_in_words_which_way_people_enter_as_the_config_means_it(lobby, open_page):
    """edge/config_drawings.py decides; shapes.js has to agree with it for every line."""
    from edge.config_drawings import LineSection

    page = open_page("zh-CN", "words")
    ways = [((k * 37 % 101) / 101, (k * 53 % 103) / 103) for k in range(120)]
    lines = [[*pair] for pair in pairwise(ways)]
    script = """
        const [lines, done] = arguments;
        import("/static/shapes.js").then(({wordFor}) =>
            done(lines.map((points) => [wordFor(points, 1), wordFor(points, -1)])));
    """
    said = page.driver.execute_async_script(script, lines)
    for points, words in zip(lines, said, strict=True):
        entries = [
            LineSection.model_validate({"id": "a", "points": points, "in": word}).line().entry
            for word in words
        ]
        assert entries == [1, -1], points
