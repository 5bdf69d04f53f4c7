"""`/v1/orphans` and `crossfade twins orphans` against a running router before two embedded backends."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

import router.cli.orphans  # noqa: F401  # adds its command to the group
from router.cli.twins import twins
from tests.journeys.stack import ADMIN_TOKEN, ALL_TOOLS, KEY, Stack, stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Place:
    """A router whose sandboxes are made on new alone, and E2B's API past it."""

    system: Stack
    client: httpx2.AsyncClient

    async def run(self, *words: str) -> Result:
        words = ("orphans", *words, "--config", str(self.system.config))
        return await asyncio.to_thread(CliRunner().invoke, twins, words)

    async def told(self, *words: str) -> dict[str, dict[str, Any]]:
        done = await self.run(*words, "--json")
        assert done.exit_code in (0, 1), (done.output, done.exception)
        return {each["id"]: each for each in json.loads(done.stdout)["orphans"]}

    async def there(self, method: str, path: str, **more: Any) -> Any:
        headers = {"X-API-Key": KEY}
        async with httpx2.AsyncClient(base_url=self.system.new.url, headers=headers, trust_env=False) as client:
            answer = await client.request(method, path, **more)
            assert answer.status_code < 300, answer.text
            return answer.json() if answer.content else None

    async def made_past_the_router(self, nonce: str, twin: str = "") -> str:
        metadata = {"crossfade_nonce": nonce, "dt_id": twin}
        made = await self.there("POST", "/v2/sandboxes", json={"templateID": "base", "metadata": metadata})
        return str(made["sandboxID"])

    async def left_behind(self) -> str:
        """A sandbox like one of a twin that was deleted, which was not."""
        sandbox = str((await self.client.post("/api/sandbox", json={})).json()["id"])
        [there] = [
            each for each in await self.there("GET", "/v2/sandboxes") if each["metadata"].get("dt_id") == sandbox
        ]
        nonce = there["metadata"]["crossfade_nonce"]
        assert (await self.client.delete(f"/api/sandbox/{sandbox}")).status_code == 200
        return await self.made_past_the_router(nonce, sandbox)

    async def ids(self) -> set[str]:
        return {str(each["sandboxID"]) for each in await self.there("GET", "/v2/sandboxes")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with stack(tmp_path_factory.mktemp("orphans")) as system, await system.client() as client:
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "complete"))
        yield Place(system, client)


async def test_a_look_changes_nothing(place: Place) -> None:
    kept = str((await place.client.post("/api/sandbox", json={})).json()["id"])
    behind, foreign = await place.left_behind(), await place.made_past_the_router("of another router")
    before = await place.ids()
    told, shown = await place.told(), await place.run()

    assert {id: (each["why"], each["ours"]) for id, each in told.items()} == {
        behind: ("its twin was deleted", True),
        foreign: ("no twin of this store knows it", False),
    }
    assert await place.ids() == before
    assert kept not in str(told)
    assert (shown.exit_code, f"new  {behind}  started" in shown.output, "2 orphans" in shown.output) == (1, True, True)


async def test_only_what_is_ours_is_deleted_and_the_trail_says_by_whom(place: Place) -> None:
    foreign, behind = await place.made_past_the_router("of yet another"), await place.left_behind()
    done = await place.run("--delete", "--reason", "the bill", "--author", "ops")
    left = await place.ids()
    trail = await audit(place)

    assert f"{behind}" in done.output
    assert (behind in left, foreign in left, done.exit_code) == (False, True, 1)
    [entry] = [each for each in trail if each["reason"] == "the bill"]
    assert (entry["author"], entry["action"]) == ("ops", "orphans.delete")
    assert f"new {behind}" in str(entry["details"])


async def test_what_no_twin_knows_is_deleted_by_its_name_alone(place: Place) -> None:
    foreign, behind = await place.made_past_the_router("a third"), await place.left_behind()
    told = await place.told("--delete", "--sandbox", foreign, "--reason", "ours, from a lost store")

    assert (told[foreign]["done"], told[behind]["done"]) == ("deleted", "")
    assert foreign not in await place.ids()
    assert behind in await place.ids()


async def test_what_is_owned_is_never_deleted_whoever_names_it(place: Place) -> None:
    sandbox = str((await place.client.post("/api/sandbox", json={})).json()["id"])
    [there] = [
        str(each["sandboxID"])
        for each in await place.there("GET", "/v2/sandboxes")
        if each["metadata"].get("dt_id") == sandbox
    ]
    refused = await place.run("--delete", "--sandbox", there, "--reason", "mistaken")

    assert "is no orphan" in str(refused.exception), refused.output
    assert there in await place.ids()


async def test_a_delete_needs_its_reason_and_a_name_needs_a_delete(place: Place) -> None:
    assert (await place.run("--delete")).exit_code == 2
    assert (await place.run("--sandbox", "x")).exit_code == 2


async def test_names_that_are_no_list_are_refused(place: Place) -> None:
    body = {"author": "a", "reason": "r", "sandboxes": "all"}
    async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        answer = await client.post(f"{place.system.admin}/v1/orphans/delete", json=body)

    assert answer.status_code == 400


async def audit(place: Place) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(trust_env=False, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        answer = await client.get(f"{place.system.admin}/v1/audit")
        found: list[dict[str, Any]] = answer.json()["entries"]
        return found
