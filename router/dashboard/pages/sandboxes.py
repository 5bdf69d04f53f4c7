"""Sandboxes: seat and follower, what keeps one where it is, and what can be done with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from router.dashboard import command_line
from router.dashboard.api import Problem
from router.dashboard.visit import House, Visit, guarded, refuse


@dataclass(frozen=True, slots=True)
class Act:
    """What can be done with a sandbox: the button, and what the page says that it does."""

    label: str
    says: str


ACTS: Mapping[str, Act] = {
    "verify": Act("Compare", "Compare both trees by content. Nothing is changed."),
    "settle": Act("Settle", "Make the follower equal to the seat now."),
    "move-old": Act("Move the seat to old", "Give the seat to old, if nothing is left behind by that."),
    "move-new": Act("Move the seat to new", "Give the seat to new, if nothing is left behind by that."),
    "attach": Act("Use the follower again", "Use a follower again that was let go. What it alone has is overwritten."),
}
_A_PAGE = 100


def routes(house: House) -> Sequence[Route]:
    """/sandboxes/..."""
    return (
        Route("/sandboxes", guarded(house, show), methods=["GET"]),
        Route("/sandboxes/{id}", guarded(house, one), methods=["GET"]),
        Route("/sandboxes/{id}/{act}", guarded(house, act, changes=True), methods=["POST"]),
    )


async def show(visit: Visit) -> Response:
    """A list, filtered: by seat, follower, held, or the beginning of an id."""
    asked = {name: visit.query.get(name, "") for name in ("seat", "follower", "held", "id")}
    found = [each for each in (await visit.api.get("twins"))["twins"] if _wanted(each, asked)]
    place = visit.query.get("from", "0")
    start = int(place) if place.isdecimal() else 0
    following = urlencode({**asked, "from": start + _A_PAGE}) if len(found) > start + _A_PAGE else ""
    shown = found[start : start + _A_PAGE]
    return visit.page("sandboxes.html", twins=shown, all=len(found), asked=asked, following=following)


def _wanted(twin: dict[str, Any], asked: dict[str, str]) -> bool:
    return (
        asked["seat"] in ("", twin["seat"])
        and asked["follower"] in ("", twin["follower"])
        and (not asked["held"] or bool(twin["held"]))
        and twin["id"].startswith(asked["id"])
    )


async def one(visit: Visit) -> Response:
    """One sandbox; with `act`, also what that would do."""
    return await _page(visit, visit.query.get("act", ""))


async def _page(visit: Visit, chosen: str, *, status: int = 200, problem: str = "", verified: Any = None) -> Response:
    id = visit.named("id")
    twin = await visit.api.get("twins", id)
    chosen = chosen if chosen in ACTS else ""
    known = {"act": chosen, "acts": ACTS, "command": command_line.twin(chosen, id) if chosen else ""}
    reason = visit.form.get("reason", "")
    return visit.page(
        "sandbox.html", status=status, twin=twin, problem=problem, verified=verified, reason=reason, **known
    )


async def act(visit: Visit) -> Response:
    """Do it."""
    id, chosen = visit.named("id"), visit.named("act")
    if chosen not in ACTS:
        return refuse(visit, 404, "No such act.")
    word, _, side = chosen.partition("-")
    try:
        done = await visit.api.change("POST", "twins", id, word, body=visit.signed(**({"to": side} if side else {})))
    except Problem as problem:
        if problem.status not in (400, 409):
            raise
        return await _page(visit, chosen, status=problem.status, problem=str(problem))
    if chosen == "verify":
        return await _page(visit, chosen, verified=done)
    return RedirectResponse(f"{visit.request.url.path.rpartition('/')[0]}?{urlencode({'done': chosen})}", 303)
