"""One tool: what it asks for and gets, its evidence, and the slider with what it would do."""

import asyncio
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from crossfade.stage import STAGES, Stage
from router.dashboard import command_line
from router.dashboard.api import Problem
from router.dashboard.pages import ramps
from router.dashboard.visit import House, Visit, guarded, refuse

_RESTS = ("shadow", "dualwrite", "off")  # what sandboxes that are not on new may be at


def routes(house: House) -> Sequence[Route]:
    """/tools/..."""
    return (
        Route("/tools/{tool}", guarded(house, show), methods=["GET"]),
        Route("/tools/{tool}/flag", guarded(house, change, changes=True), methods=["POST"]),
        Route("/tools/{tool}/ramp/{act}", guarded(house, act_on_ramp, changes=True), methods=["POST"]),
    )


async def show(visit: Visit) -> Response:
    """The tool; with `share`, or `value`, also the change that is thought of."""
    return await page(visit, visit.named("tool"), asked_value(visit.query))


async def page(visit: Visit, tool: str, value: str, *, status: int = 200, problem: str = "") -> Response:
    """The page of a tool, with the value of its flag that is thought of."""
    api = visit.api
    found, flag, ramp = await asyncio.gather(api.get("tools", tool), api.get("flags", tool), api.get("ramps", tool))
    prediction = None
    if value:
        try:
            prediction = await api.get("flags", tool, "prediction", value=value)
        except Problem as wrong:
            if wrong.status != 400:
                raise
            status, problem, value = 400, str(wrong), ""
    shares: Mapping[str, float] = found["shares"]
    now_new = sum(percent for stage, percent in shares.items() if STAGES[Stage(stage)].wish == "new")
    share = visit.query.get("share", "")
    slider = int(share) if share.isdecimal() and int(share) <= 100 else round(now_new)
    # From off to new the others are looked at first; who has them at off beside new has chosen that.
    rest = visit.query.get("rest") or next((each for each in _RESTS if each in shares and now_new), "shadow")
    return visit.page(
        "tool.html",
        status=status,
        tool=found,
        flag=flag,
        value=value,
        prediction=prediction,
        problem=problem,
        slider=slider,
        rest=rest,
        rests=_RESTS,
        stages=list(map(str, Stage)),
        command=command_line.set_flag(tool, value) if value else "",
        reason=visit.form.get("reason", ""),
        version=flag["version"],
        **ramps.shown(visit, tool, ramp["ramp"]),
    )


async def change(visit: Visit) -> Response:
    """Set the flag, on the version that the person has seen."""
    tool, value, version = visit.named("tool"), visit.form.get("value", ""), visit.form.get("version", "")
    body = visit.signed(value=value, expected_version=int(version) if version.isdecimal() else None)
    try:
        done = await visit.api.change("PUT", "flags", tool, body=body)
    except Problem as problem:
        if problem.status not in (400, 409):
            raise
        return await page(visit, tool, value, status=problem.status, problem=str(problem))
    return RedirectResponse(f"/tools/{tool}?{urlencode({'done': done['version']})}", status_code=303)


async def act_on_ramp(visit: Visit) -> Response:
    """Plan, start, pause or step the tool's ramp."""
    tool, chosen = visit.named("tool"), visit.named("act")
    if chosen not in ramps.ACTS:
        return refuse(visit, 404, "No such act.")
    try:
        await ramps.carry_out(visit, tool, chosen)
    except Problem as problem:
        # 403: the evidence allows no step. Were it of the dashboard's own token, the page could not be shown either.
        if problem.status not in (400, 403, 409):
            raise
        return await page(visit, tool, "", status=problem.status, problem=str(problem))
    return RedirectResponse(f"/tools/{quote(tool, safe='')}?{urlencode({'ramped': chosen})}#ramp", status_code=303)


def asked_value(query: Mapping[str, str]) -> str:
    """The shares that a page's address asks for: `value` as it is, or `share` percent live and the `rest`."""
    if value := query.get("value", "").strip():
        return value
    share, rest = query.get("share", ""), query.get("rest", "shadow")
    if not share.isdecimal() or int(share) > 100:
        return ""
    if rest not in _RESTS:
        rest = "shadow"
    if int(share) in (0, 100):
        return "live" if int(share) else rest
    return f"live={int(share)},{rest}={100 - int(share)}"
