"""A sandbox that lives goes to the other side, and back: at a start, and while nothing runs in it.

Clause C7 of docs/consistency.md.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.journeys.probes import SDK_HEADERS, Probe, create, set_flags, use_flags
from tests.journeys.stack import ALL_TOOLS, Stack, stack

PATIENCE = 40.0
FILE = "/workspace/notes"


async def shown(system: Stack, sandbox: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await system.command("twins", "show", sandbox, "--json"))
    return found


async def until(system: Stack, sandbox: str, **wanted: str) -> None:
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while not wanted.items() <= (found := await shown(system, sandbox)).items():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"{sandbox} is not {wanted}: {found}") from None


async def restart(client: httpx2.AsyncClient, sandbox: str) -> None:
    for verb in ("stop", "start"):
        answer = await client.post(f"/api/sandbox/{sandbox}/{verb}", headers=SDK_HEADERS)
        assert answer.status_code == 200, answer.text


async def where(system: Stack, probe: Probe) -> str:
    """The side that ran the last call."""
    answer = await probe.exec("cat /workspace/notes")
    assert answer.status_code == 200, answer.text
    assert answer.json()["exitCode"] == 0, answer.text
    assert answer.json()["result"].startswith("kept")
    return str((await shown(system, probe.id))["seat"])


async def test_at_a_start_the_seat_goes_where_the_flags_ask_for_it_and_back(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow"))
        probe = await create(client)
        await until(system, probe.id, follower="joined")
        await probe.exec(f"mkdir -p /workspace && echo kept > {FILE}; (sleep 616 >/dev/null 2>&1 &)")
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "live"))
        running = (await shown(system, probe.id))["seat"]
        await restart(client, probe.id)
        await until(system, probe.id, seat="new")
        there = await where(system, probe)
        wrote = await probe.exec(f"echo kept on new >> {FILE}")
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow"))
        await restart(client, probe.id)
        await until(system, probe.id, seat="old")
        back = await probe.exec(f"cat {FILE}")

    assert (running, there, wrote.json()["exitCode"]) == ("old", "new", 0)
    assert back.json()["result"] == "kept\nkept on new\n"


async def test_an_idle_sandbox_goes_home_after_a_kill_with_everything_it_has(tmp_path: Path) -> None:
    async with stack(tmp_path, mirror={"move_idle_seconds": 0.5}) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "live"))
        probe = await create(client)
        await until(system, probe.id, seat="new")
        await probe.exec(f"mkdir -p /workspace && echo kept > {FILE}")
        await probe.session("open")
        await system.command("kill", "--reason", "new is failing", "--yes")
        await asyncio.sleep(1.5)
        held = await shown(system, probe.id)
        answered = await probe.session_exec("open", f"echo kept by the session >> {FILE}")
        closed = await probe.call("session.delete", "DELETE", "/process/session/open", tool="shell")
        await until(system, probe.id, seat="old", follower="detached")
        text = await probe.exec(f"cat {FILE}")

    assert (held["seat"], held["held"]) == ("new", "seat did not move while idle: 1 open: session:open")
    assert (answered.json()["exitCode"], closed.status_code) == (0, 204)
    assert text.json()["result"] == "kept\nkept by the session\n"


@pytest.mark.full
async def test_an_idle_sandbox_rests_before_daytona_stops_it_and_wakes_on_the_other_side(tmp_path: Path) -> None:
    """Over a minute: the shortest idle time that Daytona knows, and the router's own looks."""
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow"))
        probe = await create(client)
        await until(system, probe.id, follower="joined")
        answer = await client.post(f"/api/sandbox/{probe.id}/autostop/1", headers=SDK_HEADERS)
        assert answer.status_code == 200, answer.text
        await probe.exec(f"mkdir -p /workspace && echo kept > {FILE}; (sleep 617 >/dev/null 2>&1 &)")
        set_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "live"))
        async with asyncio.timeout(120):
            while "stopped early" not in str(await system.metrics()):
                await asyncio.sleep(1)
        shown_state = (await client.get(f"/api/sandbox/{probe.id}", headers=SDK_HEADERS)).json()["state"]
        answer = await client.post(f"/api/sandbox/{probe.id}/start", headers=SDK_HEADERS)
        assert answer.status_code == 200, answer.text
        await until(system, probe.id, seat="new")
        there = await where(system, probe)

    assert (shown_state, there) == ("stopped", "new")
