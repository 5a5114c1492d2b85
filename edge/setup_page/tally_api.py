"""`/api/tally`: the buttons of tally mode."""

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.setup_page.answers import Refusal, word_in
from edge.setup_page.reception import Reception, Visit
from edge.setup_page.tally_desk import TallyDesk
from edge.vocabulary import Outcome

_DIRECTIONS = {"in": Outcome.IN, "out": Outcome.OUT}


class TallyApi:
    """Its endpoints."""

    def __init__(self, desk: TallyDesk) -> None:
        self._desk = desk

    def routes(self, reception: Reception) -> list[Route]:
        """Return them."""
        acts = {"start": self._start, "mark": self._mark, "undo": self._undo, "stop": self._stop}
        return [
            Route("/api/tally", reception.only_logged_in("tally", self._state, polled=True)),
            *(
                Route(
                    f"/api/tally/{name}",
                    reception.only_logged_in(f"tally {name}", act),
                    methods=["POST"],
                )
                for name, act in acts.items()
            ),
        ]

    def _state(self, _visit: Visit) -> Response:
        return JSONResponse(self._desk.state())

    def _start(self, visit: Visit) -> Response:
        said = visit.said()
        line = word_in(said, "line", "door")
        return JSONResponse(self._desk.start(line, word_in(said, "by", "王芳")))

    def _mark(self, visit: Visit) -> Response:
        direction = _DIRECTIONS.get(word_in(visit.said(), "direction", "in"))
        if direction is None:
            raise Refusal(
                422,
                "direction：必须是 in 或 out",
                "direction: must be in or out, e.g. in",
                result="bad input",
            )
        return JSONResponse(self._desk.mark(direction))

    def _undo(self, _visit: Visit) -> Response:
        return JSONResponse(self._desk.undo())

    def _stop(self, _visit: Visit) -> Response:
        return JSONResponse(self._desk.stop())
