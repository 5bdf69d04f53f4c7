"""Ports on new are open through the router's links alone: past it E2B's edge asks for a token that nobody else has."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio

from crossfade.operation import Operation
from crossfade.results import PreviewLink
from crossfade.stage import Origin
from demo.programs import Program
from tests.preview.rig import KEY, Box, Rig, origins, router

pytestmark = pytest.mark.asyncio(loop_scope="module")
Programs = tuple[Program, Program]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Programs]:
    async with origins(tmp_path_factory.mktemp("private")) as both:
        yield both


async def made(rig: Rig) -> Box:
    box = await rig.create()
    await box.serve(Origin.NEW, "new")
    return box


async def there(box: Box) -> PreviewLink:
    """E2B's own link, as the router has it."""
    asked = Operation(name="sandbox.preview", sandbox=box.twin.row.ids[Origin.NEW], arguments={"port": box.port})
    outcome = await box.rig.app.sides.backends[Origin.NEW].perform(asked)
    assert isinstance(outcome.value, PreviewLink)
    return outcome.value


async def past_the_router(box: Box, **headers: str) -> httpx2.Response:
    link = urlsplit((await there(box)).url)
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{link.port}/", headers={"Host": link.netloc, **headers})


async def state_there(rig: Rig, sandbox: str) -> str:
    async with httpx2.AsyncClient(base_url=rig.new.url, headers={"X-API-Key": KEY}, trust_env=False) as client:
        return str((await client.get(f"/sandboxes/{sandbox}")).json()["state"])


async def transition(box: Box, verb: str) -> None:
    async with box.rig.client() as client:
        assert (await client.post(f"/api/sandbox/{box.id}/{verb}")).status_code == 200


async def test_ports_open_through_the_router_alone(tmp_path: Path, programs: Programs) -> None:
    async with router(tmp_path, programs, stage="complete") as rig:
        box = await made(rig)
        through, past = await box.get("/"), await past_the_router(box)
        token = (await there(box)).token
        opened = await past_the_router(box, **{"E2b-Traffic-Access-Token": token})
        seen = await box.get("/", headers={"E2b-Traffic-Access-Token": "guessed"})

        assert (through.status_code, past.status_code, opened.status_code, seen.status_code) == (200, 403, 200, 200)
        assert json.loads(through.text)["name"] == "new"
        assert token not in through.text
        assert token not in str(through.headers)


async def test_the_token_is_found_again_after_a_restart_and_after_a_pause(tmp_path: Path, programs: Programs) -> None:
    async with router(tmp_path, programs, stage="complete") as rig:
        box = await made(rig)
    async with router(tmp_path, programs, stage="complete") as rig:
        box = replace(box, rig=rig)
        restarted = await box.get("/")
        await transition(box, "stop")
        await transition(box, "start")
        await box.serve(Origin.NEW, "again")
        resumed = await box.get("/")

        assert (restarted.status_code, resumed.status_code) == (200, 200)
        assert json.loads(resumed.text)["name"] == "again"


async def test_a_look_at_a_port_starts_no_sandbox(tmp_path: Path, programs: Programs) -> None:
    async with router(tmp_path, programs, stage="complete") as rig:
        box = await made(rig)
        await transition(box, "stop")
    async with router(tmp_path, programs, stage="complete") as rig:
        box = replace(box, rig=rig)
        looked = await box.get("/")

        assert looked.status_code >= 400
        assert await state_there(rig, box.twin.row.ids[Origin.NEW]) == "paused"


async def test_a_post_refused_for_its_token_is_not_sent_again_and_the_next_one_passes(
    tmp_path: Path, programs: Programs
) -> None:
    async with router(tmp_path, programs, stage="complete") as rig:
        box = await made(rig)
        control = rig.app.sides.backends[Origin.NEW]._control  # type: ignore[attr-defined]  # its memory, as of old
        known = control.handles[box.twin.row.ids[Origin.NEW]]
        control.handles[known.id] = replace(known, traffic_token="of-another-time")
        first = await box.send("POST", "/", content=b"body")
        second = await box.send("POST", "/", content=b"body")

        assert (first.status_code, second.status_code) == (403, 200)


async def test_without_links_of_ours_ports_stay_public(tmp_path: Path, programs: Programs) -> None:
    def none(section):  # type: ignore[no-untyped-def]
        return replace(section, domain="", path="")

    async with router(tmp_path, programs, stage="complete", preview=none) as rig:
        box = await made(rig)

        assert (await past_the_router(box)).status_code == 200
