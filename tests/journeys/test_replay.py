"""Whole calls captured by a real router, and driven again on real servers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2

from demo.programs import crossfade
from router.capture.call import CapturedCall, calls_in
from router.capture.files import files_in
from tests.journeys.probes import Probe, create, recorded, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, KEY, Stack, stack

ENV_SECRET, FILE_SECRET, COMMAND_KEY = "plain-vnc-word", "hunter2-of-a-file-0123", "sk-planted-in-a-command-1234567890"
ON = '[capture]\nsample = 1.0\nfolder = "{folder}"\n'
EXEC, LISTED = "process.exec output line", "fs.list entry extra"


async def test_captured_calls_show_again_what_they_showed_until_it_is_mended(tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    async with stack(tmp_path, extra=ON.format(folder=folder)) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(ALL_TOOLS, "shadow"))
        await system.inject(kinds=[{"kind": "exec-stdout"}, {"kind": "list-extra-entry"}])
        probes = [await create(client) for _ in range(2)]
        await twins(system, [probe.id for probe in probes], clean=True)
        for probe in probes:
            await _work(probe)
        found = await recorded(system, [call for probe in probes for _, call in probe.calls])
        before = await _sandboxes(system)
        [captured] = await _captured(folder, sum(len(probe.calls) for probe in probes))
        calls = list(calls_in(captured))

        broken, again = await _replay(system, str(captured), "new")
        by_name, named = await _replay(
            system, next(n for r in found.values() for n in r["signatures"] if LISTED in n), "new"
        )
        sound, same = await _replay(system, str(captured), "old")
        await system.inject(kinds=[])
        mended, gone = await _replay(system, str(captured), "new")
        left = await _sandboxes(system)
        shown = json.loads(await system.command("capture", "--json"))
        code, _, error = await crossfade("replay", "no such thing", "--against", "new", "--config", str(system.config))

    signatures = {name for record in found.values() for name in record["signatures"]}
    assert any(LISTED in name for name in signatures)
    assert any(EXEC in name for name in signatures)
    assert [call.operation for call in calls if call.sandbox == calls[0].sandbox] == [
        name for name, _ in probes[0].calls
    ]
    assert {call.id: set(call.signatures) for call in calls} == {
        call: set(found[call]["signatures"]) for probe in probes for _, call in probe.calls
    }
    assert broken == by_name == 1
    assert {row["signature"]: row["now"] for row in again["rows"]} == {
        row["signature"]: row["captured"] for row in again["rows"]
    }
    assert {row["signature"] for row in again["rows"]} == signatures
    assert again["driven"] == again["compared"] == len(calls)
    assert 0 < named["driven"] < again["driven"]
    assert (sound, same["differing"]) == (0, 0)
    assert mended == 0, gone
    assert {row["state"] for row in gone["rows"]} == {"gone"}
    assert left == before
    assert [each["calls"] for each in shown["files"]] == [len(calls)]
    assert (code, "no call captured" in error) == (2, True)
    for path in [*files_in(folder), tmp_path / "router.log"]:
        for secret in (ENV_SECRET, FILE_SECRET, COMMAND_KEY, KEY):
            assert secret.encode() not in path.read_bytes(), (path.name, secret)


async def test_nothing_is_captured_unless_it_is_asked_for(tmp_path: Path) -> None:
    extra = f'[capture]\nfolder = "{tmp_path / "captures"}"\n'
    async with stack(tmp_path, extra=extra) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(ALL_TOOLS, "shadow"))
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        await probe.list("/workspace")
        await recorded(system, [call for _, call in probe.calls])

    assert not (tmp_path / "captures").exists()


async def _work(probe: Probe) -> None:
    """What later calls show depends on what earlier ones did."""
    answers = [
        await probe.mkdir("/workspace/made"),
        await probe.upload("/workspace/made/.env", f"DB_PASSWORD={FILE_SECRET}\n".encode()),
        await probe.exec(
            f"export OPENAI_KEY={COMMAND_KEY}; echo $OPENAI_KEY $VNC_PASSWORD >> /workspace/made/log; echo ran",
            envs={"VNC_PASSWORD": ENV_SECRET},
        ),
        await probe.exec("cat /workspace/made/.env /workspace/made/log | sort; hostname"),
        await probe.info("/workspace/made/.env"),
        await probe.download("/workspace/made/.env"),
        await probe.session("work"),
        await probe.session_exec("work", "cd /workspace/made && N=1"),
        await probe.session_exec("work", "N=$((N+1)); echo $N $PWD"),
        await probe.list("/workspace/made"),
        await probe.download("/workspace/made/log"),
    ]
    assert all(answer.status_code < 300 for answer in answers), [answer.text for answer in answers]


async def _captured(folder: Path, calls: int) -> list[Path]:
    """The files, once that many calls are in them."""

    def counted() -> list[CapturedCall]:
        return [call for path in files_in(folder) for call in calls_in(path)]

    async with asyncio.timeout(20):
        while len(counted()) < calls:
            await asyncio.sleep(0.1)
    return list(files_in(folder))


async def _replay(system: Stack, what: str, against: str) -> tuple[int, dict[str, Any]]:
    words = ["replay", *what.split(), "--against", against, "--speed", "0", "--json", "--config", str(system.config)]
    code, out, err = await crossfade(*words)
    assert out, err
    return code, json.loads(out)


async def _sandboxes(system: Stack) -> list[set[str]]:
    """Ids on either side."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        old = (await client.get(f"{system.old.url}/api/sandbox", headers={"Authorization": f"Bearer {KEY}"})).json()
        new = (await client.get(f"{system.new.url}/v2/sandboxes", headers={"X-API-Key": KEY})).json()
    return [
        {each["id"] for each in (old if isinstance(old, list) else old["items"])},
        {each["sandboxID"] for each in new},
    ]
