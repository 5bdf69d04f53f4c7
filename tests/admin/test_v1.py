"""`/v1` of a running router before two embedded backends: read, predicted, changed, and what the change did."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from crossfade.errors import Conflict, SettingsError
from crossfade.stage import TOOLS
from router.cli.admin import ask
from tests.journeys.stack import ADMIN_TOKEN, Stack, stack

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE = 30.0
CLI = [sys.executable, "-c", "from router.cli import main; main()"]
SIGNED = {"author": "ada", "reason": "a test"}


@dataclass
class Place:
    """A router with a few sandboxes, and a client of its admin API."""

    system: Stack
    api: httpx2.AsyncClient
    sandboxes: list[str]

    async def told(self, path: str, status: int = 200, **query: Any) -> dict[str, Any]:
        answer = await self.api.get(f"/v1/{path}", params=query)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def put(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.api.put(f"/v1/{path}", json={**SIGNED, **body})
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def version(self, tool: str) -> int:
        return int((await self.told(f"flags/{tool}"))["version"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with (
        stack(tmp_path_factory.mktemp("v1")) as system,
        await system.client() as client,
        httpx2.AsyncClient(base_url=system.admin, headers=headers, timeout=PATIENCE, trust_env=False) as api,
    ):
        await system.set_flags({"files": "shadow"})
        sandboxes = [str((await client.post("/api/sandbox", json={})).json()["id"]) for _ in range(4)]
        for id in sandboxes:
            await client.get(f"/api/toolbox/{id}/toolbox/files", params={"path": "/workspace"})
        place = Place(system, api, sandboxes)
        async with asyncio.timeout(PATIENCE):
            while (await place.told("calls", tool="files"))["calls"] == [] or not await _joined(place):
                await asyncio.sleep(0.1)
        yield place


async def _joined(place: Place) -> bool:
    found = (await place.told("twins"))["twins"]
    return len(found) == 4 and all(each["follower"] == "joined" for each in found)


async def test_a_change_is_made_on_the_version_that_was_seen(place: Place) -> None:
    before = await place.told("flags/web")
    assert (before["version"], before["shares"]) == (0, {"off": 100.0})

    first = await place.put("flags/web", value="live=10,shadow=90", expected_version=0)
    assert (first["version"], first["shares"], first["before"]) == (1, {"shadow": 90.0, "live": 10.0}, {"off": 100.0})
    late = await place.put("flags/web", 409, value="live", expected_version=0)
    assert "changed by someone else meanwhile" in late["error"]

    after = await place.told("flags/web")
    assert (after["version"], [each["author"] for each in after["history"]]) == (1, ["ada"])


async def test_a_command_ends_with_5_for_what_somebody_else_changed_and_with_2_for_what_cannot_be(place: Place) -> None:
    config = str(place.system.config)
    change = {**SIGNED, "value": "live", "expected_version": 999}
    with pytest.raises(Conflict, match="changed by someone else meanwhile"):
        await asyncio.to_thread(ask, config, None, "PUT", "/v1/flags/web", change)
    with pytest.raises(SettingsError, match="is trusted already"):
        await asyncio.to_thread(ask, config, None, "POST", f"/v1/twins/{place.sandboxes[0]}/trust", SIGNED)


async def test_two_at_once_are_one_change_and_one_conflict(place: Place) -> None:
    answers = await asyncio.gather(
        *(
            place.api.put("/v1/flags/kb", json={**SIGNED, "value": value, "expected_version": 0})
            for value in ("shadow", "dualwrite")
        )
    )

    assert sorted(each.status_code for each in answers) == [200, 409]
    assert await place.version("kb") == 1


async def test_a_dry_run_changes_nothing(place: Place) -> None:
    version = await place.version("vision")
    told = await place.put("flags/vision", value="live", expected_version=version, dry_run=True)

    assert (told["changed"], told["shares"]) == (False, {"live": 100.0})
    assert await place.version("vision") == version


@pytest.mark.parametrize(
    "body",
    [
        {"value": "live"},
        {"value": "live=10", "expected_version": 0},
        {"value": "lively", "expected_version": 0},
        {"expected_version": 0},
        {"value": "live", "expected_version": True},
        {"sandboxes": {"key": "nowhere"}, "expected_version": 0},
        {"sandboxes": ["key"], "expected_version": 0},
        {"value": "live", "expected_version": 0, "reason": " "},
        {"value": "live", "expected_version": 0, "author": ""},
    ],
    ids=json.dumps,
)
async def test_what_cannot_be_meant_is_refused_and_changes_nothing(place: Place, body: dict[str, Any]) -> None:
    assert (await place.put("flags/image", 400, **body))["error"]

    assert await place.version("image") == 0


async def test_a_single_sandbox_has_a_stage_of_its_own_until_it_is_taken_back(place: Place) -> None:
    key = (await place.told(f"twins/{place.sandboxes[0]}"))["routing_key"]
    given = await place.put("flags/upload", sandboxes={key: "shadow"}, expected_version=0)
    assert (given["targets"], given["shares"]) == ({key: "shadow"}, {"off": 100.0})

    back = await place.put("flags/upload", sandboxes={key: "as-all"}, expected_version=1)
    assert back["targets"] == {}


async def test_a_prediction_names_the_sandboxes_that_then_change(place: Place) -> None:
    foreseen = await place.told("flags/files/prediction", value="live=50,shadow=50")
    await place.put("flags/files", value="live=50,shadow=50", expected_version=await place.version("files"))
    async with asyncio.timeout(PATIENCE):
        while set(foreseen["sandboxes"]["to_new"]) != {
            id for id in place.sandboxes if (await place.told(f"twins/{id}"))["tools"]["files"]["stage"] == "live"
        }:
            await asyncio.sleep(0.1)

    assert foreseen["known"] == 4 and foreseen["to_old"] == 0
    again = await place.told("flags/files/prediction", value="live=50,shadow=50")
    assert again["changing"] == 0
    back = await place.told("flags/files/prediction", value="shadow")
    assert back["sandboxes"]["to_old"] == foreseen["sandboxes"]["to_new"]


async def test_tools_say_wish_and_effective_share_and_why_not(place: Place) -> None:
    told = {each["tool"]: each for each in (await place.told("tools"))["tools"]}
    assert list(told) == list(TOOLS)
    assert told["files"]["evidence"]["calls"] >= 4

    await place.put("flags/shell", value="live", expected_version=await place.version("shell"))
    async with asyncio.timeout(PATIENCE):
        while (shell := await place.told("tools/shell"))["sandboxes"]["wish_new"] != 4:
            await asyncio.sleep(0.1)
    assert (shell["wish_share"], shell["sandboxes"]["effective_share"]) == (1.0, 0.0)
    assert sum(shell["sandboxes"]["why"].values()) == 4
    assert "limited by" in next(iter(shell["sandboxes"]["why"])) and "browser" in next(iter(shell["sandboxes"]["why"]))


async def test_evidence_by_the_hour_narrows_as_it_grows(place: Place) -> None:
    series = (await place.told("tools/files"))["series"]

    assert series[-1]["calls"] >= 4
    assert all(0 <= each["lower"] <= each["share"] <= each["upper"] <= 1 for each in series)


async def test_a_kill_is_seen_by_the_router_and_lifted(place: Place) -> None:
    on = await place.put("kill", on=True)
    assert on["changed"] and (await place.told("flags"))["killed"] is True
    assert "kill.set" in {each["action"] for each in (await place.told("audit", target="kill"))["entries"]}
    assert (await place.put("kill", on=True))["changed"] is False
    assert (await place.put("kill", 409, on=False, expected_version=0))["error"]
    async with asyncio.timeout(PATIENCE):
        while (await place.told(f"twins/{place.sandboxes[0]}"))["tools"]["shell"]["stage"] != "off":
            await asyncio.sleep(0.1)

    assert (await place.put("kill", on=False, expected_version=on["version"]))["killed"] is False
    assert (await place.put("kill", 400, on="yes"))["error"]
    async with asyncio.timeout(PATIENCE):
        while not await _joined(place):
            await asyncio.sleep(0.1)


async def test_calls_are_paged_without_a_gap_and_each_has_its_reason(place: Place) -> None:
    whole = (await place.told("calls", limit=500))["calls"]
    paged: list[str] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = await place.told("calls", **query)
        paged += [each["id"] for each in page["calls"]]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert paged == [each["id"] for each in whole]

    one = await place.told(f"calls/{paged[0]}")
    assert (one["id"], one["schema"]) == (paged[0], "crossfade.call/1") and one["reason"]
    assert {each["tool"] for each in (await place.told("calls", tool="files"))["calls"]} == {"files"}
    sandbox = place.sandboxes[1]
    assert {each["sandbox"] for each in (await place.told("calls", sandbox=sandbox))["calls"]} == {sandbox}
    assert (await place.told("calls/nothing", 404))["error"]


async def test_the_trail_has_flags_and_acts_on_sandboxes_with_author_and_reason(place: Place) -> None:
    settled = await place.api.post(f"/v1/twins/{place.sandboxes[2]}/settle", json={"author": "bob", "reason": "look"})
    assert settled.status_code == 200
    entries = (await place.told("audit"))["entries"]

    assert [entries[0][name] for name in ("author", "reason", "action", "target")] == [
        "bob", "look", "twin.settle", place.sandboxes[2],
    ]  # fmt: skip
    assert {"flag.set", "twin.settle"} <= {each["action"] for each in entries}
    assert {each["target"] for each in (await place.told("audit", target="files"))["entries"]} == {"files"}
    first = await place.told("audit", limit=1)
    second = await place.told("audit", limit=1, before=first["next"])
    assert [*first["entries"], *second["entries"]] == entries[:2]


async def test_what_is_said_of_a_difference_stands_in_the_trail(place: Place) -> None:
    words = ["diffs", "ignore", "fs.info mode value", "--until", "5d", "--owner", "team", "--reason", "known", "--yes"]
    await asyncio.to_thread(
        subprocess.run,
        [*CLI, *words, "--author", "eve", "--config", str(place.system.config)],
        check=True,
        capture_output=True,
        timeout=60,
    )

    (entry,) = (await place.told("audit", target="fs.info mode value"))["entries"]
    assert [entry[name] for name in ("author", "reason", "action")] == ["eve", "known", "difference.ignore"]
    assert entry["details"]["owner"] == "team"


async def test_origins_settings_and_status_are_told_without_a_secret(place: Place) -> None:
    origins = (await place.told("origins"))["origins"]
    assert [(each["origin"], each["breaker"]["open"]) for each in origins] == [("old", False), ("new", False)]
    assert sum(each["seats"] for each in origins) == 4

    told = await place.told("settings")
    came = {f"{each['section']}.{each['key']}": each for each in told["settings"]}
    assert came["origins.old.key"]["value"] == came["listen.admin_token"]["value"] == "********"
    assert came["origins.old.key"]["from"].startswith(str(place.system.config))
    assert came["mirror.call_seconds"]["from"] == "default"
    assert ADMIN_TOKEN not in json.dumps(told) and "stack-key" not in json.dumps(told)

    status = await place.told("status")
    assert (status["ready"], status["twins"], status["alarms"]) == (True, 4, [])


async def test_a_report_is_made_for_a_window(place: Place) -> None:
    links = (await place.told("reports"))["reports"]
    assert {"2h", "all"} <= {each["since"] for each in links}
    page = await place.api.get(next(each["html"] for each in links if each["since"] == "all"))
    assert page.headers["content-type"].startswith("text/html") and "<svg" in page.text
    data = (await place.api.get("/v1/reports/report.json", params={"since": "2h"})).json()
    assert "files" in {each["tool"] for each in data["tools"]}
    for since in ("--help", "yesterday"):
        assert (await place.api.get("/v1/reports/report.md", params={"since": since})).status_code == 400


async def test_the_description_names_every_route_and_asks_for_no_token(place: Place) -> None:
    async with httpx2.AsyncClient(base_url=place.system.admin, trust_env=False) as stranger:
        document = (await stranger.get("/v1/openapi.json")).json()
        page = (await stranger.get("/v1/")).text
        operations = [(path, method) for path, each in document["paths"].items() for method in each]
        for path, method in operations:
            there = path.replace("{id}", place.sandboxes[0]).replace("{tool}", "files")
            refused = await stranger.request(method.upper(), there)
            assert (refused.status_code, path) == (401, path)
            assert path in page
    assert len(operations) > 20
    assert document["openapi"] == "3.1.0"
    body = document["paths"]["/v1/flags/{tool}"]["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"expected_version", "author", "reason"} <= set(body["required"])


async def test_a_query_field_that_nobody_knows_is_refused(place: Place) -> None:
    assert "known: tool, sandbox" in (await place.told("calls", 400, tol="files"))["error"]
    assert (await place.told("calls", 400, limit="many"))["error"]
    assert (await place.told("calls", 400, limit=100000))["error"]
    assert (await place.told("tools/nothing", 404))["error"]
