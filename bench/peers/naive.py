"""The proxy one would write first: starlette in front, httpx2 behind, bodies streamed both ways. Honest, not tuned."""

import contextlib
import os
from collections.abc import AsyncIterator

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

_HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """One client with a pool for the whole process."""
    limits = httpx2.Limits(max_connections=256, max_keepalive_connections=256)
    async with httpx2.AsyncClient(
        base_url=os.environ["BENCH_ORIGIN"], timeout=60, limits=limits, trust_env=False
    ) as client:
        app.state.client = client
        yield


async def proxy(request: Request) -> StreamingResponse:
    """Pass the call on, and its answer back."""
    client: httpx2.AsyncClient = request.app.state.client
    headers = [(name, value) for name, value in request.headers.items() if name not in _HOP_BY_HOP]
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    body = request.stream() if request.headers.get("content-length", "0") != "0" else None
    sent = client.build_request(request.method, target, headers=headers, content=body)
    response = await client.send(sent, stream=True)
    return StreamingResponse(
        response.aiter_raw(),
        status_code=response.status_code,
        headers={name: value for name, value in response.headers.items() if name not in _HOP_BY_HOP},
        background=BackgroundTask(response.aclose),
    )


app = Starlette(routes=[Route("/{path:path}", proxy, methods=_METHODS)], lifespan=lifespan)
