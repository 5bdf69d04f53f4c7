"""Pages of a list with two sources: every sandbox once, however many each source has and however large a page is."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from demo.programs import Program
from router.engine.forward import Answer
from router.engine.keys import digest
from router.engine.listing import listed
from tests.engine.running import Router, router

OWNER = "Bearer list-key"
OLD, PAGES, NEWEST = "0.21.0", "0.115.0", "0.226.1"
MINE, THEIRS = 5, 4
counts = st.integers(0, 12)


def described(name: str, number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"{name}-{number}", "createdAt": f"2026-01-{number + 1:02}T00:00:00+00:00", "labels": {}, **more}


@dataclass
class Paging:
    """What Daytona does with page, limit and cursor, over sandboxes held here."""

    items: list[dict[str, Any]]
    asked: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, query: bytes) -> Answer:
        asked = dict(pair.split("=") for pair in query.decode().split("&") if pair)
        self.asked.append(asked)
        limit = int(asked.get("limit", 100))
        start = (int(asked["page"]) - 1) * limit if "page" in asked else int(asked.get("cursor", 0))
        value: dict[str, Any] = {"items": self.items[start : start + limit]}
        if "page" in asked:
            value |= {"total": len(self.items), "page": int(asked["page"]), "totalPages": -(-len(self.items) // limit)}
        else:
            value["nextCursor"] = str(start + limit) if start + limit < len(self.items) else None
        return Answer(status=200, headers=[(b"ETag", b'"theirs"')], body=json.dumps(value).encode())


@given(ours=counts, theirs=counts, limit=st.integers(1, 9))
async def test_turning_pages_shows_every_sandbox_once_and_counts_all(ours: int, theirs: int, limit: int) -> None:
    mine = [described("ours", number) for number in range(ours)]
    old = Paging([described("old", number) for number in range(theirs)])
    expected = [f"ours-{number}" for number in reversed(range(ours))] + [f"old-{number}" for number in range(theirs)]
    found, page, pages = [], 1, 1
    while page <= pages:
        answer = await listed(f"page={page}&limit={limit}".encode(), "pages", mine, old)
        value = json.loads(answer.body)
        pages = value["totalPages"]
        assert value["page"] == page
        assert value["total"] == ours + theirs
        assert len(value["items"]) == limit or page == pages or not expected
        found += [each["id"] for each in value["items"]]
        page += 1

    assert found == expected
    assert len(old.asked) <= 2 * max(pages, 1)


@given(ours=counts, theirs=counts, limit=st.integers(1, 9), vanish=st.booleans())
async def test_following_cursors_shows_every_sandbox_once(ours: int, theirs: int, limit: int, vanish: bool) -> None:
    mine = [described("ours", number) for number in range(ours)]
    old = Paging([described("old", number) for number in range(theirs)])
    expected = [f"ours-{number}" for number in reversed(range(ours))] + [f"old-{number}" for number in range(theirs)]
    found, cursor = [], ""
    while cursor is not None:
        asked = f"limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        value = json.loads((await listed(asked.encode(), "cursor", mine, old)).body)
        assert len(value["items"]) == limit or value["nextCursor"] is None
        found += [each["id"] for each in value["items"]]
        if vanish:  # what was shown is deleted, and the place it had still counts
            mine = [each for each in mine if each["id"] not in found]
        cursor = value["nextCursor"]

    assert found == expected


@pytest.mark.parametrize("asked", [b"page=0", b"limit=x", b"limit=-1&page=2", b"cursor=crossfade.%2B%2B"])
async def test_what_old_would_refuse_is_left_to_old(asked: bytes) -> None:
    seen = []

    async def fetch(query: bytes) -> Answer:
        seen.append(query)
        return Answer(status=400, headers=[], body=b"{}")

    shape = "cursor" if b"cursor" in asked else "pages"
    answer = await listed(asked, shape, [described("ours", 1)], fetch)

    assert (seen, answer.status) == ([asked], 400)


@pytest.mark.parametrize("shape", ["array", "pages", "cursor"])
@pytest.mark.parametrize(("status", "body"), [(401, b'{"items": []}'), (200, b"<html>"), (200, b"7")])
async def test_an_answer_of_old_that_is_no_list_goes_out_as_it_is(shape: str, status: int, body: bytes) -> None:
    async def fetch(_query: bytes) -> Answer:
        return Answer(status=status, headers=[], body=body)

    answer = await listed(b"limit=1", shape, [described("ours", 1)], fetch)

    assert (answer.status, answer.body) == (status, body)


FILTERS = {
    "states=started&states=error": ["a"],
    "states=stopped,error": ["b"],
    "labels=%7B%22team%22%3A%20%22%C3%BC%20x%22%7D": ["a"],
    "labels=null": ["b", "a"],
    "labels=nonsense": [],
    "id=A": ["a"],
    "name=BOX": ["b", "a"],
    "snapshots=small": ["b"],
    "minCpu=2": ["a"],
    "maxMemoryGiB=1": ["b"],
    "minDiskGiB=lots": [],
    "isPublic=true": ["b"],
    "createdAtAfter=2026-01-01T12:00:00Z": ["b"],
    "createdAtBefore=2026-01-01T12:00:00%2B00:00": ["a"],
    "createdAtBefore=never": [],
    "autoDestroyAtAfter=2020-01-01T00:00:00Z": [],
    "sort=name&order=asc": ["a", "b"],
    "sort=cpu": ["a", "b"],
    "sort=memoryGib&order=asc": ["b", "a"],
}


@pytest.mark.parametrize("asked", FILTERS)
async def test_a_filter_holds_for_both_sources(asked: str) -> None:
    shared = {"target": "us", "disk": 3}
    mine = [
        {**described("", 0), "id": "a", "name": "box-a", "state": "started", "labels": {"team": "ü x"}, "cpu": 2}
        | {"memory": 4, "snapshot": "large", "public": False, **shared},
        {**described("", 1), "id": "b", "name": "box-b", "state": "stopped", "labels": {}, "cpu": 1}
        | {"memory": 1, "snapshot": "small", "public": True, **shared},
    ]
    seen = []

    async def fetch(query: bytes) -> Answer:
        seen.append(query.decode().partition("limit=")[0])
        return Answer(status=200, headers=[], body=b'{"items": [], "nextCursor": null}')

    answer = await listed(f"{asked}&limit=9".encode(), "cursor", mine, fetch)

    assert [each["id"] for each in json.loads(answer.body)["items"]] == FILTERS[asked]
    assert [part.split("=")[0] for part in seen[0].split("&") if part] == [
        part.split("=")[0] for part in asked.split("&")
    ], "old is asked the same"


@dataclass
class Lists:
    """A router before an embedded Daytona with sandboxes of its own."""

    it: Router
    old: list[str]

    async def ask(self, target: str, version: str, key: str = OWNER) -> Any:
        status, headers, body = await self.it.ask(
            f"GET /api{target}", f"Authorization: {key}", f"X-Daytona-SDK-Version: {version}"
        )
        assert status == 200, body
        assert "etag" not in headers
        return json.loads(body)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lists(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lists]:
    directory = tmp_path_factory.mktemp("lists")
    arguments = [
        "sandbox",
        "--api",
        "daytona",
        "--port",
        "0",
        "--key",
        "list-key",
        "--key",
        "other",
        "--dir",
        str(directory / "old"),
    ]
    old = Program("old", arguments, directory)
    await old.start()
    try:
        async with router(directory, old.url) as it:
            for number in range(MINE):
                row = TwinRow(
                    id=f"ours-{number}", routing_key="key", seat=Origin.NEW, follower=FollowerState.ABSENT,
                    ids={Origin.NEW: "there"}, owner=digest(OWNER.encode()),
                    control={**described("ours", number), "state": "stopped", "desiredState": "started"},
                )  # fmt: skip
                await it.app.registry.change(it.app.registry.add(row))
            gone = TwinRow(
                id="going", routing_key="key", seat=Origin.NEW, follower=FollowerState.DELETING,
                ids={Origin.NEW: "there"}, owner=digest(OWNER.encode()), control={"state": "started"},
            )  # fmt: skip
            await it.app.registry.change(it.app.registry.add(gone))
            made = []
            for _ in range(THEIRS):
                status, _, body = await it.ask("POST /api/sandbox", f"Authorization: {OWNER}", body=b"{}")
                assert status == 200, body
                made.append(str(json.loads(body)["id"]))
            yield Lists(it, made)
    finally:
        await old.stop()


@pytest.mark.asyncio(loop_scope="module")
async def test_an_old_sdk_gets_one_array(lists: Lists) -> None:
    found = [each["id"] for each in await lists.ask("/sandbox", OLD)]

    assert found[:MINE] == [f"ours-{number}" for number in reversed(range(MINE))]
    assert sorted(found[MINE:]) == sorted(lists.old)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9, 10])
async def test_numbered_pages_hold_all_of_both(lists: Lists, limit: int) -> None:
    found: list[str] = []
    for page in range(1, -(-(MINE + THEIRS) // limit) + 1):
        value = await lists.ask(f"/sandbox/paginated?labels=null&page={page}&limit={limit}", PAGES)
        assert (value["total"], value["page"]) == (MINE + THEIRS, page)
        found += [each["id"] for each in value["items"]]

    assert value["totalPages"] == page
    assert len(found) == len(set(found))
    assert set(found) == {*lists.old, *(f"ours-{number}" for number in range(MINE))}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("limit", [1, 2, 5, 9, 10])
async def test_cursors_lead_through_all_of_both(lists: Lists, limit: int) -> None:
    found: list[str] = []
    asked = f"/sandbox?limit={limit}"
    while asked:
        value = await lists.ask(asked, NEWEST)
        found += [each["id"] for each in value["items"]]
        asked = f"/sandbox?limit={limit}&cursor={value['nextCursor']}" if value["nextCursor"] else ""

    assert len(found) == len(set(found))
    assert set(found) == {*lists.old, *(f"ours-{number}" for number in range(MINE))}


@pytest.mark.asyncio(loop_scope="module")
async def test_another_key_sees_none_of_ours(lists: Lists) -> None:
    value = await lists.ask("/sandbox", NEWEST, key="Bearer other")

    assert not [each for each in value["items"] if each["id"].startswith("ours-")]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_list_says_what_a_sandbox_is_meant_to_be(lists: Lists) -> None:
    value = await lists.ask("/sandbox?states=stopped", NEWEST)
    ours = [each for each in value["items"] if each["id"].startswith("ours-")]

    assert {(each["state"], each["desiredState"]) for each in ours} == {("stopped", "stopped")}
    assert {each["toolboxProxyUrl"] for each in ours} == {"http://router/toolbox"}
