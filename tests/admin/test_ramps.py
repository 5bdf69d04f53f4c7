"""Ramps of a running router: by the admin API and `crossfade ramp`, on traffic of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from demo.programs import crossfade
from tests.journeys.stack import ADMIN_TOKEN, Stack, stack

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE = 30.0
SIGNED = {"author": "ada", "reason": "a test"}


@dataclass
class Place:
    """A router that looks at its ramps many times a second."""

    system: Stack
    api: httpx2.AsyncClient

    async def told(self, method: str, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.api.request(method, f"/v1/{path}", json={**SIGNED, **body} if method != "GET" else None)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def cli(self, *words: str) -> tuple[int, str, str]:
        return await crossfade("ramp", *words, "--config", str(self.system.config))

    async def ramp(self, tool: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.told("GET", f"ramps/{tool}"))["ramp"]
        return found

    async def until(self, tool: str, **wanted: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.ramp(tool)).items() >= wanted.items():
                await asyncio.sleep(0.05)
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with (
        stack(tmp_path_factory.mktemp("ramps"), extra="[ramp]\nevery_seconds = 0.2\n") as system,
        httpx2.AsyncClient(base_url=system.admin, headers=headers, timeout=PATIENCE, trust_env=False) as api,
    ):
        yield Place(system, api)


async def test_a_ramp_is_planned_started_looked_at_and_paused_by_the_command_line(place: Place) -> None:
    await place.system.set_flags({"files": "live=10,shadow=90"})
    code, out, problems = await place.cli("plan", "files", "--mode", "act", "--days", "3", "--reason", "r", "--yes")
    assert (code, out) == (0, "files         planned (act) at 0 % of 10,50,100, next 10 %\n"), problems
    code, out, problems = await place.cli("start", "files", "--reason", "r", "--yes", "--json")
    assert code == 0, problems
    assert json.loads(out)["ramp"]["share"] == 10.0

    found = await place.until("files", state="running")
    while found["looked_at"] == (again := await place.ramp("files"))["looked_at"]:
        await asyncio.sleep(0.05)
    assert again["last"]["act"] == "halt", "nobody has called it: nothing is proven"
    code, out, _ = await place.cli("status", "files")
    assert code == 1 and "running (act) at 10 %" in out and "halt: There is no evidence" in out

    code, _, problems = await place.cli("step", "files", "--reason", "go on", "--yes")
    assert code == 4 and "There is no evidence" in problems
    code, out, problems = await place.cli("step", "files", "--dry-run")
    assert code == 0 and out.startswith("files: would be halt: "), problems
    code, out, problems = await place.cli("pause", "files", "--reason", "r", "--yes")
    assert (code, (await place.ramp("files"))["state"]) == (0, "paused"), problems
    trail = (await place.told("GET", "audit?target=files"))["entries"]
    assert {"ramp.plan", "ramp.start", "ramp.pause"} <= {each["action"] for each in trail}


async def test_a_person_steps_back_by_the_command_line_and_the_router_follows(place: Place) -> None:
    await place.system.set_flags({"web": "live=50,shadow=50"})
    await place.cli("plan", "web", "--reason", "r", "--yes")
    await place.cli("start", "web", "--reason", "r", "--yes")
    code, out, problems = await place.cli("step", "web", "--back", "--reason", "users complain", "--yes")

    assert (code, out.splitlines()[0]) == (0, "web: back: Back to shadow, on a person's word."), problems
    assert (await place.told("GET", "flags/web"))["shares"] == {"shadow": 100.0}
    assert (await place.ramp("web"))["state"] == "stopped"
    history = (await place.told("GET", "flags/web"))["history"][0]
    assert history["reason"] == "users complain"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "ramps/nothing", {}, 404),
        ("PUT", "ramps/lifecycle", {}, 400),
        ("PUT", "ramps/image", {"steps": "10,100"}, 400),
        ("PUT", "ramps/image", {"steps": "ten"}, 400),
        ("PUT", "ramps/image", {"least_days": -1}, 400),
        ("PUT", "ramps/image", {"least_days": "nan"}, 400),
        ("PUT", "ramps/image", {"mode": "yolo"}, 400),
        ("PUT", "ramps/image", {"least_sandboxes": 1e400}, 400),
        ("PUT", "ramps/image", {"reason": ""}, 400),
        ("POST", "ramps/image/start", {}, 400),
        ("POST", "ramps/image/step", {"back": "yes"}, 400),
    ],
    ids=str,
)
async def test_what_cannot_be_meant_is_refused_and_leaves_no_ramp(
    place: Place, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    text = json.dumps({**SIGNED, **body}).replace("Infinity", "1e400")
    answer = await place.api.request(method, f"/v1/{path}", content=text)

    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert "image" not in {each["tool"] for each in (await place.told("GET", "ramps"))["ramps"]}


async def test_a_ramp_goes_on_where_it_was_after_a_restart(place: Place) -> None:
    await place.system.set_flags({"upload": "live=10,shadow=90"})
    await place.told("PUT", "ramps/upload", mode="act")
    before = (await place.told("POST", "ramps/upload/start"))["ramp"]
    await place.system.router.stop()
    await place.system.router.start()
    after = await place.ramp("upload")

    names = ("state", "since", "share", "mode")
    assert {name: after[name] for name in names} == {name: before[name] for name in names}
    while (await place.ramp("upload"))["looked_at"] == after["looked_at"]:
        await asyncio.sleep(0.05)
