"""The description of `/v1`: OpenAPI 3.1, and a plain page for people."""

import html
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from router.admin.endpoints import Endpoint, Field

_SIGNED = {
    "author": Field(says="Who asks for it; kept in the trail.", needed=True),
    "reason": Field(says="Why; kept in the trail.", needed=True),
}
_PROBLEMS = {
    "400": "The request cannot be meant; the text says what and how to mend it.",
    "401": "No token, or a wrong one.",
    "403": "The admin API is off, or a guardrail forbids it.",
    "409": "Changed by someone else meanwhile, or not possible as things stand.",
    "503": "The store or an origin does not answer.",
}


def described(endpoints: Sequence[Endpoint]) -> list[Route]:
    """/v1/openapi.json and /v1/, which ask for no token: they say what this program can do, and nothing of anybody."""
    document, text = openapi(endpoints), page(endpoints)

    async def as_json(_request: Request) -> Response:
        return JSONResponse(document)

    async def as_page(_request: Request) -> Response:
        return HTMLResponse(text)

    return [Route("/v1/openapi.json", as_json), Route("/v1/", as_page), Route("/v1", as_page)]


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(f"/v1{each.path}", {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "crossfade admin API", "version": version("crossfade")},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "listen.admin_token"}},
            "schemas": {"Problem": _object({"error": Field(says="The thing, the cause and the fix.", needed=True)})},
        },
    }


def page(endpoints: Sequence[Endpoint]) -> str:
    """One table, readable without anything else."""
    rows = "".join(
        f"<tr><td><code>{each.method}</code><td><code>/v1{html.escape(each.path)}</code>"
        f"<td>{html.escape(each.says)}<td>{_fields(each)}"
        for each in endpoints
    )
    return (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>crossfade admin API</title><style>:root{color-scheme:light dark}body{font:15px system-ui;margin:2rem}"
        "td{padding:.3rem .8rem .3rem 0;vertical-align:top;border-top:1px solid #8884}</style>"
        "<h1>crossfade admin API</h1><p>Every call but this page and <a href=/v1/openapi.json>openapi.json</a> "
        "shows <code>Authorization: Bearer</code> with <code>listen.admin_token</code>; every change its author and "
        f"reason.</p><table>{rows}</table>"
    )


def _fields(endpoint: Endpoint) -> str:
    shown = {**endpoint.query, **endpoint.body, **(_SIGNED if endpoint.changes else {})}
    return "<br>".join(f"<code>{html.escape(name)}</code> {html.escape(each.says)}" for name, each in shown.items())


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    named = re.findall(r"{(\w+)}", endpoint.path)
    inside = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in named]
    asked = [
        {"name": name, "in": "query", "description": each.says, "schema": {"type": each.kind}}
        for name, each in endpoint.query.items()
    ]
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{endpoint.method}{endpoint.path}").strip("_").lower(),
        "summary": endpoint.says,
        "parameters": [*inside, *asked],
        "responses": {
            "200": {"description": "Done.", "content": {endpoint.kind: {}}},
            **{code: {"description": text, "content": problem} for code, text in _PROBLEMS.items()},
        },
    }
    if endpoint.changes or endpoint.body:
        body = _object({**endpoint.body, **(_SIGNED if endpoint.changes else {})})
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _object(fields: Mapping[str, Field]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name, each in fields.items() if each.needed],
        "properties": {name: {"type": each.kind, "description": each.says} for name, each in fields.items()},
    }
