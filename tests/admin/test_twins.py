"""`/v1/twins` and `crossfade twins` against a running router before two embedded backends."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result

from crossfade.errors import Refused, SettingsError, Unreachable
from router.cli.twins import twins
from tests.journeys.stack import ADMIN_TOKEN, Stack, stack

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE = 30.0


@dataclass
class Place:
    """A router with one twin that has settled, and its two sides without the router."""

    system: Stack
    sandbox: str
    client: httpx2.AsyncClient

    async def run(self, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, twins, [*words, "--config", str(self.system.config)])

    async def told(self, *words: str) -> dict[str, Any]:
        done = await self.run(*words, "--json")
        assert done.exit_code in (0, 1), (done.output, done.exception)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    async def v1(self, method: str, path: str, token: str = ADMIN_TOKEN, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False, headers=headers) as client:
            return await client.request(method, f"{self.system.admin}/v1/{path}", **more)

    async def write(self, name: str, text: str) -> None:
        files = {"file": (name, text.encode())}
        answer = await self.client.post(
            f"/api/toolbox/{self.sandbox}/toolbox/files/upload", params={"path": f"/workspace/{name}"}, files=files
        )
        assert answer.status_code < 300, answer.text

    async def clean(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not (await self.told("show", self.sandbox))["clean"]:
                await asyncio.sleep(0.1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with stack(tmp_path_factory.mktemp("twins")) as system, await system.client() as client:
        await system.set_flags({"files": "shadow", "shell": "shadow"})
        created = await client.post("/api/sandbox", json={})
        place = Place(system, str(created.json()["id"]), client)
        await place.write("first", "one")
        await place.clean()
        yield place


async def test_a_list_has_every_twin_with_its_seat(place: Place) -> None:
    told = await place.told("list")

    assert told["schema"] == "crossfade.twins/1"
    assert [each["id"] for each in told["twins"]] == [place.sandbox]
    assert told["twins"][0] | {"created_at": 0, "id": "", "organization": ""} == {
        "id": "", "seat": "old", "follower": "joined", "answers": "passive", "clean": True, "held": "",
        "bypass": False, "organization": "", "created_at": 0,
    }  # fmt: skip
    assert (await place.told("list", "--seat", "new"))["twins"] == []
    assert (await place.told("list", "--held"))["twins"] == []
    text = (await place.run("list")).stdout
    assert f"{place.sandbox}  seat old  follower joined, passive, equal" in text


async def test_one_twin_says_wish_and_answer_of_every_tool_and_what_limits_it(place: Place) -> None:
    told = await place.told("show", place.sandbox)

    assert told["tools"]["files"] | {"flag_version": 0, "reason": "", "why": ""} == {
        "stage": "shadow", "wish": "old", "answering": "old", "writing": "old", "compared": "new", "dropped": "",
        "why": "", "flag_version": 0, "reason": "",
    }  # fmt: skip
    assert "browser" in told["limited_by"]
    assert told["dirty_paths"] == [] and told["calls_open"] == 0
    assert set(told["ids"]) == {"old", "new"}
    assert "process tools stay on old because of" in (await place.run("show", place.sandbox)).stdout


async def test_verify_finds_what_differs_and_a_settle_mends_it(place: Place) -> None:
    shown = await place.told("show", place.sandbox)
    assert (await place.told("verify", place.sandbox))["equal"]
    # Behind the router's back.
    there = place.system.directory / "new" / shown["ids"]["new"] / "files" / "workspace"
    (there / "alien").write_text("?")

    found = await place.run("verify", place.sandbox)
    assert found.exit_code == 1
    assert "differs: /workspace/alien" in found.stdout

    settled = await place.run("settle", place.sandbox, "--reason", "a test")
    assert (settled.exit_code, settled.stdout.strip()) == (0, f"{place.sandbox}: settled")
    assert (await place.run("verify", place.sandbox)).exit_code == 0


async def test_a_change_without_its_reason_is_refused(place: Place) -> None:
    assert (await place.run("settle", place.sandbox)).exit_code == 2
    for body in (None, b"{", b"[]", b'{"author": "me"}', b'{"author": "me", "reason": " "}'):
        answer = await place.v1("POST", f"twins/{place.sandbox}/settle", content=body)
        assert answer.status_code == 400, body


async def test_who_shows_no_token_learns_nothing(place: Place) -> None:
    for method, path in (("GET", "twins"), ("GET", f"twins/{place.sandbox}"), ("POST", "twins/x/settle")):
        for token in ("", "wrong", ADMIN_TOKEN + "x"):
            answer = await place.v1(method, path, token)
            assert answer.status_code == 401
            assert place.sandbox not in answer.text


async def test_the_command_line_says_what_the_router_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = await place.run("show", "nobody")
    assert isinstance(unknown.exception, SettingsError) and "no twin 'nobody'" in str(unknown.exception)

    config = place.system.config.with_name("other.toml")
    config.write_text(place.system.config.read_text().replace(ADMIN_TOKEN, "wrong"))
    refused = await asyncio.to_thread(CliRunner().invoke, twins, ["list", "--config", str(config)])
    assert isinstance(refused.exception, Refused) and "listen.admin_token" in str(refused.exception)

    words = ["list", "--config", str(place.system.config), "--admin", "127.0.0.1:1"]
    nobody = await asyncio.to_thread(CliRunner().invoke, twins, words)
    assert isinstance(nobody.exception, Unreachable) and "127.0.0.1:1" in str(nobody.exception)
