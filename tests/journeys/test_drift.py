"""Somebody writes to new past the router: a sampled look finds it, it is repaired, and the tool's ramp steps back."""

import asyncio
import json
from pathlib import Path

import httpx2

from router.store.audit import DRIFTED
from tests.journeys.probes import create, twins, use_flags
from tests.journeys.stack import ADMIN_TOKEN, stack
from tests.journeys.trees import clean_twins, tree

_EXTRA = "[ramp]\nevery_seconds = 0.2\nverify_per_hour = 36000\n[notify]\nevery_seconds = 0.2\n"
_SIGNED = {"author": "ada", "reason": "a test"}


async def test_a_file_changed_on_new_is_found_repaired_and_stops_the_ramp(tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with stack(tmp_path, extra=_EXTRA) as system, httpx2.AsyncClient(headers=headers, trust_env=False) as admin:
        ramp = f"{system.admin}/v1/ramps/files"
        await use_flags(system, {"files": "live=10,shadow=90"})
        async with await system.client() as client:
            probe = await create(client)
            assert (await probe.upload("/workspace/f", b"as it was")).status_code == 200
            await twins(system, [probe.id], clean=True)
            planned = await admin.put(ramp, json={**_SIGNED, "mode": "act", "least_days": 0})
            started = await admin.post(f"{ramp}/start", json=_SIGNED)
            assert (planned.status_code, started.status_code) == (200, 200)
            old, new = (
                system.directory / side / id / "files" / "workspace"
                for side, id in zip(("old", "new"), clean_twins(tmp_path / "crossfade.db")[probe.id], strict=True)
            )
            (new / "f").write_bytes(b"another")
            async with asyncio.timeout(30):
                while (await admin.get(ramp)).json()["ramp"]["state"] != "stopped":
                    await asyncio.sleep(0.1)
                while await tree(old) != await tree(new):
                    await asyncio.sleep(0.1)
        stopped = (await admin.get(ramp)).json()["ramp"]
        entries = (await admin.get(f"{system.admin}/v1/audit?target={probe.id}")).json()["entries"]
        metrics = await system.metrics()
        report = await system.report()

    assert (stopped["last"]["act"], stopped["last"]["because"], stopped["share"]) == ("back", "drift", 0)
    told = [each for each in entries if each["action"] == DRIFTED]
    assert told[0]["details"] == {"differing": 1, "paths": ["/workspace/f"]}
    assert metrics['crossfade_verified{result="differing"}'] >= 1
    assert "differed though believed equal" in json.dumps(report)
