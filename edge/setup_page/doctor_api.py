"""`/api/doctor`: what the line doctor says of where people walked in the last minutes."""

import threading

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.line_doctor import doctor_json, examine
from edge.setup_page.device import Device
from edge.setup_page.reception import Reception, Visit

KEPT_MS = 15_000
"""It takes up to seconds of a processor that has to count: so often at most."""


class DoctorApi:
    """Its endpoint."""

    def __init__(self, device: Device) -> None:
        self._device, self._lock = device, threading.Lock()
        self._answer: dict[str, object] = {}
        self._for: tuple[str, int] | None = None
        """Config and time, UTC ms, of the answer."""

    def routes(self, reception: Reception) -> list[Route]:
        """Return it."""
        return [Route("/api/doctor", reception.only_logged_in("doctor", self._examine))]

    def _examine(self, _visit: Visit) -> Response:
        with self._lock:
            config, now_ms = self._device.current(), self._device.now_ms()
            drawn = config.hash()
            if self._for is None or self._for[0] != drawn or now_ms - self._for[1] >= KEPT_MS:
                paths = self._device.panel.paths()
                lines = [section.line() for section in config.lines]
                found = examine(paths, lines, self._device.doctor())
                self._answer = doctor_json(found, paths.watched_s)
                self._for = drawn, now_ms
            return JSONResponse(self._answer)
