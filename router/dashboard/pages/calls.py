"""Calls: who answered each, and why."""

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from crossfade.stage import TOOLS
from router.dashboard.visit import House, Visit, guarded

_FILTERS = ("tool", "sandbox", "differing")


def routes(house: House) -> Sequence[Route]:
    """/calls/..."""
    return (
        Route("/calls", guarded(house, show), methods=["GET"]),
        Route("/calls/{id}", guarded(house, one), methods=["GET"]),
    )


async def show(visit: Visit) -> Response:
    """A page of them, filtered."""
    asked = {name: visit.query.get(name, "") for name in _FILTERS}
    found = await visit.api.get("calls", **asked, before=visit.query.get("before", ""))
    following = urlencode({**asked, "before": found["next"]}) if found["next"] else ""
    return visit.page("calls.html", calls=found["calls"], asked=asked, tools=TOOLS, following=following)


async def one(visit: Visit) -> Response:
    """One, with both sides of what differs."""
    return visit.page("call.html", call=await visit.api.get("calls", visit.named("id")))
