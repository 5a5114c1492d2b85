"""The setup page in a real Chromium, by mouse, finger and keys."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.lobby import until


class Page:
    """The page in a Chromium; places in the picture are shares of it."""

    def __init__(self, driver: webdriver.Chrome, url: str, name: str, folder: Path) -> None:
        self.driver, self.url, self.name, self.folder = driver, url, name, folder
        driver.get(url)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def find(self, css: str) -> WebElement:
        """Wait until it is there and shown."""

        script = """
            return [...document.querySelectorAll(arguments[0])].find((e) => e.checkVisibility());
        """
        found: WebElement = until(lambda: self.ask(script, css), f"{css} is shown")
        return found

    def ask(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def text(self, css: str) -> str:
        """The text of everything that matches, empty when nothing does."""
        found = "[...document.querySelectorAll(arguments[0])].map((e) => e.innerText)"
        return self.ask(f"return {found}.join('\\n')", css)

    def wait_for(self, css: str, words: str) -> str:
        until(lambda: words in self.text(css), f"{css} says {words!r}")
        return self.text(css)

    def click(self, css: str) -> None:
        """Click; what was drawn anew meanwhile is looked for again."""

        def clicked() -> bool:
            target = self.find(css)
            try:
                self.ask("arguments[0].scrollIntoView({block: 'center'})", target)
                target.click()
            except StaleElementReferenceException:
                return False
            return True

        until(clicked, f"{css} can be clicked")

    def type(self, css: str, words: str) -> None:
        field = self.find(css)
        field.clear()
        field.send_keys(words)

    def keys(self, *keys: str) -> None:
        ActionChains(self.driver, duration=10).send_keys(*keys).perform()

    def tab_to(self, css: str) -> None:
        """Press Tab until it has the focus."""
        for _ in range(60):
            if self.ask("return document.activeElement.matches(arguments[0])", css):
                return
            self.keys(Keys.TAB)
        raise AssertionError(f"the keyboard never comes to {css}")

    def log_in(self, pin: str) -> None:
        self.type("#pin", pin)
        self.click("form .primary")

    def go(self, view: str) -> None:
        self.ask("location.hash = arguments[0]", view)
        until(lambda: self.ask("return document.body.dataset.view") == view, f"{view} is shown")

    def spot(self, share: tuple[float, float]) -> tuple[float, float]:
        """Where in the window a place of the picture is."""
        script = """
            const svg = document.querySelector(".marks");
            svg.scrollIntoView({block: "center"});
            const {left, top, width, height} = svg.getBoundingClientRect();
            return [left, top, width, height];
        """
        left, top, width, height = self.ask(script)
        return left + share[0] * width, top + share[1] * height

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw with the mouse."""
        (x0, y0), (x1, y1) = self.spot(start), self.spot(end)
        for kind, x, y, buttons in (
            ("mouseMoved", x0, y0, 0),
            ("mousePressed", x0, y0, 1),
            ("mouseMoved", (x0 + x1) / 2, (y0 + y1) / 2, 1),
            ("mouseMoved", x1, y1, 1),
            ("mouseReleased", x1, y1, 0),
        ):
            button = "none" if kind == "mouseMoved" and not buttons else "left"
            event = {"type": kind, "x": x, "y": y, "buttons": buttons, "button": button}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event | {"clickCount": 1})

    def swipe(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw with a finger."""
        (x0, y0), (x1, y1) = self.spot(start), self.spot(end)
        path = [(x0 + (x1 - x0) * k / 4, y0 + (y1 - y0) * k / 4) for k in range(5)]
        for k, (x, y) in enumerate(path):
            self._touch("touchStart" if k == 0 else "touchMove", [{"x": x, "y": y}])
        self._touch("touchEnd", [])

    def tap(self, css: str) -> None:
        """Touch the middle of something."""
        self._tap_at(until(lambda: self._middle(css), f"{css} is shown"))

    def _tap_at(self, place: list[float]) -> None:
        self._touch("touchStart", [{"x": place[0], "y": place[1]}])
        self._touch("touchEnd", [])

    def _middle(self, css: str) -> list[float] | None:
        """Where in the window it is, None when it is not shown."""
        script = """
            const found = document.querySelector(arguments[0]);
            if (!found?.checkVisibility()) return null;
            found.scrollIntoView({block: "center"});
            const {left, top, width, height} = found.getBoundingClientRect();
            return [left + width / 2, top + height / 2];
        """
        return self.ask(script, css)

    def touch(self, share: tuple[float, float]) -> None:
        """Touch a place of the picture."""
        self._tap_at([*self.spot(share)])

    def tap_until(self, css: str, condition: Callable[[], object]) -> None:
        """Touch it, and again while nothing comes of it: a browser may take a tap for the end
        of the swipe before."""

        def tapped() -> bool:
            if not condition() and (place := self._middle(css)):
                self._tap_at(place)
            return bool(condition())

        until(tapped, f"{css} does what it should")

    def _touch(self, kind: str, points: list[dict[str, float]]) -> None:
        self.driver.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    def count(self, line: str) -> int:
        """How many have passed a line since the start, as the overview shows it."""
        css = f'[data-line="{line}"][data-figure="live.{{}}"]'
        return sum(int(self.text(css.format(way)) or 0) for way in ("in", "out"))

    def width(self) -> int:
        """How wide the page is; wider than the window it would have to be pushed about."""
        return int(self.ask("return document.scrollingElement.scrollWidth"))

    def hard_to_hit(self) -> list[str]:
        """What is lower than a fingertip."""
        script = """
            return [...document.querySelectorAll("a, button, input, select, summary")]
                .filter((e) => e.checkVisibility() && !e.matches(".skip"))
                .filter((e) => e.getBoundingClientRect().height < 44)
                .map((e) => e.outerHTML);
        """
        return list(self.ask(script))

    def shoot(self, what: str) -> None:
        """Keep a picture of the page for somebody to look at."""
        self.driver.save_screenshot(str(self.folder / f"{self.name}-{what}.png"))

    def complaints(self) -> list[str]:
        """What the browser held against the page, but for requests the device refused."""
        entries = self.driver.get_log("browser")
        return [e["message"] for e in entries if "Failed to load resource" not in e["message"]]

    def strangers(self) -> set[str]:
        """Addresses asked for that are not the device's."""
        events = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        asked = {
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }
        assert any(url.startswith(self.url) for url in asked), asked
        return {url for url in asked if not url.startswith(self.url)}
