"""Pages to look at: origins, reports, the audit trail, settings."""

from collections.abc import Sequence
from itertools import groupby
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from router.dashboard.visit import House, Visit, guarded

LIMITS = {
    "comparisons_waiting": "Comparisons waiting, all sandboxes",
    "comparisons_waiting_per_sandbox": "Comparisons waiting, each sandbox",
    "mirrored_body_bytes": "Largest mirrored body, bytes",
    "mirrored_call_seconds": "Longest mirrored call, seconds",
}
# The report brings its own style, and needs nothing else.
_REPORT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"


def routes(house: House) -> Sequence[Route]:
    """/origins, /reports, /audit, /settings."""
    pages = {"/origins": origins, "/reports": reports, "/audit": audit, "/settings": settings}
    made = {f"/reports/report.{name}": report for name in ("html", "md", "json")}
    return [Route(path, guarded(house, serve), methods=["GET"]) for path, serve in {**pages, **made}.items()]


async def origins(visit: Visit) -> Response:
    """Breaker, requests, limits."""
    found = await visit.api.get("origins")
    return visit.page("origins.html", origins=found["origins"], limits=found["limits"], names=LIMITS)


async def reports(visit: Visit) -> Response:
    """Links."""
    return visit.page("reports.html", windows=[each["since"] for each in (await visit.api.get("reports"))["reports"]])


async def report(visit: Visit) -> Response:
    """A report, passed on."""
    name = visit.request.url.path.rpartition("/")[2]
    found = await visit.api.raw("reports", name, since=visit.query.get("since", ""))
    headers = {"Content-Security-Policy": _REPORT}
    return Response(found.content, media_type=found.headers["content-type"], headers=headers)


async def audit(visit: Visit) -> Response:
    """Who changed what, and why."""
    target = visit.query.get("target", "")
    found = await visit.api.get("audit", target=target, before=visit.query.get("before", ""))
    following = urlencode({"target": target, "before": repr(found["next"])}) if found["next"] else ""
    return visit.page("audit.html", entries=found["entries"], target=target, following=following)


async def settings(visit: Visit) -> Response:
    """Every setting, and where its value came from."""
    found = await visit.api.get("settings")
    sections = [(name, list(each)) for name, each in groupby(found["settings"], lambda each: each["section"])]
    return visit.page("settings.html", sections=sections, file=found["file"])
