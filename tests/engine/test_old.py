"""Where a path of ours is found at old: its /config is asked once, and a sandbox's own address comes first."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from crossfade.upstream import UpstreamFailed
from router.engine.old import OldAddresses, split_url
from router.wire.http1.client import Http1Upstream
from tests.wire.origin import Origin, Peer, Script, origin

CONFIG = {
    "proxyToolboxUrl": "https://proxy.old.example:8443/toolbox/",
    "proxyTemplateUrl": "https://{{PORT}}-{{sandboxId}}.proxy.old.example:4000",
}


def configured(body: bytes, status: bytes = b"200 OK") -> Script:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.05)  # long enough for others to come and ask
            await peer.say(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    return script


@contextlib.asynccontextmanager
async def addresses(script: Script, path: str = "/api") -> AsyncIterator[tuple[OldAddresses, Origin]]:
    async with Http1Upstream() as upstream, origin(script) as old:
        yield OldAddresses(old.url + path, upstream), old


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h", ("http://h", "")),
        ("http://h/", ("http://h", "")),
        ("https://h:1/a/api/", ("https://h:1", "/a/api")),
        ("http://[::1]:80/api", ("http://[::1]:80", "/api")),
    ],
)
def test_an_address_is_split_into_base_and_path(url: str, parts: tuple[str, str]) -> None:
    assert split_url(url) == parts


@pytest.mark.parametrize(
    ("api", "path", "target"),
    [
        ("/api", "/api/sandbox/s1", "/api/sandbox/s1"),
        ("/api/", "/api/sandbox", "/api/sandbox"),
        ("/daytona/api", "/api/sandbox", "/daytona/api/sandbox"),
        ("", "/api/sandbox", "/sandbox"),
        ("/api", "/api", "/api"),
        ("/api", "/apisandbox", "/apisandbox"),
        ("/daytona/api", "/other/api/x", "/other/api/x"),
        ("/api", "/api/a%2Fb//c", "/api/a%2Fb//c"),
        ("/api", "/toolboxes", "/toolboxes"),
    ],
)
async def test_paths_of_the_control_plane_stand_below_the_address_set(api: str, path: str, target: str) -> None:
    async with addresses(configured(b"{}"), api) as (old, served):
        assert await old.find(path, "") == (served.url, target)
        assert served.requests == []


async def test_the_toolbox_is_where_config_says_and_config_is_asked_once() -> None:
    async with addresses(configured(json.dumps(CONFIG).encode())) as (old, served):
        found = await asyncio.gather(*(old.find(f"/toolbox/s{n}/files%2Fx?", f"s{n}") for n in range(20)))
        await old.find("/toolbox/s1/version", "s1")

        assert found[3] == ("https://proxy.old.example:8443", "/toolbox/s3/files%2Fx?")
        assert [request.line for request in served.requests] == ["GET /api/config HTTP/1.1"]
        assert served.requests[0].named("x-crossfade-purpose") == ["keeper"]
        assert served.requests[0].named("authorization") == []
        assert old.preview_domain == "proxy.old.example"


async def test_a_sandboxs_own_toolbox_comes_first() -> None:
    async with addresses(configured(json.dumps(CONFIG).encode())) as (old, served):
        old.learn_object("s1", "https://eu.old.example/toolbox")
        old.learn_object("s2", "")

        assert await old.find("/toolbox/s1/files", "s1") == ("https://eu.old.example", "/toolbox/s1/files")
        assert served.requests == []
        assert (await old.find("/toolbox/s2/files", "s2"))[0] == "https://proxy.old.example:8443"
        old.learn_object("s3", CONFIG["proxyToolboxUrl"])
        assert set(old.sandboxes) == {"s1"}  # what is as everywhere need not be kept for each


async def test_addresses_of_single_sandboxes_are_bounded_and_the_newest_stay() -> None:
    async with addresses(configured(json.dumps(CONFIG).encode())) as (old, _):
        for number in range(10_100):
            old.learn_object(f"s{number}", "https://eu.old.example/toolbox")

        assert len(old.sandboxes) == 10_000
        assert (await old.find("/toolbox/s10099/x", "s10099"))[0] == "https://eu.old.example"
        assert (await old.find("/toolbox/s0/x", "s0"))[0] == "https://proxy.old.example:8443"


@pytest.mark.parametrize("url", ["", "eu.old.example/toolbox", "https://", "http://[::1/toolbox", "http://h:0/x"])
async def test_an_object_that_names_no_address_is_not_believed(url: str) -> None:
    async with addresses(configured(json.dumps(CONFIG).encode())) as (old, _):
        old.learn_object("s1", url)

        assert old.sandboxes == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not JSON", b"200 OK"),
        (b"[]", b"200 OK"),
        (b"null", b"200 OK"),
        (b'{"proxyTemplateUrl": "x"}', b"200 OK"),
        (b'{"message": "down"}', b"503 Unavailable"),
    ],
)
async def test_a_config_that_names_no_toolbox_fails_the_call_and_is_asked_again(body: bytes, status: bytes) -> None:
    async with addresses(configured(body, status)) as (old, served):
        for _ in range(2):
            with pytest.raises(UpstreamFailed, match="proxyToolboxUrl"):
                await old.find("/toolbox/s1/files", "s1")

        assert len(served.requests) == 2


async def test_an_error_that_looks_like_a_config_is_none() -> None:
    async with addresses(configured(json.dumps(CONFIG).encode(), b"500 Oops")) as (old, _):
        with pytest.raises(UpstreamFailed):
            await old.find("/toolbox/s1/files", "s1")

        assert old.toolbox == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [(7, "whole number"), ("", "nothing"), ("proxy/toolbox", "no scheme"), ("https:///toolbox", "no host")],
)
async def test_an_address_that_cannot_be_one_is_not_learned(url: object, why: str) -> None:
    async with addresses(configured(json.dumps({"proxyToolboxUrl": url}).encode())) as (old, _):
        with pytest.raises(UpstreamFailed, match="proxyToolboxUrl"):
            await old.find("/toolbox/s1/files", "s1")

        assert old.toolbox == "", why


@pytest.mark.parametrize("template", ["", "https://preview.old.example/{{PORT}}", None, 7])
async def test_a_template_of_another_form_names_no_preview_hosts(template: object) -> None:
    config = json.dumps({**CONFIG, "proxyTemplateUrl": template}).encode()
    async with addresses(configured(config)) as (old, _):
        await old.find("/toolbox/s1/files", "s1")

        assert old.preview_domain == ""
