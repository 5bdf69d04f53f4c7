"""`/v1` where flags are a LaunchDarkly account's: read as they are streamed, changed by its REST API."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from crossfade.stage import TOOLS
from router.flags import schema
from router.flags.shown import other_rules, shares_of
from router.store.database import open_database
from router.store.seen import known_flags
from router.store.wishes import flag_pasts
from tests.flags.launchdarkly_api import ENVIRONMENT, PROJECT, TOKEN, Api
from tests.flags.launchdarkly_server import KEY, serving
from tests.journeys.stack import ADMIN_TOKEN, Stack, stack

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE = 30.0


@dataclass
class Place:
    """A router that follows an account."""

    system: Stack
    account: Api
    api: httpx2.AsyncClient

    async def told(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.api.get(f"/v1/{path}")).json()
        return found

    async def put(self, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.api.put(f"/v1/{path}", json={"author": "ada", "reason": "week 1", **body})
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until(self, path: str, **wanted: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.told(path)).items() >= wanted.items():
                await asyncio.sleep(0.05)
        return found


def arms_seen(store: str) -> dict[str, dict[int, float]]:
    """By tool and version of its flag, the share on new, as reports know it."""
    database = open_database(store, create=False)
    try:
        pasts = flag_pasts(known_flags(database, limit=100)[1])
    finally:
        database.close()
    return {tool: {version: flag.on_new for version, flag in past.versions.items()} for tool, past in pasts.items()}


@pytest.fixture(scope="module")
def account() -> Iterator[Api]:
    with serving() as stream:
        api = Api(stream)
        yield api
        api.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, account: Api) -> AsyncIterator[Place]:
    lines = dict.fromkeys(("stream_url", "base_url", "events_url"), account.stream.url)
    lines |= {"source": "launchdarkly", "sdk_key": KEY, "api_url": account.url, "api_token": TOKEN}
    lines |= {"project": PROJECT, "environment": ENVIRONMENT}
    extra = "[flags]\nsend_events = false\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with (
        stack(tmp_path_factory.mktemp("account"), extra=extra) as system,
        httpx2.AsyncClient(base_url=system.admin, headers=headers, timeout=PATIENCE, trust_env=False) as api,
    ):
        await system.command("flags", "push", "--yes")
        yield Place(system, account, api)


async def test_shares_are_changed_in_the_account_and_read_from_its_stream(place: Place) -> None:
    before = await place.until("flags/files", shares={"off": 100.0})
    done = await place.put("flags/files", value="live=10,shadow=90", expected_version=before["version"])
    assert done["shares"] == {"shadow": 90.0, "live": 10.0}

    after = await place.until("flags/files", shares={"shadow": 90.0, "live": 10.0})
    assert (after["version"], after["rules"]) == (done["version"], 0)
    assert place.account.comments[-1] == "week 1 (ada)"
    assert [(each["author"], each["after"]) for each in after["history"]] == [("ada", {"shares": done["shares"]})]
    tools = {each["tool"]: each for each in (await place.told("tools"))["tools"]}
    assert (set(tools), tools["files"]["wish_share"]) == (set(TOOLS), 0.1)
    async with asyncio.timeout(PATIENCE):  # reports count arms by what routers saw
        while after["version"] not in (found := arms_seen(place.system.store).get("files", {})):
            await asyncio.sleep(0.1)
    assert found[after["version"]] == 0.1
    entry = (await place.told("audit?target=files"))["entries"][0]
    assert (entry["action"], entry["details"]["before"]) == ("flag.set", {"shares": {"off": 100.0}})


async def test_an_older_version_is_a_conflict_and_sends_nothing(place: Place) -> None:
    before = await place.until("flags/web", shares={"off": 100.0})
    await place.put("flags/web", value="shadow", expected_version=before["version"])
    writes = place.account.writes
    late = await place.put("flags/web", 409, value="live", expected_version=before["version"])
    looked = await place.put("flags/kb", value="live", expected_version=1, dry_run=True)

    assert "changed by someone else meanwhile" in late["error"]
    assert (looked["changed"], place.account.writes) == (False, writes)


async def test_kill_and_back(place: Place) -> None:
    assert (await place.until("kill", killed=False))["history"] == []
    on = await place.put("kill", on=True)
    seen = await place.until("kill", killed=True)
    assert (on["changed"], seen["version"]) == (True, on["version"])
    assert (await place.put("kill", on=True))["changed"] is False
    await place.put("kill", 409, on=False, expected_version=0)
    await place.put("kill", on=False, expected_version=on["version"])
    assert len((await place.until("kill", killed=False))["history"]) == 2


async def test_what_only_the_account_can_do_is_said(place: Place) -> None:
    told = await place.put("flags/files", 400, sandboxes={"key": "live"}, value="live", expected_version=1)
    assert "LaunchDarkly's dashboard" in told["error"]
    place.account.trouble[:] = [403]
    refused = await place.put("flags/files", 403, value="live", expected_version=1)
    assert "api_token" in refused["error"] and TOKEN not in refused["error"]


def rule(low: int, **more: Any) -> dict[str, Any]:
    clause = {"contextKind": "sandbox", "attribute": "bucket", "op": "greaterThanOrEqual", "values": [low]}
    return {"clauses": [clause], **more}


async def test_rules_on_the_bucket_are_shares_and_others_are_counted() -> None:
    plain = schema.build("files", schema.shares("off"), version=1, seed=7)
    whole = [{"variation": index, "weight": schema.WHOLE * (index == 3)} for index in range(6)]
    other = {"clauses": [{"attribute": "plan", "op": "in", "values": ["pro"]}], "variation": 3}
    flag = {**plain, "rules": [other, rule(90_000, rollout={"variations": whole}), rule(60_000, variation=2)]}

    assert (shares_of(flag), other_rules(flag)) == ({"off": 60.0, "shadow": 30.0, "live": 10.0}, 1)
    assert shares_of({**flag, "on": False}) == {"off": 100.0}
    half = schema.build("files", schema.shares("live=50,shadow=50"), version=1, seed=7)
    assert shares_of({**half, "rules": [rule(80_000, variation=5)]}) == {"shadow": 40.0, "live": 40.0, "complete": 20.0}
    assert shares_of({**flag, "rules": [rule(1, variation=9)]}) == {}
