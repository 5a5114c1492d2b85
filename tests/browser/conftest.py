"""A real device with its setup page, and a real Chromium that is driven through it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from edge.adapters.lab_broker import LabBroker, available_kinds
from tests.browser.lobby import Lobby
from tests.browser.page import Page


@pytest.fixture(scope="session")
def browser_broker() -> Iterator[int]:
    if "mosquitto" not in available_kinds():
        pytest.skip("needs mosquitto")
    with LabBroker("mosquitto") as broker:
        yield broker.port


@pytest.fixture
def lobby(tmp_path: Path, browser_broker: int) -> Iterator[Lobby]:
    device = Lobby(tmp_path, browser_broker)
    try:
        device.start()
        yield device
        device.stop()
    finally:
        device.kill()


@pytest.fixture
def open_page(lobby: Lobby, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """A factory of browsers; whatever they did, they may not have complained or asked elsewhere."""
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
        opened.append(Page(browser, lobby.url, name, folder))
        return opened[-1]

    yield open_
    try:
        for page in opened:
            assert page.complaints() == []
            assert page.strangers() == set()
    finally:
        for page in opened:
            page.driver.quit()
