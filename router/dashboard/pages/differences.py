"""Differences: the kinds that were seen, both sides of each, and what people say of them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from router.dashboard import command_line
from router.dashboard.api import Problem
from router.dashboard.visit import House, Visit, guarded

STATES = ("regressed", "open", "fixed", "ignored", "accepted")
# What can be said, and what the page says that it does.
SAYINGS: Mapping[str, str] = {
    "accept": "It is meant to differ: it no longer counts, until it gets worse or is reopened.",
    "ignore": "Left out until a day, and somebody answers for that. * in the name stands for anything.",
    "fixed": "It is mended: what was seen still counts, and seen again it has regressed.",
    "reopen": "Take back what was said: it counts again.",
}
_REFUSALS = (400, 403, 409)


def routes(house: House) -> Sequence[Route]:
    """/differences."""
    return (
        Route("/differences", guarded(house, show), methods=["GET"]),
        Route("/differences/kind", guarded(house, one), methods=["GET"]),
        Route("/differences/kind", guarded(house, say, changes=True), methods=["POST"]),
    )


async def show(visit: Visit) -> Response:
    """A list, filtered."""
    asked = {name: visit.query.get(name, "") for name in ("state", "tool")}
    found = await visit.api.get("differences", **asked)
    return visit.page("differences.html", kinds=found["kinds"], rules=found["rules"], asked=asked, states=STATES)


async def one(visit: Visit) -> Response:
    """One kind; with `saying`, also what that would do."""
    return await _page(visit, visit.query)


async def _page(visit: Visit, asked: Mapping[str, str], *, status: int = 200, problem: str = "") -> Response:
    kind = await visit.api.get("differences", "kind", name=visit.query.get("name", ""))
    saying = asked.get("saying", "") if asked.get("saying") in SAYINGS else ""
    subject = asked.get("subject") or kind["signature"]
    owner, until = asked.get("owner") or visit.user.name, asked.get("until") or "30d"
    effect: Any = None
    if saying and not problem:
        body = _body(saying, subject, owner, until, author=visit.user.name, reason="-", dry_run=True)
        try:
            effect = (await visit.api.change("POST", "differences", body=body))["calls"]
        except Problem as refused:
            if refused.status not in _REFUSALS:
                raise
            status, problem = 409, str(refused)
    known = {"saying": saying, "sayings": SAYINGS, "subject": subject, "owner": owner, "until": until}
    command = command_line.say(saying, subject, owner, until) if saying else ""
    reason = visit.form.get("reason", "")
    return visit.page(
        "difference.html",
        status=status,
        kind=kind,
        effect=effect,
        problem=problem,
        command=command,
        reason=reason,
        **known,
    )


async def say(visit: Visit) -> Response:
    """Say it."""
    form = {name: visit.form.get(name, "") for name in ("saying", "subject", "owner", "until")}
    try:
        await visit.api.change("POST", "differences", body=visit.signed(**_body(**form)))
    except Problem as problem:
        if problem.status not in _REFUSALS:
            raise
        return await _page(visit, form, status=409, problem=str(problem))
    there = urlencode({"name": visit.query.get("name", ""), "done": form["saying"]})
    return RedirectResponse(f"/differences/kind?{there}", status_code=303)


def _body(saying: str, subject: str, owner: str, until: str, **more: object) -> dict[str, object]:
    rule = {"owner": owner, "until": until} if saying == "ignore" else {}
    return {"saying": saying, "subject": subject, **rule, **more}
