"""Sandboxes made when every tool is complete: what is kept of a create, and what they are made from."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.twins.state import Twin
from tests.preview.rig import KEY, Rig, origins, router

pytestmark = pytest.mark.asyncio(loop_scope="module")
TEMPLATES = {"image:python:3.12": "py", "small": "tiny"}
FILE = {"files[0].file": ("f", b"0123")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    directory = tmp_path_factory.mktemp("only-new")
    async with (
        origins(directory) as programs,
        router(
            directory,
            programs,
            stage="complete",
            new=lambda section: replace(section, templates=TEMPLATES, creates_per_second=0.0),
        ) as it,
    ):
        yield it


async def created(rig: Rig, **body: Any) -> httpx2.Response:
    async with rig.client() as client:
        return await client.post("/api/sandbox", json=body, headers={"X-Daytona-SDK-Version": "0.115.0"})


async def template_of(rig: Rig, sandbox: str) -> str:
    twin = rig.app.registry.get(sandbox)
    assert twin is not None
    async with httpx2.AsyncClient(base_url=rig.new.url, headers={"X-API-Key": KEY}, trust_env=False) as client:
        return str((await client.get(f"/sandboxes/{twin.row.ids[Origin.NEW]}")).json()["templateID"])


async def test_an_image_is_made_from_its_template(rig: Rig) -> None:
    answer = await created(rig, buildInfo={"dockerfileContent": "FROM python:3.12\n"}, cpu=1)

    assert answer.status_code == 200, answer.text
    assert await template_of(rig, answer.json()["id"]) == "py"


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ({"dockerfileContent": "FROM node\n"}, "'image:node'"),
        ({"dockerfileContent": "FROM python:3.12\nRUN x\n", "contextHashes": ["a"]}, "'image:sha256:"),
    ],
)
async def test_an_image_without_a_template_is_refused_by_name_and_nothing_is_left(
    rig: Rig, build: dict[str, Any], name: str
) -> None:
    before = len(rig.app.registry)
    answer = await created(rig, buildInfo=build)

    assert answer.status_code == 400
    assert name in answer.json()["message"]
    assert "origins.new.templates" in answer.json()["message"]
    assert len(rig.app.registry) == before


async def test_what_a_create_asked_for_is_kept(rig: Rig) -> None:
    asked = {"snapshot": "small", "name": "my-box", "user": "dev", "autoStopInterval": 7, "autoArchiveInterval": 8}
    answer = await created(rig, **asked, autoDeleteInterval=9, labels={"a": "b"})
    async with rig.client() as client:
        found = (await client.get(f"/api/sandbox/{answer.json()['id']}")).json()

    for told in (answer.json(), found):
        assert {name: told[name] for name in asked} == asked
        assert (told["autoDeleteInterval"], told["labels"]) == (9, {"a": "b"})
    assert await template_of(rig, answer.json()["id"]) == "tiny"


async def test_a_file_that_did_not_change_is_not_sent_again(rig: Rig) -> None:
    sandbox = (await created(rig, snapshot="small")).json()["id"]
    path = f"/toolbox/{sandbox}/files"
    async with rig.client() as client:
        sent = await client.post(f"{path}/bulk-upload", files={"files[0].path": (None, "/workspace/f"), **FILE})
        whole = await client.get(f"{path}/download?path=/workspace/f")
        at = {"If-Modified-Since": whole.headers["last-modified"]}
        same = await client.get(f"{path}/download?path=/workspace/f", headers=at)
        again = await client.get(f"{path}/download?path=/workspace/f", headers={**at, "If-None-Match": '"x"'})

    assert (sent.status_code, whole.content) == (200, b"0123")
    assert (same.status_code, same.content, "content-length" in same.headers) == (304, b"", False)
    assert (again.status_code, again.content) == (200, b"0123")


async def there(rig: Rig) -> dict[str, str]:
    """What E2B has: its id by our nonce."""
    async with httpx2.AsyncClient(base_url=rig.new.url, headers={"X-API-Key": KEY}, trust_env=False) as client:
        found = (await client.get("/v2/sandboxes")).json()
    return {each["metadata"].get("crossfade_nonce", ""): each["sandboxID"] for each in found}


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await true():
            await asyncio.sleep(0.05)


async def test_a_create_whose_client_left_is_listed_and_can_be_used(rig: Rig) -> None:
    async with httpx2.AsyncClient(base_url=rig.new.url, trust_env=False) as provider:
        await provider.post("/_crossfade/inject", json={"delay_seconds": 1.0})
        async with rig.client() as client:
            with pytest.raises(httpx2.TimeoutException):
                await client.post("/api/sandbox", json={"snapshot": "small", "labels": {"of": "gone"}}, timeout=0.3)
        await provider.post("/_crossfade/inject", json={"delay_seconds": 0})
    asked = '/api/sandbox?labels={"of": "gone"}'

    async with rig.client() as client:

        async def listed() -> bool:
            return bool((await client.get(asked)).json()["items"])

        await until(listed)
        [found] = (await client.get(asked)).json()["items"]
        ran = await client.post(f"/toolbox/{found['id']}/process/execute", json={"command": "echo here"})

    assert ran.json()["result"] == "here\n"


async def unfinished(rig: Rig, nonce: str) -> Twin:
    """A create that a router did not live to see the end of: its row, and what E2B made of it."""
    metadata = {"crossfade_nonce": nonce}
    async with httpx2.AsyncClient(base_url=rig.new.url, headers={"X-API-Key": KEY}, trust_env=False) as client:
        made = await client.post("/v2/sandboxes", json={"templateID": "tiny", "metadata": metadata})
        assert made.status_code == 201, made.text
    row = TwinRow(id=f"id-{nonce}", routing_key="k", seat=Origin.NEW, follower=FollowerState.ABSENT, nonce=nonce)
    twin = rig.app.registry.add(row)
    await rig.app.registry.change(twin)
    return twin


async def test_a_create_that_no_router_saw_end_is_taken_back(rig: Rig) -> None:
    twin = await unfinished(rig, "crashed")
    only_new = replace(rig.app.engine.lifecycle.only_new, given_up_seconds=0.0)
    only_new.reaper.looks_seconds = (0.0, 0.1)
    only_new.resume()

    async def gone() -> bool:
        return "crashed" not in await there(rig)

    await until(gone)
    assert rig.app.registry.get(twin.id) is None
    rows = {row.id: row for row in await rig.app.registry.rows.load()}
    assert rows[twin.id].follower is FollowerState.GONE, "its label leads to a tombstone"


async def test_a_create_that_another_router_ended_is_kept(rig: Rig) -> None:
    twin = await unfinished(rig, "taken over")
    sandbox = (await there(rig))["taken over"]
    await rig.app.registry.rows.save(replace(twin.row, ids={Origin.NEW: sandbox}))
    only_new = replace(rig.app.engine.lifecycle.only_new, given_up_seconds=0.0)
    only_new.reaper.looks_seconds = (0.0,)
    only_new.resume()

    async def known() -> bool:
        return twin.row.ids == {Origin.NEW: sandbox}

    await until(known)
    assert rig.app.registry.get(twin.id) is twin
    assert "taken over" in await there(rig)
