"""Real Chromiums, of a desk or of a phone, that may neither complain nor ask elsewhere."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.page import Page


@contextmanager
def browsers(url: str, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """A factory of browsers at an address; closed afterwards, and asked what they have seen."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs Chromium and its driver, e.g. apt install chromium chromium-driver")
    opened: list[Page] = []
    folder = Path(os.environ.get("LOBBYCOUNT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def open_(language: str, name: str, *, phone: bool = False) -> Page:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        size = (390, 844) if phone else (1280, 800)
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            f"--lang={language}",
            f"--accept-lang={language}",
            f"--window-size={size[0]},{size[1]}",
        ):
            options.add_argument(argument)
        if phone:
            metrics = {"width": size[0], "height": size[1], "pixelRatio": 2.0}
            metrics |= {"touch": True, "mobile": True}
            options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(driver)
        browser = webdriver.Chrome(options=options, service=service)
        if not phone:
            metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        opened.append(Page(browser, url, name, folder))
        return opened[-1]

    try:
        yield open_
        for page in opened:
            assert page.complaints() == []
            assert page.strangers() == set()
    finally:
        for page in opened:
            page.driver.quit()
