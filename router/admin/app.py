"""The admin listener's app."""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


def admin_app(*, ready: Callable[[], list[str]], metrics: Callable[[], bytes], more: Sequence[Route] = ()) -> Starlette:
    """Serves /livez, /readyz, /metrics and `more`. `ready` gives reasons against; `metrics` is called on a thread."""

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        if reasons := ready():
            return JSONResponse({"ready": False, "reasons": reasons}, status_code=503)
        return PlainTextResponse("ok")

    async def prometheus(_request: Request) -> Response:
        # Tens of milliseconds with many series: calls of clients must not wait behind a scrape.
        text = await asyncio.to_thread(metrics)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", prometheus), *more],
        exception_handlers={HTTPException: _refused},
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = error.detail
    if error.status_code == 404:
        message = f"no page '{request.url.path}' here; known: /livez, /readyz, /metrics, /v1"
    return JSONResponse({"error": message}, status_code=error.status_code, headers=error.headers)
