"""The dashboard's app, and how it is run."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from router.dashboard.api import AdminApi
from router.dashboard.attempts import Attempts
from router.dashboard.oidc import Provider
from router.dashboard.pages import calls, differences, login, look, now, sandboxes, tools
from router.dashboard.plot import evidence_plot
from router.dashboard.sessions import Sessions
from router.dashboard.users import Users
from router.dashboard.visit import House
from router.listeners import announce, listener, started
from router.settings import Settings

log = logging.getLogger("crossfade.dashboard")
_BY_ADDRESS = 4  # times as many tries from one address as of one name: people share addresses
_HEADERS = {
    # Nothing from anywhere else, nothing inline: a text that slips through unescaped still runs nothing.
    b"content-security-policy": b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cache-control": b"no-store",
}


def house_of(settings: Settings, api: AdminApi, *, now: Callable[[], float] = time.monotonic) -> House:
    """What all requests share."""
    mine = settings.dashboard
    templates = Environment(
        loader=PackageLoader("router.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    templates.globals["evidence_plot"] = evidence_plot
    return House(
        api=api,
        users=Users(mine.users_file),
        sessions=Sessions(mine.session_minutes * 60, mine.idle_minutes * 60, now),
        attempts=Attempts(mine.login_attempts, now),
        addresses=Attempts(_BY_ADDRESS * mine.login_attempts, now),
        templates=templates,
        public_url=mine.public_url,
        provider=Provider(settings.oidc, mine.public_url, now) if settings.oidc.issuer else None,
        passwords=settings.oidc.passwords,
    )


def dashboard_app(house: House) -> Starlette:
    """Every page."""

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def nothing(request: Request, _error: Exception) -> Response:
        page = {"title": "No such page", "text": request.url.path, "ours": True}
        return house.render(request, "problem.html", status=404, user=None, operator=False, csrf="", **page)

    modules = (login, now, tools, differences, sandboxes, calls, look)
    pages = [route for module in modules for route in module.routes(house)]
    static = StaticFiles(directory=Path(__file__).parent / "static")
    return Starlette(
        routes=[Route("/livez", livez), Mount("/static", static), *pages],
        exception_handlers={404: nothing, 405: nothing},
        middleware=[Middleware(_Headers)],
    )


class _Headers:
    """Headers that every answer has; a page that needs others sets them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((n, v) for n, v in _HEADERS.items() if n not in there)]
            await send(message)

        await self._app(scope, receive, sending)


def run(settings: Settings, *, ready_file: str | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises SettingsError or Unreachable before anything is served."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    asyncio.run(_serve(settings, ready_file))


async def _serve(settings: Settings, ready_file: str | None) -> None:
    mine, token = settings.dashboard, settings.listen.admin_token
    if not token:
        log.warning("listen.admin_token is empty: the router will refuse every page; set it for both")
    async with AdminApi(mine.admin_url or f"http://{settings.listen.admin}", token) as api:
        house = house_of(settings, api)
        if house.passwords and house.provider is None and not house.users.all():
            log.warning("nobody can sign in yet: crossfade dashboard user add NAME --role operator")
        server = listener(dashboard_app(house), mine.listen, "dashboard.listen", settings)
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, stop.set)
        serving = [loop.create_task(server.serve())]
        await started(serving, [(server, mine.listen)])
        announce(server, ready_file)
        await stop.wait()
        server.should_exit = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving[0], 5)
