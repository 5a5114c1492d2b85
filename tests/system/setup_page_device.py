"""A real service on scripted pictures, its setup page on a free port, and a browser of few words.

The clocks stand still until a test moves them; the pictures come when a test sends them.
"""

import http.client
import json
import queue
import threading
import time
from functools import partial
from typing import NamedTuple

import numpy as np

from edge.adapters.data_folder import OUTBOX_FILE
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.assembly import build_stages, doctor_settings
from edge.config import load
from edge.config_in_force import ConfigInForce
from edge.config_start import configured
from edge.pipeline import Pipeline
from edge.rehearsal import rehearse
from edge.service import Service
from edge.setup_page.composition import device_of, new_panel
from edge.setup_page.page import open_page
from edge.testing import ManualClock, ScriptedDetector
from edge.timeline import PLAUSIBLE_FROM_S, Timeline
from edge.tracking import Tracker
from edge.vocabulary import CoverageReason, Detections, Frame, NoFrame, Pace

WAIT_S = 20.0
STEP_S = 0.1
START_S = PLAUSIBLE_FROM_S + 4 * 3600  # noon in Shanghai, at the begin of an interval
LOCAL = "127.0.0.1"
CONFIG = """\
device: {{tenant: t, id: d, name: 大厅}}
camera: {{source: /dev/video0, fps: 10}}
lines:
  - id: door                 # the only door
    points: [[0.2, 0.5], [0.8, 0.5]]
    in: down
zones:
  - {{id: hall, polygon: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]}}
records: {{data_dir: data, interval_min: 5}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
setup_page: {{enabled: true{more}}}
"""


def person(y):
    box = np.array([[0.48, y - 0.2, 0.52, y]], np.float32)
    return Detections(box, np.array([0.9], np.float32), 160 / 90)


WALK = [person(0.3 + 0.01 * k) for k in range(61)]
"""Somebody walks in: over the line at 0.5."""


def wait_until(holds, what, limit_s=WAIT_S):
    until = time.monotonic() + limit_s
    pause = threading.Event()
    while not (found := holds()):
        assert time.monotonic() < until, f"{what} within {limit_s} s"
        pause.wait(0.02)
    return found


class NoSource:
    dropped = 0
    pace = Pace(8.0, 8.0)

    def set_masks(self, masks):
        self.masks = masks


class Running:
    """The device. `said` is what it showed on its terminal."""

    def __init__(self, folder, more="", script=WALK, clock=None, *, watched=False):
        self.folder, self.file, self.data = folder, folder / "lobby.yaml", folder / "data"
        if not self.file.exists():
            self.file.write_text(CONFIG.format(more=more), "utf-8")
        self.data.mkdir(exist_ok=True)
        self.config = load(self.file)
        self.clock = clock or ManualClock(START_S)
        self.outbox = SqliteOutbox(self.data / OUTBOX_FILE, "d", self.clock.utc)
        interval_s = self.config.records.interval_min * 60.0
        stages_of = partial(build_stages, model_hash="m", interval_s=interval_s)

        def tried(config):
            rehearse(stages_of(config), "d")

        settings = ConfigInForce(self.config, tried)
        timeline = Timeline(self.clock)
        self.pipeline = Pipeline(
            detector=ScriptedDetector(script),
            tracker=Tracker(),
            stages=stages_of(self.config),
            outbox=self.outbox,
            timeline=timeline,
            interval_ms=round(interval_s * 1000),
        )
        self.panel = new_panel(self.config, self.outbox, timeline)
        self.service = Service(
            settings,
            self.clock,
            self.pipeline,
            self.outbox,
            NoSource(),
            stages_of=stages_of,
            interval_s=interval_s,
            hang_s=None,
            panel=self.panel,
            watch=configured(self.file, None).watch(
                self.data, lambda c: rehearse(stages_of(c), "d")
            )
            if watched
            else None,
        )
        self.confirmed = []
        self.said = []
        device = device_of(
            self.service,
            self.panel,
            settings,
            self.clock,
            self.pipeline,
            file=self.file,
            doctor=doctor_settings,
            confirm_view=lambda: self.confirmed.append(True),
        )
        self.page = open_page(device, self.clock.monotonic, port=0, say=self.said.append)
        self._items = queue.Queue()
        self._sent = 0
        self._thread = threading.Thread(target=self.service.run, args=(self._frames(),))

    def __enter__(self):
        self._thread.start()
        if self.page is not None:
            self.page.__enter__()
            assert self.page.listening.wait(WAIT_S)
        return self

    def __exit__(self, *_):
        self._items.put(None)
        self._thread.join(WAIT_S)
        if self.page is not None:
            self.page.__exit__()
        self.outbox.close()

    @property
    def pin(self):
        return "".join(self.said).split("note it: ")[1].split()[0]

    def _frames(self):
        while (item := self._items.get()) is not None:
            step_s, image = item
            self.clock.advance(step_s)
            if image is None:
                yield NoFrame(self.clock.monotonic(), CoverageReason.NO_CAMERA)
            else:
                yield Frame(self.clock.monotonic(), self._sent, image)
                self._sent += 1
            self._items.task_done()

    def see(self, count=1, image=None, step_s=STEP_S):
        """Let pictures pass, and wait until they are counted."""
        picture = np.zeros((90, 160, 3), np.uint8) if image is None else image
        for _ in range(count):
            self._items.put((step_s, picture))
        self._passed()

    def see_nothing(self):
        self._items.put((STEP_S, None))
        self._passed()

    def _passed(self):
        wait_until(lambda: not self._items.unfinished_tasks, "the pictures counted")

    def browser(self, address=LOCAL):
        return Browser(self.page.port, address)

    def visitor(self, address=LOCAL):
        """Somebody who has logged in."""
        browser = self.browser(address)
        assert browser.login(self.pin).status == 204
        return browser

    def audit(self):
        """What was written down, as `what result` texts."""
        path = self.data / "setup-audit.jsonl"
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [f"{entry['what']}: {entry['result']}" for entry in entries]


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Browser:
    """Keeps a cookie and a token, and says what it is told to say."""

    def __init__(self, port, address=LOCAL):
        self.port, self.address = port, address
        self.origin = f"http://{LOCAL}:{port}"
        self.cookie = self.csrf = None

    def connection(self):
        return http.client.HTTPConnection(
            LOCAL, self.port, timeout=WAIT_S, source_address=(self.address, 0)
        )

    def ask(self, method, path, said=None, *, body=None, **other):
        """other: headers by their names with _ for -; None leaves a usual one out."""
        headers = {"Origin": self.origin} if method != "GET" else {}
        if self.cookie:
            headers["Cookie"] = f"lobbycount_session={self.cookie}"
        if self.csrf and method != "GET":
            headers["X-CSRF-Token"] = self.csrf
        if said is not None:
            body = json.dumps(said).encode()
            headers["Content-Type"] = "application/json"
        given = {name.replace("_", "-").lower(): value for name, value in other.items()}
        headers = {k: v for k, v in headers.items() if k.lower() not in given}
        headers |= {k: v for k, v in given.items() if v is not None}
        connection = self.connection()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, **other):
        return self.ask("GET", path, **other)

    def post(self, path, said=None, **other):
        return self.ask("POST", path, said, **other)

    def login(self, pin):
        answer = self.post("/api/login", {"pin": pin})
        if answer.status == 204:
            self.cookie = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
            self.csrf = self.get("/api/session").json["csrf"]
        return answer
