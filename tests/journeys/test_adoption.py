"""A sandbox made before the router was there gets a follower while it works, and goes to new and back like every other.

Clauses C2, C3 and C7 of docs/consistency.md for sandboxes that others may write to behind the router.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2

from tests.journeys.probes import SDK_HEADERS, Probe, recorded, use_flags
from tests.journeys.stack import ADMIN_TOKEN, ALL_TOOLS, FILE_TOOLS, KEY, Stack, stack

PATIENCE = 40.0
LIVE_FILES = {**dict.fromkeys(ALL_TOOLS, "shadow"), **dict.fromkeys(FILE_TOOLS, "live")}


def _direct(system: Stack) -> httpx2.AsyncClient:
    """Old, past the router."""
    return httpx2.AsyncClient(
        base_url=system.old.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30, trust_env=False
    )


async def _made_before(system: Stack, count: int = 1) -> list[Probe]:
    """Sandboxes with a few files, of which the router knows nothing, driven past it."""
    made = []
    client = _direct(system)
    for _ in range(count):
        body = {"snapshot": "s", "env": {"GREETING": "hello"}, "labels": {"of": "before"}}
        answer = await client.post("/api/sandbox", json=body, headers=SDK_HEADERS)
        assert answer.status_code == 200, answer.text
        probe = Probe(client, str(answer.json()["id"]))
        await probe.exec("mkdir -p /workspace/src && seq 2000 > /workspace/src/numbers && echo old > /workspace/first")
        made.append(probe)
    return made


async def _shown(system: Stack, sandbox: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await system.command("twins", "show", sandbox, "--json"))
    return found


async def _until(system: Stack, sandbox: str, **wanted: object) -> dict[str, Any]:
    for _ in range(int(PATIENCE / 0.5)):
        if wanted.items() <= (found := await _shown(system, sandbox)).items():
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"never {wanted}: {found}")


async def _answering(system: Stack, probe: Probe) -> str:
    """Who answered the last call."""
    found = await recorded(system, [probe.calls[-1][1]])
    return str(found[probe.calls[-1][1]]["answering"])


async def test_what_is_older_than_the_router_is_filled_in_bulk_and_never_read_stale(tmp_path: Path) -> None:
    preview = '[preview]\ndomain = "ports.example"\n'
    async with stack(tmp_path, extra=preview) as system, await system.client() as client:
        before = await _made_before(system, 3)
        await use_flags(system, LIVE_FILES)
        told = json.loads(await system.command("twins", "backfill", "--all", "--reason", "the migration", "--json"))
        old, probe = before[0], Probe(client, before[0].id)
        standing = await _shown(system, probe.id)
        first = await probe.download("/workspace/first")
        async with asyncio.timeout(PATIENCE):
            while await _answering(system, probe) != "new":
                again = await probe.download("/workspace/first")
        # Behind the router's back: it may be written there at any moment.
        await old.exec("echo bypassed > /workspace/first")
        bypassed = (await probe.download("/workspace/first")).text
        written = await probe.upload("/workspace/second", b"through both")
        seen = await probe.exec("cat /workspace/second; echo -n $GREETING")
        ran = await probe.exec("echo by a command > /workspace/first")
        read = (await probe.download("/workspace/first")).text
        twice = json.loads(await system.command("twins", "backfill", before[0].id, "--reason", "again", "--json"))
        none_left = json.loads(await system.command("twins", "backfill", "--all", "--reason", "more", "--json"))
        listed = await system.command("twins", "list", "--json")
        words = ("relink", "--was", "proxy.example", "--sql", "projects.sandbox")
        relinked = (await system.command(*words)).splitlines()

    one = f"-{probe.id}.{{}}"
    was, now = one.format("proxy.example"), one.format("ports.example")
    assert f"UPDATE projects SET sandbox = replace(sandbox, '{was}', '{now}') WHERE sandbox LIKE '%{was}%';" in relinked
    assert len(relinked) == 3
    assert (told["total"], told["filled"], told["held"]) == (3, 3, 0), told
    assert (standing["seat"], standing["follower"], standing["bypass"], standing["clean"]) == (
        "old",
        "joined",
        True,
        False,
    )
    assert (first.text, again.text) == ("old\n", "old\n")
    assert bypassed == "bypassed\n"
    assert written.status_code == 200
    assert seen.json()["result"] == "through bothhello"
    assert (ran.json()["exitCode"], read) == (0, "by a command\n")
    assert (twice["filled"], none_left["total"]) == (1, 0)
    assert [each["bypass"] for each in json.loads(listed)["twins"]] == [True] * 3


async def test_an_old_session_goes_to_new_once_it_is_trusted_and_back(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        [before] = await _made_before(system)
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "live"))
        await system.command("twins", "backfill", before.id, "--reason", "first")
        probe = Probe(client, before.id)
        await _restart(client, probe.id)
        held = await _shown(system, probe.id)
        await system.command("twins", "trust", probe.id, "--reason", "its links are new")
        await _restart(client, probe.id)
        await _until(system, probe.id, seat="new")
        there = await probe.exec("cat /workspace/first; tail -1 /workspace/src/numbers; echo -n $GREETING")
        await probe.upload("/workspace/first", b"on new")
        refused = await _refused(
            system, "twins", "detach", probe.id, "--reason", "early", "--config", str(system.config)
        )
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow"))
        await _restart(client, probe.id)
        await _until(system, probe.id, seat="old")
        back = await probe.exec("cat /workspace/first")
        await system.command("twins", "detach", probe.id, "--reason", "it stays")
        alone = await _shown(system, probe.id)
        works = await probe.exec("cat /workspace/first")
        left = list((system.directory / "new").glob("*/files"))

    assert (held["seat"], "behind" in held["held"]) == ("old", True)
    assert there.json()["result"] == "old\n2000\nhello"
    assert "its seat is on new" in refused
    assert back.json()["result"] == works.json()["result"] == "on new"
    assert (alone["follower"], alone["held"], list(alone["ids"])) == ("absent", "detached: it stays", ["old"])
    assert left == []


async def test_a_touch_is_enough_where_the_settings_say_so(tmp_path: Path) -> None:
    async with stack(tmp_path) as system:
        [before, untouched] = await _made_before(system, 2)
        system.config.write_text(system.config.read_text().replace("[mirror]\n", '[mirror]\nadopt = "touch"\n'))
        await system.router.stop()
        await system.router.start()
        await use_flags(system, LIVE_FILES)
        async with await system.client() as client:
            probe = Probe(client, before.id)
            missing = await Probe(client, "no-such-sandbox").info("/workspace")
            assert (await probe.download("/workspace/first")).text == "old\n"
            async with asyncio.timeout(PATIENCE):
                while before.id not in (listed := await system.command("twins", "list", "--json")):
                    await asyncio.sleep(0.1)
            await _until(system, before.id, follower="joined")
            # A crash in the middle is no loss: the row says that it may be written behind us.
            await system.router.kill()
            await system.router.start()
        async with await system.client() as client:
            probe = Probe(client, before.id)
            found = await _until(system, before.id, follower="joined", bypass=True, hot=True)
            read = (await probe.download("/workspace/first")).text

    assert missing.status_code == 404
    assert untouched.id not in listed
    assert (found["seat"], read) == ("old", "old\n")


async def _restart(client: httpx2.AsyncClient, sandbox: str) -> None:
    for verb in ("stop", "start"):
        answer = await client.post(f"/api/sandbox/{sandbox}/{verb}", headers=SDK_HEADERS)
        assert answer.status_code == 200, answer.text
        await asyncio.sleep(0.3)


async def _refused(system: Stack, *words: str) -> str:
    from demo.programs import crossfade

    code, _, err = await crossfade(*words, "--config", str(system.config))
    assert code == 2, err
    return err


async def test_a_router_that_starts_anew_goes_on_with_a_backfill_but_not_with_one_stopped(tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    order = {"author": "test", "reason": "the migration"}
    async with (
        stack(tmp_path) as system,
        httpx2.AsyncClient(base_url=f"{system.admin}/v1", headers=headers, trust_env=False, timeout=30) as admin,
    ):
        await _made_before(system, 9)
        await use_flags(system, LIVE_FILES)
        await system.inject(delay_seconds=0.5)  # on new, each call: it takes a while
        begun = (await admin.post("/backfill", json=order)).json()
        async with asyncio.timeout(PATIENCE):
            while not 0 < (found := (await admin.get("/backfill")).json())["filled"] < 9:
                await asyncio.sleep(0.05)
        await system.router.kill()
        await system.inject(delay_seconds=0)
        await system.router.start()
        async with asyncio.timeout(PATIENCE):
            while (after := (await admin.get("/backfill")).json())["running"]:
                await asyncio.sleep(0.1)
        clean = {each["id"]: each["follower"] for each in (await admin.get("/twins")).json()["twins"]}

        await _made_before(system, 6)
        await system.inject(delay_seconds=0.5)
        await admin.post("/backfill", json=order)
        stopped = (await admin.post("/backfill/stop", json=order)).json()
        await system.router.kill()
        await system.router.start()
        later = (await admin.get("/backfill")).json()
        on_new = len((await admin.get("/twins")).json()["twins"])

    assert (begun["total"], begun["running"]) == (9, True)
    assert 0 < found["filled"] < 9
    assert (after["total"], after["filled"], after["held"]) == (9, 9, 0), after
    assert list(clean.values()) == ["joined"] * 9
    assert stopped["total"] == 6
    assert (later["running"], later["waiting"], later["filling"]) == (False, 0, 0)
    assert on_new < 15
