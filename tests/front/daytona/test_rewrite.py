"""Addresses turned to us."""

import json

import pytest

from router.front.daytona.rewrite import rewrite, rewrites
from router.front.daytona.routes import match

OURS = "https://crossfade.example.com"
TOOLBOX = f"{OURS}/toolbox"
THEIRS = "https://proxy.daytona.example/toolbox"


@pytest.mark.parametrize(
    ("method", "path", "given", "turned"),
    [
        ("GET", "/api/config", {"proxyToolboxUrl": THEIRS, "x": 1}, {"proxyToolboxUrl": TOOLBOX, "x": 1}),
        ("GET", "/api/sandbox/s", {"id": "s", "toolboxProxyUrl": THEIRS}, {"id": "s", "toolboxProxyUrl": TOOLBOX}),
        (
            "GET",
            "/api/sandbox",
            [{"toolboxProxyUrl": THEIRS}, {"id": "b"}],
            [{"toolboxProxyUrl": TOOLBOX}, {"id": "b"}],
        ),
        (
            "GET",
            "/api/sandbox",
            {"items": [{"toolboxProxyUrl": THEIRS}, {"toolboxProxyUrl": THEIRS}], "nextCursor": None},
            {"items": [{"toolboxProxyUrl": TOOLBOX}, {"toolboxProxyUrl": TOOLBOX}], "nextCursor": None},
        ),
        ("GET", "/api/sandbox/s/toolbox-proxy-url", {"url": THEIRS}, {"url": TOOLBOX}),
        ("POST", "/api/sandbox/s/resize", {"toolboxProxyUrl": THEIRS}, {"toolboxProxyUrl": TOOLBOX}),
    ],
)
def test_toolbox_addresses_become_ours(method: str, path: str, given: object, turned: object) -> None:
    route = match(method, path)
    assert route is not None

    assert json.loads(rewrite(route, json.dumps(given).encode(), public_url=OURS)) == turned


@pytest.mark.parametrize("body", [b"", b"not json", b'{ "url" : "http://preview" }', b"[1, null]", b'"text"'])
def test_what_holds_no_address_passes_byte_for_byte(body: bytes) -> None:
    for method, path in (("GET", "/api/sandbox/s"), ("GET", "/api/sandbox/s/ports/80/preview-url")):
        route = match(method, path)
        assert route is not None
        assert rewrite(route, body, public_url=OURS) == body


def test_the_toolbox_plane_is_never_held() -> None:
    route = match("GET", "/toolbox/s/files")

    assert route is not None
    assert not rewrites(route)
