"""Stored links follow the sandbox; what a preview means to its twin; and the record it leaves."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossfade.stage import Origin
from crossfade.twin import FollowerState
from router.preview.origins import Sandbox
from router.store.calls import tail
from tests.preview.rig import DOMAIN, Box, Rig, origins, router, told, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_stored_link_follows_the_sandbox_there_and_back(rig: Rig) -> None:
    """Handed out while the seat was on old; used there, on new, and on old again: link, token, cookie and socket."""
    box = await rig.create()
    await box.joined()
    await box.serve(Origin.OLD, "old")
    link = await box.link()
    host, token = link["url"].removeprefix("http://"), {"X-Daytona-Preview-Token": link["token"]}
    page = await rig.get(host, f"/?DAYTONA_SANDBOX_AUTH_KEY={link['token']}")
    cookie = {"Cookie": page.headers["set-cookie"].partition(";")[0]}
    seen: list[set[str]] = []

    for origin in (Origin.OLD, Origin.NEW, Origin.OLD):
        if origin is not box.twin.seat:
            await box.end(box.twin.seat)
            await box.serve(origin, str(origin))
            await box.seat(origin)
        async with rig.socket(box.ws_host, additional_headers=token) as socket:
            names = {told(await socket.recv())["name"]}
        for headers in (token, cookie):
            names.add((await rig.get(host, "/x", headers=headers)).json()["name"])
            by_path = await rig.get(rig.authority, f"/preview/{box.port}-{box.id}/x", headers=headers)
            names.add(by_path.json()["name"])
        seen.append(names)

    assert seen == [{"old"}, {"new"}, {"old"}]
    assert (await box.link()) == link


async def test_a_link_of_a_newborn_whose_seat_moves_at_birth(tmp_path: Path) -> None:
    async with origins(tmp_path) as programs, router(tmp_path, programs, stage="live") as rig:
        box = await rig.create()
        link = await box.link()  # asked for at once, as SUNA does
        await until(lambda: box.twin.seat is Origin.NEW or bool(box.twin.row.held))
        assert box.twin.seat is Origin.NEW, box.twin.row.held
        await box.serve(Origin.NEW, "new")

        answer = await rig.get(link["url"].removeprefix("http://"), headers={"X-Daytona-Preview-Token": link["token"]})

    assert answer.json()["name"] == "new"


async def test_a_preview_waits_while_the_seat_moves(rig: Rig) -> None:
    box = await rig.create()
    await box.joined()
    await box.serve(Origin.NEW, "new")
    token = await box.token()
    box.twin.fence = fence = asyncio.Event()
    waiting = asyncio.create_task(rig.get(box.host, headers=token))
    preview = rig.app.preview
    assert preview is not None
    await until(lambda: preview.visits.open == 1)
    await box.seat(Origin.NEW)
    box.twin.fence = None
    fence.set()

    assert (await waiting).json()["name"] == "new"


async def test_a_preview_that_may_change_something_marks_its_twin_first(rig: Rig) -> None:
    box = await rig.create()
    await box.joined()
    await box.serve(Origin.OLD, "old")
    await until(lambda: not box.twin.row.dirty)
    gen, hot = box.twin.gen, box.twin.hot

    await box.get("/x")
    after_get = (box.twin.gen, box.twin.hot, box.twin.row.dirty)
    await box.send("POST", "/upload", content=b"x")

    assert after_get == (gen, hot, False)
    assert box.twin.gen > gen
    assert box.twin.hot
    assert not box.twin.clean(rig.app.sides.clock.monotonic())


@pytest.mark.parametrize("method", ["GET", "POST", "socket"])
async def test_a_sandbox_that_was_stopped_and_started_is_found_at_once(rig: Rig, method: str) -> None:
    """The provider's address and token are others afterwards; ours are the same."""
    box = await rig.create()
    await box.joined()
    await box.serve(Origin.OLD, "old")
    token = await box.token()
    assert (await rig.get(box.host, headers=token)).json()["name"] == "old"
    async with rig.socket(box.ws_host, additional_headers=token) as socket:
        assert told(await socket.recv())["name"] == "old"
    async with rig.client() as client:
        for verb in ("stop", "start"):
            assert (await client.post(f"/api/sandbox/{box.id}/{verb}")).status_code == 200
    await box.serve(Origin.OLD, "again")

    if method == "GET":
        name = (await rig.get(box.host, headers=token)).json()["name"]
    elif method == "POST":
        name = (await rig.send("POST", box.host, "/upload", content=b"x", headers=token)).json()["name"]
    else:
        async with rig.socket(box.ws_host, additional_headers=token) as socket:
            name = told(await socket.recv())["name"]

    assert name == "again"


async def test_a_deleted_sandbox_has_no_ports(rig: Rig) -> None:
    box = await rig.create()
    await box.joined()
    token = await box.token()
    twin = box.twin
    async with rig.client() as client:
        assert (await client.delete(f"/api/sandbox/{box.id}")).status_code == 200
    at_once = await rig.get(box.host, headers=token)
    await until(lambda: twin.row.follower is FollowerState.GONE)
    rig.app.preview.doors.origins.described.kept.clear()  # type: ignore[union-attr]

    assert at_once.status_code == 404
    assert (await rig.get(box.host, headers=token)).status_code == 404


async def test_a_sandbox_that_is_being_deleted_has_no_ports_although_both_sides_still_have_it(rig: Rig) -> None:
    box = await rig.create()
    await box.joined()
    await box.serve(Origin.OLD, "old")
    token = await box.token()
    before = await rig.get(box.host, headers=token)
    await rig.app.registry.change(box.twin, follower=FollowerState.DELETING)

    assert (before.status_code, (await rig.get(box.host, headers=token)).status_code) == (200, 404)


async def test_looking_counts_as_activity_unless_it_is_asked_not_to(box: Box) -> None:
    token = await box.token()
    box.twin.last_activity = 0.0
    await box.rig.get(box.host, headers={**token, "X-Daytona-Skip-Last-Activity-Update": "true"})
    skipped = box.twin.last_activity
    await box.rig.get(box.host, headers=token)

    assert skipped == 0.0
    assert box.twin.last_activity > 0


async def test_an_open_connection_counts_for_as_long_as_it_is_open(box: Box) -> None:
    preview = box.rig.app.preview
    assert preview is not None
    preview.active_seconds = 0.05
    control = box.rig.app.sides.backends[Origin.NEW]._control  # type: ignore[attr-defined]
    there = box.twin.row.ids[Origin.NEW]
    async with box.rig.socket(box.ws_host, additional_headers=await box.token()) as socket:
        await socket.recv()
        for _ in range(3):
            box.twin.last_activity = 0.0
            await until(lambda: box.twin.last_activity > 0)
        # On E2B time runs by the clock on the wall: looking puts the end off.
        control.ends[there] = time.time() + 60
        if box.twin.seat is Origin.NEW:
            await until(lambda: control.ends[there] > time.time() + 1800)
    preview.active_seconds = 50.0


async def test_each_look_leaves_one_record_without_path_query_or_body(box: Box) -> None:
    secret = "only-in-the-request"
    page = await box.get(f"/{secret}?q={secret}", headers={"traceparent": "00-aa-bb-01"})
    posted = await box.send("POST", f"/upload?{secret}", content=secret.encode())
    refused = await box.rig.get(box.host, f"/?{secret}")
    missing = await box.get("/status/404")
    async with box.rig.socket(box.ws_host, additional_headers=await box.token()) as socket:
        await socket.recv()
        call = socket.response.headers["X-Crossfade-Call"]
    answers = [page, posted, refused, missing]
    calls = [*(each.headers["x-crossfade-call"] for each in answers), call]

    found = [(await _records(box.rig, calls))[each] for each in calls]

    seat = str(box.twin.seat)
    assert [each["operation"] for each in found] == ["preview.http"] * 4 + ["preview.socket"]
    assert [each["effect"] for each in found] == ["read", "execute", "read", "read", "execute"]
    assert [each["answering"] for each in found] == [seat, seat, "router", seat, seat]
    assert [each["status"] for each in found] == [200, 200, 401, 404, 101]
    assert [each["fate"] for each in found] == ["ok"] * 5
    assert {each["sandbox"] for each in found if each["status"] != 401} == {box.id}
    assert {each["tool"] for each in found} == {"expose"}
    assert {each["route"].split(" ", 1)[1] for each in found} == {"{port}-{sandbox}"}
    assert (found[1]["bytes_in"], found[1]["bytes_out"] > 0) == (len(secret), True)
    assert found[0]["trace_parent"] == "00-aa-bb-01"
    assert {(each["stage"], each["routing_key"]) for each in found if each["status"] != 401} == {
        ("shadow", box.twin.row.routing_key)
    }
    assert {each["dropped"] for each in found if each["answering"] == seat} == {"a preview is not compared"}
    assert secret not in str(found)


@pytest.mark.parametrize(
    ("port", "headers", "tool", "by"),
    [
        (6080, {}, "browser", "rule:browser-ports"),
        (8004, {}, "browser", "rule:browser-ports"),
        (3000, {}, "expose", "default"),
        (6080, {"X-Crossfade-Tool": "presentation"}, "presentation", "header"),
        (3000, {"baggage": "crossfade.tool=kb"}, "kb", "baggage"),
    ],
)
async def test_a_look_counts_for_the_tool_that_shows_there(
    box: Box, port: int, headers: dict[str, str], tool: str, by: str
) -> None:
    answer = await box.rig.get(f"{port}-{box.id}.{DOMAIN}", headers={**await box.token(), **headers})
    call = answer.headers["x-crossfade-call"]

    record = (await _records(box.rig, [call]))[call]

    assert (record["tool"], record["classified_by"]) == (tool, by)


async def test_a_look_in_flight_shows_in_the_metrics(box: Box) -> None:
    async with box.rig.socket(box.ws_host, additional_headers=await box.token()) as socket:
        await socket.recv()
        text = box.rig.app.telemetry.exposition().decode()

    assert "crossfade_calls_in_flight 1.0" in text


async def test_a_provider_whose_links_lead_back_here_is_no_endless_loop(box: Box) -> None:
    """As if the domain were the one that the provider's own links have: found out before anything is sent."""
    preview = box.rig.app.preview
    assert preview is not None
    token = await box.token()
    theirs = await preview.doors.origins.link(Sandbox(id=box.id, public=False, twin=box.twin), box.twin.seat, box.port)
    authority = theirs.value.url.removeprefix("http://")
    ours = preview.doors.addressing
    preview.doors.addressing = replace(ours, domain=authority.partition(".")[2])
    answer = await box.rig.get(box.host, headers=token)
    preview.doors.addressing = ours

    assert answer.status_code == 508
    assert (await box.rig.get(box.host, headers=token)).status_code == 200


async def _records(rig: Rig, calls: list[str]) -> dict[str, dict[str, Any]]:
    """The records of these calls, once all of them are kept."""
    found: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(20):
        while len(found) < len(calls):
            kept = [numbered.record for numbered in tail(rig.app.database, limit=1_000_000)]
            found = {record.id: record.plain() for record in kept if record.id in calls}
            await asyncio.sleep(0.05)
    return found
