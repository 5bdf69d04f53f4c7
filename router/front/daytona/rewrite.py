"""Rewriting: addresses that Daytona's control plane hands out, turned to us (facts: addressing)."""

import json
from typing import Any

from router.front.daytona.objects import toolbox_url
from router.front.daytona.routes import Route

_SANDBOX_OBJECTS = frozenset(
    {
        "sandbox.create",
        "sandbox.get",
        "sandbox.list",
        "sandbox.start",
        "sandbox.stop",
        "sandbox.archive",
        "sandbox.delete",
        "sandbox.interval",
    }
)


def rewrites(route: Route) -> bool:
    """Whether answers of this route may hold addresses: only those must be held whole."""
    if route.plane != "control":
        return False
    return route.operation in _SANDBOX_OBJECTS or route.kind in ("config", "toolbox_url", "unknown")


def rewrite(route: Route, body: bytes, *, public_url: str) -> bytes:
    """The answer with its toolbox addresses turned to us; byte for byte the same when it holds none."""
    if not rewrites(route):
        return body
    try:
        value = json.loads(body)
    except ValueError:
        return body
    ours = toolbox_url(public_url.rstrip("/"))
    if route.kind == "config":
        changed = _replace(value, "proxyToolboxUrl", ours)
    elif route.kind == "toolbox_url":
        changed = _replace(value, "url", ours)
    else:
        changed = sum(_replace(each, "toolboxProxyUrl", ours) for each in _sandboxes(value)) > 0
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() if changed else body


def _sandboxes(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and isinstance(value.get("items"), list):
        return list(value["items"])
    return [value]


def _replace(value: Any, name: str, address: str) -> bool:
    if not isinstance(value, dict) or not value.get(name):
        return False
    value[name] = address
    return True
