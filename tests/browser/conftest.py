"""A real device with its setup page, and a real Chromium that is driven through it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.adapters.lab_broker import LabBroker, available_kinds
from tests.browser.chromium import browsers
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
    with browsers(lobby.url, tmp_path) as open_:
        yield open_
