"""A difference that really occurs is accepted: the report goes on without it, and a second kind is still seen."""

import json
from pathlib import Path
from typing import Any

from tests.journeys.probes import Probe, create, recorded, twins, use_flags
from tests.journeys.stack import FILE_TOOLS, Stack, stack

MODE = "fs.info mode value"
ROUNDS = 20  # a call that overlapped a settle is not compared


async def test_an_accepted_kind_leaves_the_report_while_calls_go_on(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(FILE_TOOLS, "shadow"))
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        await system.inject(kinds=[{"kind": "mode-bit"}])
        await _until_it_differs(system, probe, "first")
        before = await _files(system)

        words = ["diffs", "accept", *MODE.split(), "--reason", "known", "--author", "ada", "--yes"]
        await system.command(*words)
        accepted = await _files(system)
        await system.inject(kinds=[{"kind": "mode-bit"}, {"kind": "list-extra-entry"}])
        await _until_it_differs(system, probe, "second")
        after = await _files(system)
        kinds = json.loads(await system.command("diffs", "list", "--json"))["kinds"]

    assert before["differing"] == accepted["explained"] > 0
    assert (before["explained"], accepted["differing"]) == (0, 0)
    assert accepted["compared"] == before["compared"]
    assert after["explained"] >= accepted["explained"]
    assert after["differing"] > 0
    assert {kind["signature"]: kind["state"] for kind in kinds if kind["severity"] != "cosmetic"} == {
        MODE: "accepted",
        "fs.list entry extra": "open",
    }


async def _until_it_differs(system: Stack, probe: Probe, name: str) -> None:
    """Ask for a file's mode and for a listing until both were compared."""
    path = f"/workspace/{name}/notes.txt"
    assert (await probe.upload(path, b"text")).status_code == 200
    await twins(system, [probe.id], clean=True)
    for _ in range(ROUNDS):
        done = len(probe.calls)
        await probe.info(path)
        await probe.list(f"/workspace/{name}")
        asked = [call for _, call in probe.calls[done:]]
        found = await recorded(system, set(asked))
        if all(found[call]["matched"] is not None for call in asked):
            return
    raise AssertionError(f"never compared: {name}")


async def _files(system: Stack) -> dict[str, Any]:
    report = await system.report()
    found: dict[str, Any] = next(tool for tool in report["tools"] if tool["tool"] == "files")
    return found
