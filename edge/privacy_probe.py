"""The probe of `privacy-check`: a short run of the product on the sentinel clip, looked through.

It has a data folder, a home and a broker of its own, and is thrown away afterwards; the running
service notices nothing of it but the load of a few seconds.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.adapters import memory_search, proc, sentinel
from edge.adapters.health import FILE_NAME
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.listener_mqtt import listen
from edge.adapters.mqtt_settings import MqttSettings
from edge.adapters.page_visit import HOST, Answer, visit
from edge.adapters.sentinel import Sentinel
from edge.config import Config
from edge.errors import BrokerError
from edge.payloads import unpacked
from edge.setup_page.pin import new_pin

FPS, PICTURES = 8.0, 96
"""Twelve seconds; it is stopped as soon as all has been looked at."""
RUN_LIMIT_S = 120.0
LONGEST_S = 2.0
"""So long a picture may be in memory."""
_LOOKS = 3
_PAGES = (
    "/", "/privacy", "/sign", "/api/session", "/api/state", "/api/drawings", "/api/doctor",
    "/api/tally", "/api/still",
)  # fmt: skip
_POLL_S, _BETWEEN_S = 0.05, 0.8
_FAREWELL_S = 5.0


@dataclass(slots=True)
class Probe:
    """What was found in a run.

    messages: (topic, payload) as a subscriber got them; None without a broker.
    answers: what the setup page answered, without and with a login.
    copies: for each look into the memory the numbers of the pictures in it, once for each copy.
    closed: why the memory could not be looked at. failure: why the run was given up.
    """

    folder: Path
    sentinel: Sentinel
    config: Config
    code: int | None = None
    log: str = ""
    messages: list[tuple[str, bytes]] | None = None
    answers: list[Answer] = field(default_factory=list)
    copies: list[list[int]] = field(default_factory=list)
    closed: str | None = None
    failure: str | None = None

    @property
    def data(self) -> Path:
        """The data folder of the run."""
        return self.folder / "data"

    @property
    def given(self) -> frozenset[str]:
        """The files that were there before or are the check's own."""
        return frozenset({"lobby.json", "sentinel.avi", "log"})


def probe(config: Config, folder: Path, seed: int) -> Probe:
    """Run the product in an empty folder and return what it left everywhere.

    Raises CameraError, BrokerError and ConfigError when it cannot be begun.
    """
    clip = folder / "sentinel.avi"
    pictures = sentinel.make(clip, fps=FPS, count=PICTURES, seed=seed)
    with ExitStack() as stack:
        broker = stack.enter_context(LabBroker()) if available_kinds() else None
        document = _document(config, clip, folder / "data", broker.port if broker else 1)
        # Two services of one name would push each other off a broker, so the second is refused.
        document["device"]["id"] = f"privacy-check-{seed:08x}"
        file = folder / "lobby.json"
        file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        found = Probe(folder, pictures, Config.model_validate(document))
        if broker is not None:
            found.messages = stack.enter_context(_subscriber(broker))
        _run(file, found)
        if found.messages is not None:
            _wait_for_farewell(found.messages)
    found.log = (folder / "log").read_text("utf-8", "replace")
    return found


def _document(config: Config, clip: Path, data: Path, port: int) -> dict[str, Any]:
    """Return the running config with the clip, another folder and the lab's broker."""
    kept = config.model_dump(
        mode="json",
        by_alias=True,
        include={"device", "model", "lines", "zones", "counting", "records", "privacy"},
    )
    kept["records"]["data_dir"] = str(data)
    kept["privacy"]["mode"] = "lab"
    camera = {"source": str(clip), "fps": FPS}
    mqtt = {"host": "127.0.0.1", "port": port, "insecure_lab": True}
    page = {"enabled": True, "network": "this-device", "port": _free_port(), "still": False}
    return {**kept, "camera": camera, "mqtt": mqtt, "setup_page": page}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def _run(file: Path, found: Probe) -> None:
    found.data.mkdir(mode=0o700)
    pin = new_pin(found.data)
    places = {name: found.folder / name for name in ("home", "tmp", "cwd")}
    for place in places.values():
        place.mkdir()
    package = str(Path(__file__).resolve().parents[1])
    paths = [str(Path(p).absolute()) for p in os.environ.get("PYTHONPATH", "").split(":") if p]
    environment = {
        **os.environ,
        "HOME": str(places["home"]),
        "TMPDIR": str(places["tmp"]),
        "PYTHONPATH": os.pathsep.join([*paths, package]),
    }
    environment.pop("NOTIFY_SOCKET", None)  # it is no service of systemd
    command = [sys.executable, "-m", "edge", "run", "-c", str(file)]
    with (
        (found.folder / "log").open("wb") as log,
        subprocess.Popen(  # noqa: S603  the product itself
            command, stdout=log, stderr=log, cwd=places["cwd"], env=environment
        ) as run,
    ):
        try:
            _look_into_memory(run, found)
            found.answers = visit(found.config.setup_page.port, pin, _PAGES)
            run.terminate()
            found.code = run.wait(RUN_LIMIT_S)
        except (subprocess.TimeoutExpired, OSError) as error:
            found.failure = str(error)
        finally:
            run.kill()


def _look_into_memory(run: subprocess.Popen[bytes], found: Probe) -> None:
    """Look a few times at which pictures are in memory, while the clip plays."""
    until = time.monotonic() + RUN_LIMIT_S
    while not (found.data / FILE_NAME).exists() and run.poll() is None:  # nothing is seen before
        time.sleep(_POLL_S)
        if time.monotonic() > until:
            return
    while not _is_enough(found.copies) and run.poll() is None and time.monotonic() < until:
        try:
            numbers = _pictures_in_memory(run.pid, found.sentinel)
        except OSError as error:
            if run.poll() is None and isinstance(error, PermissionError):
                found.closed = error.strerror
                return
            continue
        if numbers and (not found.copies or max(numbers) > max(found.copies[-1])):
            found.copies.append(numbers)
        try:
            run.wait(_BETWEEN_S if numbers else _POLL_S)
        except subprocess.TimeoutExpired:
            continue


def _is_enough(copies: Sequence[Sequence[int]]) -> bool:
    """Whether the first picture would be found if it stayed longer than is promised."""
    return len(copies) >= _LOOKS and max(copies[-1]) > LONGEST_S * FPS


def _pictures_in_memory(pid: int, pictures: Sentinel) -> list[int]:
    pids = proc.tree(pid)
    with memory_search.stopped(pids):
        return [
            number
            for each in pids
            for number in memory_search.search(
                each, pictures.numbers_in, longest=sentinel.LONGEST, shared=each == pid
            )
        ]


@contextmanager
def _subscriber(broker: LabBroker) -> Iterator[list[tuple[str, bytes]]]:
    """Yield a list that fills with all that is published."""
    heard: list[tuple[str, bytes]] = []
    stop, ready = threading.Event(), threading.Event()
    settings = MqttSettings("127.0.0.1", broker.port, insecure_lab=True)

    def take() -> None:
        for topic, payload, _ in listen(settings, "#", stop, ready.set):
            heard.append((topic, unpacked(payload)))

    thread = threading.Thread(target=take, name="subscriber", daemon=True)
    thread.start()
    if not ready.wait(10.0):
        raise BrokerError("the lab broker of the check cannot be listened to")
    try:
        yield heard
    finally:
        stop.set()
        thread.join(5.0)


def _wait_for_farewell(messages: Sequence[tuple[str, bytes]]) -> None:
    until = time.monotonic() + _FAREWELL_S
    while time.monotonic() < until:
        if any(topic.endswith("/status") and b'"offline"' in text for topic, text in messages):
            return
        time.sleep(_POLL_S)
