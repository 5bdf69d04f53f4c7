"""Now: what needs somebody; and the kill switch."""

import asyncio
from collections.abc import Sequence

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from router.dashboard import command_line
from router.dashboard.api import Problem
from router.dashboard.visit import House, Visit, guarded

# What the router calls an alarm, in words.
ALARMS = {
    "breaker-open": "Followers of this origin are left alone after failures",
    "flags-unread": "Flags could not be read lately; the last good ones stay",
    "settles-failing": "Settling followers fails",
    "records-lost": "Records of calls were lost",
    "quarantined": "Followers are quarantined",
    "changes-lost": "Changes were left behind when a seat was taken",
    "killed": "The kill switch is on",
    "held": "Sandboxes are held where they are",
    "dropped": "Comparing does not keep up",
    "budget-near": "Followers have nearly used up their hours of today",
    "budget-spent": "Followers have used up their hours of today: no more are made",
    "deletes-overdue": "Deletes fail, and their provider goes on billing",
    "ramp-stepped-back": "A ramp stepped back to shadow",
    "ramp-back": "A ramp would step back: proven harm",
    "ramp-halted": "A ramp halted: data is missing or cannot be trusted",
    "ramp-ready": "A ramp is ready for its next step",
}
_ORDER = ("BLOCKED", "ROLLBACK", "HOLD-HARM", "ADVANCE", "HOLD-DATA", "FOLLOWS")


def routes(house: House) -> Sequence[Route]:
    """/ and /kill."""
    return (
        Route("/", guarded(house, show), methods=["GET"]),
        Route("/kill", guarded(house, look), methods=["GET"]),
        Route("/kill", guarded(house, switch, changes=True), methods=["POST"]),
    )


async def show(visit: Visit) -> Response:
    """Verdict and next step per tool, those that need somebody first; alarms."""
    api = visit.api
    status, tools, kill = await asyncio.gather(api.get("status"), api.get("tools"), api.get("kill"))
    lines = sorted(tools["tools"], key=_need)
    return visit.page("now.html", status_=status, tools=lines, kill=kill, alarms=ALARMS)


def _need(tool: dict[str, object]) -> tuple[int, int]:
    evidence = tool["evidence"]
    verdict = evidence["verdict"] if isinstance(evidence, dict) else ""
    calls = evidence["calls"] if isinstance(evidence, dict) else 0
    return (_ORDER.index(verdict) if verdict in _ORDER else len(_ORDER), -calls)


async def look(visit: Visit) -> Response:
    """The switch, with what it would do."""
    return await _kill_page(visit)


async def _kill_page(visit: Visit, *, status: int = 200, problem: str = "") -> Response:
    kill, twins = await asyncio.gather(visit.api.get("kill"), visit.api.get("twins"))
    on_new = sum(each["seat"] == "new" for each in twins["twins"])
    command = command_line.kill(on=not kill["killed"])
    known = {"kill": kill, "known": len(twins["twins"]), "on_new": on_new, "command": command, "problem": problem}
    return visit.page("kill.html", status=status, reason=visit.form.get("reason", ""), **known)


async def switch(visit: Visit) -> Response:
    """Turn it."""
    body = visit.signed(on=visit.form.get("on") == "1", expected_version=_whole(visit.form.get("version", "")))
    try:
        await visit.api.change("PUT", "kill", body=body)
    except Problem as problem:
        if problem.status not in (400, 409):
            raise
        return await _kill_page(visit, status=problem.status, problem=str(problem))
    return RedirectResponse("/", status_code=303)


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
