"""A sick follower and sick flags: clients notice nothing, sandboxes do not move."""

import asyncio
import json
import sqlite3
import time
from pathlib import Path

import httpx2
import pytest

from demo.programs import Program
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, Stack, stack


async def _create(client: httpx2.AsyncClient) -> str:
    answer = await client.post("/api/sandbox", json={"snapshot": "s", "env": {}, "labels": {}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def _upload(client: httpx2.AsyncClient, sandbox: str, path: str, data: bytes) -> httpx2.Response:
    return await client.post(
        f"/toolbox/{sandbox}/files/bulk-upload",
        data={"files[0].path": path},
        files={"files[0].file": ("x", data, "application/octet-stream")},
    )


async def _joined(system: Stack, sandbox: str) -> None:
    """Wait until the store holds the twin as joined."""
    async with asyncio.timeout(20):
        while True:
            with sqlite3.connect(system.directory / "crossfade.db") as connection:
                row = connection.execute("select body from twins where id = ?", (sandbox,)).fetchone()
            if row and '"joined"' in row[0]:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", [{"hang": True}, {"fail": 500}, {"delay_seconds": 3.0}], ids=["hung", "500", "slow"])
async def test_a_sick_follower_does_not_delay_unsplit_sandboxes(tmp_path: Path, fault: dict[str, object]) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "shadow"))
        sandbox = await _create(client)
        await _joined(system, sandbox)
        await system.inject(**fault)

        slowest = 0.0
        for number in range(20):
            started = time.perf_counter()
            assert (await _upload(client, sandbox, f"/workspace/f{number}", b"x" * 100)).status_code == 200
            answer = await client.post(f"/toolbox/{sandbox}/process/execute", json={"command": "echo hi"})
            slowest = max(slowest, time.perf_counter() - started)
            assert answer.json()["exitCode"] == 0
        metrics = await system.metrics()

    assert slowest < 1.5  # the fault is 3 s or for ever; a call that awaited it would show
    assert metrics["crossfade_awaited_shadow_calls_total"] == 0


async def test_a_hung_follower_of_a_split_sandbox_costs_the_patience_and_then_nothing(tmp_path: Path) -> None:
    async with stack(tmp_path, mirror={"patience_seconds": 0.5}) as system, await system.client() as client:
        await system.set_flags(dict.fromkeys(FILE_TOOLS, "live"))
        sandbox = await _create(client)
        await _joined(system, sandbox)
        await _upload(client, sandbox, "/workspace/kept", b"before")
        await system.inject(hang=True)

        spent = []
        for number in range(8):
            started = time.perf_counter()
            assert (await _upload(client, sandbox, f"/workspace/f{number}", b"after")).status_code == 200
            got = await client.get(f"/toolbox/{sandbox}/files/download", params={"path": f"/workspace/f{number}"})
            spent.append(time.perf_counter() - started)
            assert got.content == b"after"

        assert max(spent) < 3.0
        assert min(spent[4:]) < 0.4  # the breaker is open: the seat answers alone
        kept = await client.get(f"/toolbox/{sandbox}/files/download", params={"path": "/workspace/kept"})
        assert kept.content == b"before"


async def _origins(system: Stack, client: httpx2.AsyncClient, sandboxes: list[str]) -> dict[str, str]:
    """Which origin answers a file call of each sandbox, by the record the router wrote of it."""
    calls = {}
    for sandbox in sandboxes:
        answer = await client.get(f"/toolbox/{sandbox}/files/info", params={"path": "/workspace"})
        calls[answer.headers["x-crossfade-call"]] = sandbox
    await asyncio.sleep(1.2)  # records are written in batches of half a second
    with sqlite3.connect(system.directory / "crossfade.db") as connection:
        rows = dict(connection.execute("select id, body from records").fetchall())
    return {sandbox: str(json.loads(rows[call])["answering"]) for call, sandbox in calls.items()}


async def test_broken_flags_and_a_restart_move_no_sandbox(tmp_path: Path) -> None:
    async with stack(tmp_path) as system:
        client = await system.client()
        await system.set_flags(dict.fromkeys(FILE_TOOLS, "live=50,shadow=50"))
        sandboxes = [await _create(client) for _ in range(12)]
        for sandbox in sandboxes:
            await _joined(system, sandbox)
        await asyncio.sleep(1.5)
        before = await _origins(system, client, sandboxes)
        with sqlite3.connect(system.directory / "crossfade.db") as connection:
            connection.execute("update flags set body = '{\"garbage\": true}'")
        await asyncio.sleep(1.0)
        during = await _origins(system, client, sandboxes)
        await client.aclose()
        await system.router.stop()
        (system.directory / "crossfade.flags.json").unlink(missing_ok=True)
        again = Program("router2", ["serve", "--config", str(system.config)], system.directory)
        async with again:
            system.router = again
            client = await system.client()
            after = await _origins(system, client, sandboxes)
            await client.aclose()

    assert set(before.values()) == {"old", "new"}
    assert during == before
    assert after == before
