"""The devices of a tenant."""

from starlette.responses import Response

from evaluation.pages.desk import Desk
from evaluation.pages.reception import Visit
from evaluation.pages.render import page


def fleet_page(_: Desk, visit: Visit) -> Response:
    """Show the devices."""
    return page("fleet.html", visit.values())
