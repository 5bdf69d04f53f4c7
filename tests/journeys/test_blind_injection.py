"""Blind injection: differences drawn at random, on sandboxes drawn at random; the report names exactly those."""

import asyncio
import os
import random
import secrets
from pathlib import Path
from typing import Any

import pytest

from router.front.e2b.differences import KINDS
from tests.journeys.probes import Probe, create, recorded, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, Stack, stack

# What the report has to say of each kind.
SIGNATURES = {
    "file-byte": "fs.download content value",
    "file-truncated": "fs.download content size",
    "file-missing": "fs.info status new 404",
    "list-missing-entry": "fs.list entry missing",
    "list-extra-entry": "fs.list entry extra",
    "mode-bit": "fs.info mode value",
    "size-off-by-one": "fs.info size value",
    "exec-exit-code": "process.exec exit_code value",
    "exec-stdout": "process.exec output line value",
    "exec-line-missing": "process.exec output line missing",
    "session-output": "session.exec output line value",
    "error-status": "fs.mkdir status new 500",
}
SANDBOXES = 5
ROUNDS = 6  # a call that overlapped a settle is not compared, so every operation is repeated until it was


def test_every_kind_has_its_signature() -> None:
    assert SIGNATURES.keys() == KINDS.keys()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """A generator whose seed is drawn at run time and printed with a failure; CROSSFADE_TEST_SEED repeats a run."""
    seed = int(os.environ.get("CROSSFADE_TEST_SEED") or secrets.randbits(32))
    print(f"seed {seed}: repeat with CROSSFADE_TEST_SEED={seed}")
    return random.Random(seed)


@pytest.mark.parametrize(
    "draw", [0, *(pytest.param(number, marks=pytest.mark.full) for number in range(1, 12))], ids=lambda n: f"draw{n}"
)
async def test_the_report_names_exactly_the_differences_drawn(tmp_path: Path, chance: random.Random, draw: int) -> None:
    async with stack(tmp_path, settle=1.0) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(ALL_TOOLS, "shadow"))
        probes = [await create(client) for _ in range(SANDBOXES)]
        await twins(system, [probe.id for probe in probes], clean=True)
        drawn = _draw(chance, probes)
        print(f"drawn: {[(each['kind'], each['sandbox']) for each in drawn]}")
        await system.inject(kinds=drawn)

        await asyncio.gather(*(_until_compared(system, probe, chance) for probe in probes))
        await system.router.stop()
        report = await system.report()

    assert _above_cosmetic(report) == {SIGNATURES[each["kind"]] for each in drawn}


@pytest.mark.sdk
async def test_without_injection_nothing_differs_in_shadow_and_in_live(tmp_path: Path) -> None:
    async with stack(tmp_path, settle=1.0) as system, system.agents() as agents, await system.client() as client:
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow"))
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        shadow, _ = await asyncio.gather(
            system.wave(agents, "shadow", 2), _until_compared(system, probe, random.Random(0))
        )
        await use_flags(system, dict.fromkeys(FILE_TOOLS, "live"))
        live = await system.wave(agents, "files live", 2)
        await system.router.stop()
        report = await system.report()

    assert shadow["failures"] == live["failures"] == []
    assert _above_cosmetic(report) == set()


async def test_a_change_of_what_the_follower_does_not_have_yet_is_no_difference(tmp_path: Path) -> None:
    async with stack(tmp_path, settle=3.0) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow"))
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        await use_flags(system, dict.fromkeys(FILE_TOOLS, "live"))
        assert (await probe.exec("echo 1 > /workspace/made")).json()["exitCode"] == 0
        path = "/files/permissions?path=/workspace/made&mode=600"
        assert (await probe.call("fs.chmod", "POST", path, tool="files")).status_code == 200
        _, call = probe.calls[-1]
        found = (await recorded(system, {call}))[call]
        await twins(system, [probe.id], clean=True)
        assert (await probe.call("fs.chmod", "POST", path, tool="files")).status_code == 200
        _, again = probe.calls[-1]
        later = (await recorded(system, {again}))[again]
        await system.router.stop()
        report = await system.report()

    assert (found["answering"], found["matched"], found["dropped"]) == ("old", None, "follower is not equal there")
    assert (later["answering"], later["matched"]) == ("new", True)
    assert _above_cosmetic(report) == set()


def _draw(chance: random.Random, probes: list[Probe]) -> list[dict[str, str]]:
    """Some kinds, each on a sandbox where no other kind changes the same answers."""
    taken: set[tuple[str, str]] = set()
    drawn = []
    for kind in chance.sample(sorted(KINDS), chance.randint(1, len(KINDS))):
        free = [probe.id for probe in probes if (KINDS[kind].operation, probe.id) not in taken]
        sandbox = chance.choice(free)
        taken.add((KINDS[kind].operation, sandbox))
        drawn.append({"kind": kind, "sandbox": f"dt_id={sandbox}"})
    return drawn


async def _until_compared(system: Stack, probe: Probe, chance: random.Random) -> None:
    """Every kind of operation, on things that are not empty, until each was compared at least once."""
    due = {"fs.info", "fs.list", "fs.download", "fs.mkdir", "process.exec", "session.exec"}
    for number in range(ROUNDS):
        await _work(probe, chance, number)
        found = await recorded(system, {call for _, call in probe.calls})
        missing = due - {operation for operation, call in probe.calls if found[call]["matched"] is not None}
        if not missing:
            return
        await twins(system, [probe.id], clean=True)
    raise AssertionError(f"{probe.id}: never compared: {missing}: {_fates(probe, found)}")


async def _work(probe: Probe, chance: random.Random, number: int) -> None:
    folder = f"/workspace/round-{number}"
    assert (await probe.upload(f"{folder}/notes.txt", b"first\nsecond\nthird\n")).status_code == 200
    assert (await probe.upload(f"{folder}/photo.bin", bytes(range(256)))).status_code == 200
    await probe.session(f"session-{number}")

    async def read() -> None:
        await probe.info(f"{folder}/notes.txt")
        await probe.info(folder)
        await probe.list(folder)
        await probe.download(f"{folder}/photo.bin")

    async def execute() -> None:
        assert (await probe.exec("printf 'one\\ntwo\\nthree\\n'")).json()["exitCode"] == 0
        assert (await probe.exec("printf 'before\\nfailing\\n'; exit 3")).json()["exitCode"] == 3

    async def session() -> None:
        answer = await probe.session_exec(
            f"session-{number}", f"cd {folder.removeprefix('/workspace/')}; ls; echo done"
        )
        assert answer.status_code == 200, answer.text

    steps = [read, execute, session]
    chance.shuffle(steps)
    for step in steps:
        await step()
    # A session that is open keeps the follower in doubt: nobody knows what it still writes.
    await probe.call("session.delete", "DELETE", f"/process/session/session-{number}", tool="shell")
    # Last: where it is answered by an error, the follower counts as behind until it is settled.
    assert (await probe.mkdir(f"{folder}/made")).status_code == 201


def _fates(probe: Probe, found: dict[str, dict[str, Any]]) -> list[str]:
    return [f"{name}: {found[call]['dropped'] or found[call]['matched']}" for name, call in probe.calls]


def _above_cosmetic(report: dict[str, Any]) -> set[str]:
    return {each["name"] for tool in report["tools"] for each in tool["signatures"] if each["severity"] != "cosmetic"}
