"""`crossfade kill --hard`: seats come home at once; where new is dead, what stays behind is listed."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from demo.programs import crossfade
from tests.journeys.probes import Probe, create, use_flags
from tests.journeys.stack import ALL_TOOLS, Stack, stack
from tests.journeys.test_moves import shown, until

EVERYTHING = (*ALL_TOOLS, "lifecycle")


async def flags(system: Stack, value: str) -> None:
    await use_flags(system, dict.fromkeys(EVERYTHING, value))


async def settle(system: Stack, probe: Probe) -> None:
    for _ in range(20):
        code, _, _ = await crossfade("twins", "settle", probe.id, "--reason", "test", "--config", str(system.config))
        if code == 0:
            return
    raise AssertionError("never settled")


async def kill(system: Stack, *words: str) -> tuple[int, dict[str, Any], str]:
    code, out, err = await crossfade(
        "kill", "--hard", "--yes", "--json", *words, "--reason", "new is down", "--config", str(system.config)
    )
    return code, {each["id"]: each for each in json.loads(out)["sandboxes"]} if out else {}, err


async def test_with_new_dead_what_stayed_behind_is_listed_and_nothing_else_is_lost(tmp_path: Path) -> None:
    async with stack(tmp_path, settle=600) as system, await system.client() as client:
        await flags(system, "shadow")
        at_home = [await create(client) for _ in range(2)]
        for probe in at_home:
            await until(system, probe.id, follower="joined")
        await flags(system, "live")
        away = [await create(client) for _ in range(3)]
        for probe in away:
            await until(system, probe.id, seat="new")
        for probe in (*at_home, *away):
            assert (await probe.upload("/workspace/settled", b"1")).status_code == 200
        for probe in away:
            await settle(system, probe)
        truth: dict[str, set[str]] = {probe.id: set() for probe in away}
        for number, probe in enumerate(away):
            for each in range(number):
                path = f"/workspace/late{each}"
                assert (await probe.upload(path, b"2")).status_code == 200
                truth[probe.id].add(path)
        load = asyncio.create_task(_load(away[2], truth[away[2].id]))
        await asyncio.sleep(0.5)
        await system.new.kill()
        load.cancel()
        refused, left, _ = await kill(system)
        started = time.monotonic()
        homes = [await probe.download("/workspace/settled") for probe in at_home]
        took = time.monotonic() - started
        still = [(await shown(system, probe.id))["seat"] for probe in away]
        forced, done, _ = await kill(system, "--accept-loss")
        found = [(await probe.download("/workspace/settled")).content for probe in away]
        kept = await shown(system, away[2].id)

    assert ([home.content for home in homes], took < 2) == ([b"1", b"1"], True)
    assert (refused, still) == (4, ["new", "new", "new"])
    assert {id: each["how"] for id, each in left.items()} == dict.fromkeys(truth, "left")
    assert (forced, {id: each["how"] for id, each in done.items()}) == (1, dict.fromkeys(truth, "forced"))
    # A write that was under way when new died may have been carried out and never acknowledged.
    unsure = {id: {path for path in each["lost"] if path.startswith("/workspace/load")} for id, each in done.items()}
    assert {id: set(each["lost"]) - unsure[id] for id, each in done.items()} == {
        id: {path for path in paths if not path.startswith("/workspace/load")} for id, paths in truth.items()
    }
    assert all(truth[id] <= set(each["lost"]) for id, each in done.items())
    assert not any(each["commands"] for each in done.values())
    assert found == [b"1", b"1", b"1"]
    assert (kept["seat"], kept["follower"]) == ("old", "survivor")
    assert set(kept["lost"]) == set(done[away[2].id]["lost"])


async def _load(probe: Probe, acknowledged: set[str]) -> None:
    number = 0
    while True:
        path = f"/workspace/load{number}"
        if (await probe.upload(path, b"3")).status_code == 200:
            acknowledged.add(path)
        number += 1
        await asyncio.sleep(0.01)


async def test_with_new_alive_every_change_comes_home_whatever_runs(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await flags(system, "live")
        probe = await create(client)
        await until(system, probe.id, seat="new")
        await probe.session("open")
        await probe.session_exec("open", "echo 1 > /workspace/by-session; (sleep 617 >/dev/null 2>&1 &)")
        assert (await probe.upload("/workspace/up", b"2")).status_code == 200
        code, done, err = await kill(system)
        after = await probe.exec("cat /workspace/by-session /workspace/up")
        gone = await probe.session_exec("open", "true")
        row = await shown(system, probe.id)

    assert (code, done[probe.id]["how"], done[probe.id]["lost"]) == (0, "moved", []), err
    assert done[probe.id]["ended"] >= 1
    assert after.json()["result"] == "1\n2"
    assert (gone.status_code, "session not found" in gone.text.lower()) == (500, True), gone.text
    assert (row["seat"], row["follower"]) == ("old", "detached")
