"""Real brokers and an independent subscriber for every test that needs one."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
import pytest
import structlog
from hypothesis import settings
from paho.mqtt.enums import CallbackAPIVersion

from edge.adapters.lab_broker import Kind, LabBroker, available_kinds
from evaluation.lab_database import LabDatabase, binaries

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import lab_ca as lab_authority

WAIT_S = 10.0
WEIGHTS = {"system": 5, "browser": 5, "contract": 2}
"""About how much longer a test file of a folder takes than one of the others, by its size."""

# Where a shell started this in the background, children would inherit that it is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure: nothing here is about time.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A verb that ran in this process has set how logs look; the next test begins anew."""
    yield
    structlog.reset_defaults()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`scripts/test --chaos`: the long, seeded campaigns, up to 15 minutes; `--install`: 8."""
    parser.addoption("--chaos", action="store_true", help="run the long, seeded campaigns too")
    parser.addoption("--install", action="store_true", help="install into Debian roots too")
    parser.addoption("--part", help="only this part of the files, e.g. 1/2; see .ci/run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long unless it is asked for, and what is of another part."""
    _keep_part(config, items)
    for marker, what in (("chaos", "a long campaign"), ("install", "makes a Debian root")):
        if config.getoption(f"--{marker}"):
            continue
        left_out = pytest.mark.skip(reason=f"{what}; run scripts/test --{marker}")
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(left_out)


def _keep_part(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the files out to the parts, the longest first, each to the part with the least."""
    asked = config.getoption("--part")
    if asked is None:
        return
    part, of = map(int, asked.split("/"))
    sizes = {item.path: item.path.stat().st_size for item in items}
    weights = {path: size * WEIGHTS.get(path.parent.name, 1) for path, size in sizes.items()}
    loads, mine = [0] * of, set()
    for path in sorted(weights, key=lambda each: (-weights[each], str(each))):
        least = loads.index(min(loads))
        loads[least] += weights[path]
        if least == part - 1:
            mine.add(path)
    config.hook.pytest_deselected(items=[item for item in items if item.path not in mine])
    items[:] = [item for item in items if item.path in mine]


class Received(NamedTuple):
    topic: str
    payload: bytes
    retained: bool
    qos: int
    expiry_s: int | None
    user: list[tuple[str, str]]


class Inbox:
    """A subscriber that shares no code with the product."""

    def __init__(
        self, port: int, topic_filter: str = "pc/v1/#", tls: dict[str, Any] | None = None
    ) -> None:
        self.messages: list[Received] = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._filter = topic_filter
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._filter, qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._received
        if tls is not None:
            self._client.tls_set(**tls)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(WAIT_S), "the subscriber could not subscribe"

    def _received(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        properties = message.properties
        received = Received(
            message.topic,
            message.payload,
            message.retain,
            message.qos,
            getattr(properties, "MessageExpiryInterval", None),
            getattr(properties, "UserProperty", []),
        )
        with self._changed:
            self.messages.append(received)
            self._changed.notify_all()

    def wait_for(
        self, predicate: Callable[[list[Received]], Any], timeout_s: float = WAIT_S
    ) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: predicate(self.messages), timeout_s)
            return predicate(self.messages)

    def on(self, leaf: str) -> list[Received]:
        with self._changed:
            return [message for message in self.messages if message.topic.endswith(f"/{leaf}")]

    def wait_on(self, leaf: str, needle: bytes, timeout_s: float = WAIT_S) -> Received:
        """Wait for a message of this kind that contains these bytes."""
        found = self.wait_for(
            lambda messages: [
                m for m in messages if m.topic.endswith(f"/{leaf}") and needle in m.payload
            ],
            timeout_s,
        )
        assert found, f"no {leaf} message with {needle!r} within {timeout_s} s"
        return found[-1]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="session", params=available_kinds())
def broker_kind(request: pytest.FixtureRequest) -> Kind:
    """Every broker this machine can start, one after the other."""
    return request.param


@pytest.fixture(scope="session")
def lab_broker(broker_kind: Kind) -> Iterator[LabBroker]:
    """One running broker of each kind for the whole session; use a device name of your own."""
    with LabBroker(broker_kind) as broker:
        yield broker


@pytest.fixture
def open_inbox() -> Iterator[Callable[..., Inbox]]:
    """A factory of independent subscribers, closed after the test."""
    opened: list[Inbox] = []

    def open_(port: int, topic_filter: str = "pc/v1/#", tls: dict[str, Any] | None = None) -> Inbox:
        opened.append(Inbox(port, topic_filter, tls))
        return opened[-1]

    yield open_
    for inbox in opened:
        inbox.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[LabDatabase]:
    """One PostgreSQL for the whole session, where this machine has one."""
    if binaries() is None:
        pytest.skip("needs PostgreSQL, e.g. apt install postgresql")
    with LabDatabase() as lab:
        yield lab


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records.db"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture(scope="session")
def lab_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lab authority with a broker for 127.0.0.1, two devices and three backends."""
    folder = tmp_path_factory.mktemp("lab-ca")
    lab_authority.init(folder)
    lab_authority.broker(folder, ["127.0.0.1"])
    for dev in ("lobby-a", "lobby-b"):
        lab_authority.device(folder, dev)
    for name in ("evaluation", "monitor", "update"):
        lab_authority.backend(folder, name)
    return folder
