"""`crossfade explain sandbox` says of the next call what then becomes of it."""

import json
from pathlib import Path

import pytest

from tests.journeys.probes import Probe, create, recorded, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, Stack, stack

FLAGS = [
    dict.fromkeys(ALL_TOOLS, "shadow"),
    {**dict.fromkeys(ALL_TOOLS, "shadow"), **dict.fromkeys(FILE_TOOLS, "live")},
    {**dict.fromkeys(ALL_TOOLS, "off"), "upload": "complete", "shell": "live"},
]


async def _explained(system: Stack, probe: Probe) -> dict[str, dict[str, str]]:
    told: dict[str, dict[str, str]] = json.loads(await system.command("explain", "sandbox", probe.id, "--json"))[
        "tools"
    ]
    return told


async def _become(system: Stack, probe: Probe) -> dict[str, tuple[str, str, bool]]:
    """By tool: stage, who answered, and whether the other side was asked too."""
    probe.calls.clear()
    for tool in FILE_TOOLS:
        await probe.info("/workspace/f", tool=tool)
    await probe.exec("true", tool="shell")
    found = await recorded(system, [call for _, call in probe.calls])
    return {each["tool"]: (each["stage"], each["answering"], each["mirrored"]) for each in found.values()}


@pytest.mark.parametrize("flags", FLAGS, ids=["shadow", "split", "mixed"])
async def test_what_is_explained_is_what_happens(flags: dict[str, str], tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, flags)
        probe = await create(client)
        await twins(system, [probe.id])
        assert (await probe.upload("/workspace/f", b"1")).status_code == 200
        await twins(system, [probe.id], clean=True)
        told = await _explained(system, probe)
        text = await system.command("explain", "sandbox", probe.id)
        happened = await _become(system, probe)

    assert {tool: (each["stage"], each["answering"]) for tool, each in told.items() if tool in happened} == {
        tool: (stage, answering) for tool, (stage, answering, _) in happened.items()
    }
    for tool, (_, answering, mirrored) in happened.items():
        assert mirrored == (told[tool]["compared"] not in ("", answering)), (tool, told[tool])
        assert f"{tool:<13}{answering}" in text
        assert told[tool]["why"] in text
    assert text.startswith("seat on old; follower joined,")
    assert "process tools stay on old because of: " in text
