"""Links that the control plane hands out: ours, for every sandbox whose ports we can serve, and untouched otherwise."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from crossfade.stage import Origin
from router.preview.links import Links
from router.preview.origins import Sandbox
from tests.preview.rig import DOMAIN, KEY, Box, Rig, origins, router

pytestmark = pytest.mark.asyncio(loop_scope="module")
SIGNED = "/api/sandbox/{id}/ports/{port}/signed-preview-url"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def only_new(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Box]:
    """A sandbox that was made when every tool was complete: it has no old side."""
    directory = tmp_path_factory.mktemp("complete")
    async with origins(directory) as programs, router(directory, programs, stage="complete") as running:
        box = await running.create()
        assert Origin.OLD not in box.twin.row.ids
        await box.serve(Origin.NEW, "new")
        yield box


async def test_the_link_is_ours_and_the_same_whoever_has_the_seat(box: Box) -> None:
    link = await box.link()

    assert link == {"sandboxId": box.id, "url": f"http://{box.host}", "token": link["token"]}
    assert len(link["token"]) == 32
    other = await box.link(3000)
    assert (other["url"], other["token"]) == (f"http://3000-{box.id}.{DOMAIN}", link["token"])


async def test_no_link_or_token_of_the_new_provider_is_ever_handed_out(box: Box) -> None:
    there = box.twin.row.ids[Origin.NEW]
    async with box.rig.client() as client:
        said = (await client.get(f"/api/sandbox/{box.id}/ports/80/preview-url")).text

    assert there not in said
    assert "localhost" not in said


async def test_the_answer_is_asked_for_unencoded_whatever_the_client_takes(box: Box) -> None:
    preview = box.rig.app.preview
    assert preview is not None
    links, asked = _with(preview.links, {"sandboxId": box.id, "url": "x", "token": "y"}), []
    api = links.api

    async def noting(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        asked.extend(name for name, _ in scope["headers"])
        await api(scope, receive, send)

    said = await _asked(replace(links, api=noting), f"/api/sandbox/{box.id}/ports/80/preview-url", b"")

    assert json.loads(said)["url"] == f"http://80-{box.id}.{DOMAIN}"
    assert asked == [b"host"]
    assert (await box.link(**{"Accept-Encoding": "gzip, br"}))["url"] == f"http://{box.host}"


@pytest.mark.parametrize(("method", "forgotten"), [("POST", True), ("DELETE", True), ("GET", False), ("HEAD", False)])
async def test_what_is_changed_through_us_is_asked_for_anew(box: Box, method: str, forgotten: bool) -> None:
    """Made private, it is closed at once; started anew, its token is another one."""
    preview = box.rig.app.preview
    assert preview is not None
    await box.get("/x")
    await preview.doors.origins.link(Sandbox(id=box.id, public=False, twin=box.twin), Origin.OLD, box.port)

    await _asked(_with(preview.links, b"{}"), f"/api/sandbox/{box.id}/public/false", b"", method=method)

    described, linked = preview.doors.origins.described, preview.doors.origins.linked
    assert (box.id not in described.kept, (box.id, box.port) not in linked.kept) == (forgotten, forgotten)


async def test_only_who_may_use_the_sandbox_gets_a_link(box: Box) -> None:
    for key in ("", "Bearer wrong"):
        async with box.rig.client(Authorization=key) as client:
            answer = await client.get(f"/api/sandbox/{box.id}/ports/80/preview-url")

        assert answer.status_code == 401
        assert DOMAIN not in answer.text


@pytest.mark.parametrize("port", ["0", "99999", "x", "-1", "8080.5"])
async def test_odd_ports_are_answered_by_the_origin(box: Box, port: str) -> None:
    async with box.rig.client() as client:
        answer = await client.get(f"/api/sandbox/{box.id}/ports/{port}/preview-url")

    assert answer.status_code >= 400
    assert DOMAIN not in answer.text


async def test_a_sandbox_made_past_the_router_has_our_links_too(rig: Rig) -> None:
    """So that links that are stored now follow it if it is taken over later."""
    async with httpx2.AsyncClient(base_url=rig.old.url, headers={"Authorization": f"Bearer {KEY}"}) as direct:
        made = (await direct.post("/api/sandbox", json={"snapshot": "s"})).json()
    box = Box(rig, str(made["id"]))
    assert rig.app.registry.get(box.id) is None
    await box.serve(Origin.OLD, "old")

    assert (await box.link())["url"] == f"http://{box.host}"
    assert (await box.seen("/"))["name"] == "old"
    assert (await rig.get(box.host)).status_code == 401
    assert (await rig.get(box.host, headers={"Authorization": f"Bearer {KEY}"})).json()["name"] == "old"


async def test_the_config_tells_our_template(rig: Rig) -> None:
    async with rig.client(Authorization="") as client:
        config = (await client.get("/api/config")).json()

    assert config["proxyTemplateUrl"] == f"http://{{{{PORT}}}}-{{{{sandboxId}}}}.{DOMAIN}"
    assert config["proxyToolboxUrl"] == f"{rig.url}/toolbox"


async def test_a_sandbox_without_old_has_links_and_no_other_way_in(only_new: Box) -> None:
    box = only_new
    link = await box.link()

    assert link["url"] == f"http://{box.host}"
    assert (await box.seen("/"))["name"] == "new"
    assert (await box.rig.get(box.host)).status_code == 401
    assert (await box.rig.get(box.host, headers={"Authorization": f"Bearer {KEY}"})).status_code == 200
    assert (await box.rig.get(box.host, headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_a_signed_link_opens_its_port_for_its_time_and_a_cookie_goes_on(only_new: Box) -> None:
    box = only_new
    signed = await _signed(box, seconds=2)
    host = signed["url"].removeprefix("http://")
    first = await box.rig.get(host)
    other_port = await box.rig.get(host.replace(str(box.port), str(box.ws_port), 1))
    cookie = first.headers["set-cookie"].partition(";")[0]
    async with asyncio.timeout(20):
        while (ended := await box.rig.get(host)).status_code != 404:
            await asyncio.sleep(0.2)
    still = await box.rig.get(host, headers={"Cookie": cookie})

    assert signed.keys() == {"sandboxId", "port", "token", "url"}
    assert (signed["sandboxId"], signed["port"]) == (box.id, box.port)
    assert host == f"{box.port}-{signed['token']}.{DOMAIN}"
    assert (first.status_code, other_port.status_code, ended.status_code, still.status_code) == (200, 404, 404, 200)
    assert cookie.startswith(f"daytona-sandbox-auth-{signed['token']}=")


async def test_a_signed_link_can_be_taken_back(only_new: Box) -> None:
    box = only_new
    signed = await _signed(box, seconds=600)
    host = signed["url"].removeprefix("http://")
    cookie = (await box.rig.get(host)).headers["set-cookie"].partition(";")[0]
    expire = f"{SIGNED.format(id=box.id, port=box.port)}/{signed['token']}/expire"
    async with box.rig.client(Authorization="Bearer wrong") as stranger:
        refused = await stranger.post(expire)
    opened = await box.rig.get(host)
    async with box.rig.client() as client:
        done = await client.post(expire)
    closed = [await box.rig.get(host), await box.rig.get(host, headers={"Cookie": cookie})]

    assert (refused.status_code, opened.status_code, done.status_code) == (401, 200, 200)
    assert [each.status_code for each in closed] == [404, 404]


async def test_only_who_may_use_the_sandbox_signs_links(only_new: Box) -> None:
    for key in ("", "Bearer wrong"):
        async with only_new.rig.client(Authorization=key) as client:
            answer = await client.get(SIGNED.format(id=only_new.id, port=80))

        assert answer.status_code == 401


async def test_a_signed_answer_of_old_becomes_ours(box: Box) -> None:
    """The embedded server signs nothing, so the answer is put behind the application that would pass it on."""
    preview = box.rig.app.preview
    assert preview is not None
    theirs = {"sandboxId": box.id, "port": box.port, "token": "abcdefgh12345678", "url": "https://80-abc.proxy.example"}
    links = _with(preview.links, theirs)

    said = json.loads(await _asked(links, SIGNED.format(id=box.id, port=box.port), b"expiresInSeconds=120"))
    answer = await box.rig.get(said["url"].removeprefix("http://"))

    assert said["url"] == f"http://{box.port}-{said['token']}.{DOMAIN}"
    assert answer.json()["name"] == str(box.twin.seat)
    now = time.time()
    named = preview.links.signer.sandbox_of
    assert (named(said["token"], box.port, now + 110), named(said["token"], box.port, now + 130)) == (box.id, None)


@pytest.mark.parametrize("body", [b"not json", b"[1,2]", b'{"sandboxId":"gone","url":"x","token":"y"}', b""])
async def test_an_answer_that_is_none_of_a_link_passes_as_it_is(rig: Rig, body: bytes) -> None:
    preview = rig.app.preview
    assert preview is not None
    path = f"/api/sandbox/{uuid.uuid4()}/ports/80/preview-url"

    assert await _asked(_with(preview.links, body), path, b"") == body


async def test_an_answer_too_large_for_a_link_passes_whole(rig: Rig) -> None:
    preview = rig.app.preview
    assert preview is not None
    body = b"x" * 3_000_000

    assert await _asked(_with(preview.links, body), "/api/sandbox/x/ports/80/preview-url", b"") == body


async def test_by_path_where_no_domain_is_set(tmp_path: Path) -> None:
    async with (
        origins(tmp_path) as programs,
        router(tmp_path, programs, preview=lambda said: replace(said, domain="")) as rig,
    ):
        box = await rig.create()
        await box.joined()
        await box.serve(Origin.OLD, "old")
        link = await box.link()
        answer = await rig.get(rig.authority, link["url"].removeprefix(rig.url) + "/x", headers=await box.token())
        config = await rig.get(rig.authority, "/api/config")

    assert link["url"] == f"{rig.url}/preview/{box.port}-{box.id}"
    assert answer.json()["target"] == "/x"
    assert DOMAIN not in config.text


async def test_unset_links_are_the_providers_own(tmp_path: Path) -> None:
    async with (
        origins(tmp_path) as programs,
        router(tmp_path, programs, preview=lambda said: replace(said, domain="", path="")) as rig,
    ):
        box = await rig.create()
        await box.joined()
        link = await box.link()
        host = await rig.get(box.host)

    assert rig.app.preview is None
    assert link["url"].startswith("http://127.0.0.1:")
    assert host.headers.get("x-crossfade-origin") != "router"


async def _signed(box: Box, *, seconds: int) -> dict[str, object]:
    async with box.rig.client() as client:
        answer = await client.get(SIGNED.format(id=box.id, port=box.port), params={"expiresInSeconds": seconds})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def _with(links: Links, answer: object) -> Links:
    """The same, before an application that always gives this answer."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    async def api(_scope: object, _receive: object, send) -> None:  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for at in range(0, len(body) + 1, 700_000):
            more = at + 700_000 <= len(body)
            await send({"type": "http.response.body", "body": body[at : at + 700_000], "more_body": more})

    return replace(links, api=api)


async def _asked(links: Links, path: str, query: bytes, *, method: str = "GET") -> bytes:
    sent: list[bytes] = []

    async def send(message) -> None:  # type: ignore[no-untyped-def]
        sent.append(message.get("body", b""))

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [(b"host", b"api.example.org"), (b"accept-encoding", b"gzip")],
    }
    await links(scope, _nothing, send)
    return b"".join(sent)


async def _nothing() -> dict[str, object]:
    return {"type": "http.disconnect"}
