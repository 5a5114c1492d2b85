"""`/api/state`, `/api/still`, `/api/view/confirm`, `/api/doctor`: what the device sees now."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.adapters.still_opencv import png
from edge.condition import Words, state_of
from edge.panel import LineCounts
from edge.sealing import iso_utc
from edge.setup_page.answers import Refusal, nothing
from edge.setup_page.device import Device
from edge.setup_page.door import Door
from edge.setup_page.reception import Reception, Visit
from edge.vocabulary import Outcome

_SHOWN = (Outcome.IN, Outcome.OUT, Outcome.UTURN)


class StateApi:
    """Their endpoints."""

    def __init__(
        self,
        device: Device,
        door: Door,
        monotonic: Callable[[], float],
        tally: Callable[[], dict[str, Any] | None],
    ) -> None:
        self._device, self._door, self._monotonic = device, door, monotonic
        self._tally = tally

    def routes(self, reception: Reception) -> list[Route]:
        """Return them."""
        guarded = reception.only_logged_in
        confirm = guarded("view confirm", self._confirm)
        return [
            Route("/api/state", guarded("state", self._state, polled=True)),
            Route("/api/still", guarded("still", self._still)),
            Route("/api/view/confirm", confirm, methods=["POST"]),
        ]

    def _state(self, _visit: Visit) -> Response:
        device, now_ms = self._device, self._device.now_ms()
        config, reading = device.current(), device.panel.reading()
        health, file = device.health(), device.file_state()
        state, problems = state_of(
            health,
            connected=device.connected(),
            seen=reading.seen,
            config_errors=len(file.problems),
            waits_for_time=device.waits_for_time(),
            closed=device.is_closed(),
        )
        return JSONResponse(
            {
                "at": iso_utc(now_ms),
                "state": _words(state),
                "problems": [_words(each) for each in problems],
                "fps": (health.fps if health else None) or 0.0,
                "queue": health.queue if health else 0,
                "config": {
                    "hash": config.hash(),
                    "errors": [asdict(each) for each in file.problems],
                    "waits": list(file.waits),
                },
                "lines": [
                    {
                        "id": line.id,
                        "name": line.name,
                        "audience": line.audience,
                        "live": _counts(reading.live, line.id),
                        "today": _counts(reading.today, line.id),
                    }
                    for line in config.lines
                ],
                "zones": [
                    {"id": zone.id, "name": zone.name, "now": reading.headcounts.get(zone.id)}
                    for zone in config.zones
                ],
                "tally": self._tally(),
                "closes_at": iso_utc(now_ms + round(self._door.closes_in_s()) * 1000),
            }
        )

    def _still(self, visit: Visit) -> Response:
        if not self._device.current().setup_page.still:
            raise Refusal(
                403,
                "未开启静态画面：需在配置中设置 setup_page.still: true",
                "Stills are off; the config allows them with setup_page: {still: true}",
                result="off",
            )
        if not visit.session.may_see_stills(self._monotonic()):
            raise Refusal(
                403,
                "登录已超过 15 分钟，请重新登录后查看",
                "15 minutes have passed since the login; log in again to see one",
                result="too long since the login",
            )
        blocks = self._device.panel.still()
        if blocks is None:
            raise Refusal(503, "没有画面", "There is no picture", result="no picture")
        return Response(png(blocks), media_type="image/png")

    def _confirm(self, _visit: Visit) -> Response:
        self._device.confirm_view()
        return nothing()


def _words(words: Words) -> dict[str, str]:
    return {"code": words.code, "zh": words.zh, "en": words.en}


def _counts(counts: LineCounts, line: str) -> dict[str, int]:
    return {str(outcome): counts.get((line, outcome), 0) for outcome in _SHOWN}
