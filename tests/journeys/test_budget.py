"""Followers' hours are used up: no more are made, somebody is told, nobody's answer changes."""

import asyncio
import time
from pathlib import Path

import httpx2

from router.store.database import open_database
from router.store.running import add_running
from router.twins.budget import REFUSAL
from tests.journeys.probes import create, twins, use_flags
from tests.journeys.stack import ADMIN_TOKEN, ALL_TOOLS, stack


async def test_with_its_hours_spent_new_sandboxes_stay_on_old_and_those_that_run_go_on(tmp_path: Path) -> None:
    extra = "[budget]\nfollower_hours_per_day = 2\n[notify]\nevery_seconds = 0.1\n"
    async with stack(tmp_path, extra=extra) as system:
        async with await system.client() as client:
            await use_flags(system, dict.fromkeys(ALL_TOOLS, "shadow"))
            before = await create(client)
            await twins(system, [before.id], clean=True)
        database = open_database(system.store, create=False)
        # Just before midnight it would be yesterday's.
        add_running(database, time.time(), {("new", "follower"): 1.9 * 3600, ("old", "seat"): 9_000.0})
        add_running(database, time.time(), {("old", "follower"): 0.2 * 3600})
        database.close()
        await system.router.kill()
        await system.router.start()

        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with await system.client() as client, httpx2.AsyncClient(headers=headers, trust_env=False) as admin:
            async with asyncio.timeout(20):
                while "budget-spent" not in (status := (await admin.get(f"{system.admin}/v1/status")).text):
                    await asyncio.sleep(0.1)
            after = await create(client)
            before.client = client
            answers = [await probe.upload("/workspace/f", b"x") for probe in (before, after)]
            async with asyncio.timeout(20):
                while not (shown := (await admin.get(f"{system.admin}/v1/twins/{after.id}")).json())["held"]:
                    await asyncio.sleep(0.1)
            first = (await admin.get(f"{system.admin}/v1/twins/{before.id}")).json()
            metrics = (await admin.get(f"{system.admin}/metrics")).text

    assert "2.1 of 2.0 h" in status
    assert [each.status_code for each in answers] == [200, 200]
    assert (shown["held"], shown["follower"], first["follower"]) == (REFUSAL, "absent", "joined")
    assert "crossfade_follower_hours_today 2.1" in metrics
