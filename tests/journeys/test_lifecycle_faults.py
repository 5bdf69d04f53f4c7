"""Lifecycle calls whose side does not answer: never a success, never half a delete."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.journeys.stack import ALL_TOOLS, Stack, stack

PATIENCE = 30.0


async def shown(system: Stack, sandbox: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await system.command("twins", "show", sandbox, "--json"))
    return found


async def test_a_stop_that_the_seat_did_not_carry_out_is_no_success(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "live"))
        sandbox = str((await client.post("/api/sandbox", json={})).json()["id"])
        async with asyncio.timeout(PATIENCE):
            while (await shown(system, sandbox))["seat"] != "new":
                await asyncio.sleep(0.1)
        await system.new.stop()

        answer = await client.post(f"/api/sandbox/{sandbox}/stop")

        assert answer.status_code >= 500, answer.text
        assert answer.json()["message"]


async def test_a_delete_that_old_never_heard_leaves_both_copies(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await system.set_flags({"files": "shadow"})
        sandbox = str((await client.post("/api/sandbox", json={})).json()["id"])
        async with asyncio.timeout(PATIENCE):
            while (await shown(system, sandbox))["follower"] != "joined":
                await asyncio.sleep(0.1)
        await system.old.stop()

        answer = await client.delete(f"/api/sandbox/{sandbox}")

        assert answer.status_code == 502, answer.text
        async with asyncio.timeout(PATIENCE):
            while (await shown(system, sandbox))["follower"] != "joined":
                await asyncio.sleep(0.1)
