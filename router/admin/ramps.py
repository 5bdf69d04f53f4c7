"""Ramps in the admin API: planned, started, paused, stepped on somebody's word, and looked at."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.errors import SettingsError
from crossfade.stage import TOOLS, Origin, Stage
from crossfade.twin import FollowerState
from policies.ramp import Mode, Plan, after, told
from policies.verdicts import FOLLOWING
from router.admin.access import Refused
from router.admin.desk import Change, Desk
from router.admin.endpoints import Endpoint, Field, Order, order
from router.flags import schema
from router.flags.shown import kill_state, shares_of, version_of
from router.ramp.pilot import Look, Pilot
from router.ramp.pilot import told as told_look
from router.ramp.ports import Board, Facts, Seen
from router.store.ramps import Ramp
from router.twins.registry import Registry

_PLAN = {
    "steps": Field(says="Percentages on new, rising, such as 10,50,100 (the default). None of these may be skipped."),
    "least_days": Field(says="Days at each step before the next; 7.", kind="number"),
    "least_sandboxes": Field(says="Sandboxes compared at each step before the next; 30.", kind="integer"),
    "quiet_hours": Field(says="Hours without new evidence after which it halts; 6.", kind="number"),
    "mode": Field(says="dry-run, suggest (the default) or act."),
}


@dataclass(frozen=True, slots=True)
class DeskBoard:
    """Flags as the desk changes them: our store's, or a LaunchDarkly account's."""

    desk: Desk

    def read(self) -> tuple[bool, Mapping[str, Seen]]:
        flags = self.desk.read()
        seen = {}
        for tool in TOOLS:
            flag = flags.get(schema.key_of(tool))
            stages = {stage: percent / 100 for stage, percent in shares_of(flag).items()}
            seen[tool] = Seen(version=version_of(flag), stages=stages)
        return kill_state(flags.get(schema.KILL)) is not False, seen

    def turn(self, tool: str, weights: Mapping[Stage, int], expected: int, author: str, reason: str) -> int:
        change = Change(tool=tool, weights=weights, expected=expected, author=author, reason=reason)
        return version_of(self.desk.change(change)[1])


def facts_of(registry: Registry) -> Facts:
    """What is known of sandboxes without statistics."""
    return Facts(
        lost=sum(bool(twin.row.lost) for twin in registry),
        drifted=sum(twin.row.follower is FollowerState.QUARANTINED and twin.seat is Origin.NEW for twin in registry),
    )


@dataclass(frozen=True, slots=True)
class RampsApi:
    """/v1/ramps."""

    pilot: Pilot

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint(method="GET", path="/ramps", says="Every tool's ramp, as last looked at.", serve=self._list),
            Endpoint(method="GET", path="/ramps/{tool}", says="One tool's ramp.", serve=self._show),
            Endpoint(
                method="PUT",
                path="/ramps/{tool}",
                says="Plan a tool's way to new. A ramp that runs is paused first.",
                serve=self._plan,
                body=_PLAN,
                changes=True,
            ),
            Endpoint(
                method="POST",
                path="/ramps/{tool}/start",
                says="Begin, or go on after a pause or a step back: evidence is counted from now.",
                serve=self._start,
                body={
                    "since": Field(
                        says="Count what was compared since this moment, too, Unix seconds; while nothing is on new.",
                        kind="number",
                    )
                },
                changes=True,
            ),
            Endpoint(
                method="POST",
                path="/ramps/{tool}/pause",
                says="Decide nothing until it is started again; the flag stays as it is.",
                serve=self._pause,
                changes=True,
            ),
            Endpoint(
                method="POST",
                path="/ramps/{tool}/step",
                says="Take the step that the evidence of now allows; 403 with the reason where it allows none.",
                serve=self._step,
                body={
                    "back": Field(says="Back to shadow, whatever the evidence says.", kind="boolean"),
                    "dry_run": Field(says="Say what the step would be, and take none.", kind="boolean"),
                },
                changes=True,
            ),
        ]

    async def _list(self, _request: Request) -> Response:
        ramps = await asyncio.to_thread(self.pilot.ramps.read)
        return JSONResponse({"schema": "crossfade.ramps/1", "ramps": [line(each) for each in ramps.values()]})

    async def _show(self, request: Request) -> Response:
        tool = _tool(request)
        ramp = (await asyncio.to_thread(self.pilot.ramps.read)).get(tool)
        return JSONResponse({"schema": "crossfade.ramp/1", "ramp": line(ramp) if ramp else None})

    async def _plan(self, request: Request) -> Response:
        tool, asked = _tool(request), await order(request)
        plan = plan_of(tool, asked.told)
        return _answer(await asyncio.to_thread(self.pilot.plan, plan, author=asked.author, reason=asked.reason))

    async def _start(self, request: Request) -> Response:
        tool, asked = _tool(request), await order(request)
        since = asked.told.get("since")
        if since is not None and (isinstance(since, bool) or not isinstance(since, int | float) or not since >= 0):
            raise Refused(400, '"since" is a moment in Unix seconds')
        signed = {"author": asked.author, "reason": asked.reason}
        return _answer(await asyncio.to_thread(self.pilot.start, tool, since=since, **signed))

    async def _pause(self, request: Request) -> Response:
        tool, asked = _tool(request), await order(request)
        return _answer(await asyncio.to_thread(self.pilot.pause, tool, author=asked.author, reason=asked.reason))

    async def _step(self, request: Request) -> Response:
        tool, asked = _tool(request), await order(request)
        back, dry_run = _said(asked, "back"), _said(asked, "dry_run")
        signed = {"author": asked.author, "reason": asked.reason}
        found: Look = await asyncio.to_thread(self.pilot.take, tool, back=back, dry_run=dry_run, **signed)
        done = {"schema": "crossfade.ramp.step/1", "changed": not dry_run, "ramp": line(found.ramp)}
        return JSONResponse({**done, **told_look(found)})


def plan_of(tool: str, asked: Mapping[str, Any]) -> Plan:
    """The plan that a body asks for. Raises SettingsError."""
    if tool in FOLLOWING:
        raise SettingsError(f"{tool} follows the sandbox, wherever its tools are: there is nothing to ramp")
    given = {name: asked[name] for name in _PLAN if asked.get(name) is not None}
    try:
        if "steps" in given:
            given["steps"] = tuple(round(float(each) / 100, 5) for each in str(given["steps"]).split(","))
        for name, kind in (("least_days", float), ("least_sandboxes", int), ("quiet_hours", float)):
            if name in given:
                given[name] = kind(given[name])
        if "mode" in given:
            given["mode"] = Mode(given["mode"])
        return Plan(tool=tool, **given)
    except (ValueError, TypeError, OverflowError) as error:
        raise SettingsError(f"no plan for {tool}: {error}") from None


def line(ramp: Ramp) -> dict[str, Any]:
    """A ramp in values; shares in percent, as flags have them."""
    plan, last = ramp.plan, ramp.last
    following = after(plan, ramp.share)
    return {
        "tool": plan.tool,
        "state": str(ramp.state),
        "mode": str(plan.mode),
        "steps": told(plan.steps),
        "share": round(100 * ramp.share, 5),
        "next": None if following is None else round(100 * following, 5),
        "since": ramp.since,
        "least_days": plan.least_days,
        "least_sandboxes": plan.least_sandboxes,
        "quiet_hours": plan.quiet_hours,
        "margins": plan.margins,
        "last": {**asdict(last), "act": str(last.act), "share": round(100 * last.share, 5)} if last else None,
        "looked_at": ramp.looked_at or None,
        "version": ramp.version,
    }


def _answer(ramp: Ramp) -> Response:
    return JSONResponse({"schema": "crossfade.ramp/1", "changed": True, "ramp": line(ramp)})


def _tool(request: Request) -> str:
    tool = str(request.path_params["tool"])
    if tool not in TOOLS:
        raise Refused(404, f"no tool '{tool}'; known: {', '.join(TOOLS)}")
    return tool


def _said(asked: Order, name: str) -> bool:
    found = asked.told.get(name, False)
    if not isinstance(found, bool):
        raise Refused(400, f'"{name}" is true or false')
    return found


if TYPE_CHECKING:
    _: type[Board] = DeskBoard
