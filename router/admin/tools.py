"""Tools in the admin API: what each asks for, what it gets and why not, and what the evidence says to do next."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.stage import PROCESS_GROUP, STAGES, TOOLS, Origin, Stage
from policies.margins import HARM_MARGIN
from reports.model import GrowthPoint, ReportData, ToolReport
from router.admin.access import Refused
from router.admin.desk import Desk
from router.admin.endpoints import Endpoint, Field, number
from router.admin.flags import flag_line
from router.admin.reporting import report_data
from router.engine.decide import Decider
from router.flags import schema
from router.store.database import Database
from router.store.fold import HOUR
from router.store.hours import EvidenceHour, evidence_hours
from router.twins.registry import Registry
from router.twins.state import Twin

_FRESH_SECONDS = 3.0  # sums of a large store take a while: several pages that ask at once share one answer
_POINTS = 400
_SINCE = {"since": Field(says="Count calls since this moment, Unix seconds; all that are kept.", kind="number")}


@dataclass(slots=True)
class ToolsApi:
    """/v1/tools."""

    database: Database
    desk: Desk
    registry: Registry
    decider: Decider
    _reports: dict[float, tuple[float, ReportData]] = field(default_factory=dict)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint(
                method="GET",
                path="/tools",
                says="Every tool: wish and effective share and why, evidence, verdict and next step.",
                serve=self._list,
                query=_SINCE,
            ),
            Endpoint(
                method="GET",
                path="/tools/{tool}",
                says="One tool, with its differences and its evidence by the hour.",
                serve=self._show,
                query=_SINCE,
            ),
            Endpoint(
                method="GET",
                path="/shares",
                says="Of every tool the share that is set on new, the share that is there, and why they differ.",
                serve=self._shares,
            ),
        ]

    async def _shares(self, _request: Request) -> Response:
        """No evidence in it, so it is quick however large the store is."""
        flags = await asyncio.to_thread(self.desk.read)
        found = [
            {
                "tool": tool,
                "set_share": set_share(flag_line(tool, flags.get(schema.key_of(tool)))["shares"]),
                **self._sandboxes(tool),
            }
            for tool in TOOLS
        ]
        return JSONResponse({"schema": "crossfade.shares/1", "tools": found})

    async def _list(self, request: Request) -> Response:
        since = number(request, "since", 0.0, least=0, most=1e12)
        data = await self._report(since)
        flags = await asyncio.to_thread(self.desk.read)
        reports = {each.tool: each for each in data.tools}
        lines = [self._line(tool, flags.get(schema.key_of(tool)), reports.get(tool)) for tool in TOOLS]
        lost = dict(data.lost_records)
        return JSONResponse({"schema": "crossfade.tools/1", "since": data.since, "tools": lines, "lost_records": lost})

    async def _show(self, request: Request) -> Response:
        tool = str(request.path_params["tool"])
        if tool not in TOOLS:
            raise Refused(404, f"no tool '{tool}'; known: {', '.join(TOOLS)}")
        since = number(request, "since", 0.0, least=0, most=1e12)
        data = await self._report(since)
        flags = await asyncio.to_thread(self.desk.read)
        report = next((each for each in data.tools if each.tool == tool), None)
        hours = await asyncio.to_thread(evidence_hours, self.database, tool, since)
        told = {
            "schema": "crossfade.tool/1",
            **self._line(tool, flags.get(schema.key_of(tool)), report),
            "signatures": [asdict(each) for each in report.signatures[:20]] if report else [],
            "latencies": [{**asdict(each), "curve": []} for each in report.latencies] if report else [],
            "dropped": dict(report.dropped) if report else {},
            "series": series(hours, report.growth if report else ()),
        }
        return JSONResponse(told)

    async def _report(self, since: float) -> ReportData:
        async with self._reading:
            made, data = self._reports.get(since, (0.0, None))
            if data is None or time.monotonic() - made > _FRESH_SECONDS:
                data = await asyncio.to_thread(report_data, self.database, since=since, now=time.time())
                # Who asks for ever new moments must not make this grow.
                self._reports = dict(list(self._reports.items())[-8:])
                self._reports[since] = (time.monotonic(), data)
            return data

    def _line(self, tool: str, flag: Mapping[str, Any] | None, report: ToolReport | None) -> dict[str, Any]:
        return {
            **flag_line(tool, flag),
            "process_group": tool in PROCESS_GROUP,
            "wish_share": set_share(flag_line(tool, flag)["shares"]),
            "sandboxes": self._sandboxes(tool),
            "harm_margin": HARM_MARGIN,
            "evidence": _evidence(report) if report else None,
        }

    def _sandboxes(self, tool: str) -> dict[str, Any]:
        """Those that live now: for how many the flag wishes new, how many are answered there, and why the rest not."""
        known, wished, answered, why = 0, 0, 0, Counter[str]()
        for twin in self.registry:
            known += 1
            wishes = self.decider.wishes(twin)
            wish = STAGES[wishes.stage(tool)].wish
            there = twin.seat is Origin.NEW if tool in PROCESS_GROUP or not twin.active else wish is Origin.NEW
            wished += wish is Origin.NEW
            answered += there
            if wish is Origin.NEW and not there:
                why[_why_not(tool, twin, wishes.limiting)] += 1
            elif there and wish is Origin.OLD:
                why["its seat has not come back yet" if not twin.row.held else f"held: {twin.row.held}"] += 1
        share = {"known": known, "wish_new": wished, "on_new": answered}
        return {**share, "effective_share": answered / known if known else None, "why": dict(why.most_common(8))}


def set_share(shares: Mapping[str, float]) -> float:
    """The share of sandboxes on new that a flag's shares (percent by stage) ask for."""
    return sum(percent for stage, percent in shares.items() if STAGES[Stage(stage)].wish is Origin.NEW) / 100


def series(hours: Sequence[EvidenceHour], growth: Sequence[GrowthPoint]) -> list[dict[str, Any]]:
    """Evidence as it grew: after each hour the share that differed so far, and the bounds that hold at every look.

    `compared` is of calls, the share and its bounds of the sandboxes that were complete by then.
    """
    found, compared, known = [], 0, {"share": 0.0, "lower": 0.0, "upper": 1.0}
    waiting = deque(growth)
    for each in hours:
        compared += each.compared
        while waiting and waiting[0].at <= each.hour + HOUR:
            point = waiting.popleft()
            known = {"share": point.estimate, "lower": point.lower, "upper": point.upper}
        found.append({"hour": each.hour, "calls": each.calls, "on_new": each.on_new, "compared": compared, **known})
    if found and waiting:  # complete since the last hour with a call
        point = waiting[-1]
        found[-1] |= {"share": point.estimate, "lower": point.lower, "upper": point.upper}
    return found[-_POINTS:]


def _why_not(tool: str, twin: Twin, limiting: tuple[str, ...]) -> str:
    if not twin.joined:
        return f"follower {twin.row.follower}" + (f": {twin.row.held}" if twin.row.held else "")
    if tool in PROCESS_GROUP and limiting:
        return f"limited by {', '.join(limiting)}"
    if twin.row.held:
        return f"held: {twin.row.held}"
    return "its seat has not moved yet" if tool in PROCESS_GROUP else "its follower does not answer yet"


def _evidence(report: ToolReport) -> dict[str, Any]:
    bound = report.bound
    return {
        "verdict": report.decision,
        "next_step": report.next_step,
        "calls": report.calls,
        "answered": dict(report.answered),
        "wished_new": report.wished,
        "failed": report.failed,
        "compared": report.compared,
        "differing": report.differing,
        "contract": report.contract,
        "mismatch": {"share": bound.estimate, "lower": bound.lower, "upper": bound.upper, "sandboxes": bound.units},
        "budget": report.budget,
        "parity": asdict(report.parity),
        "held": dict(report.held),
    }
