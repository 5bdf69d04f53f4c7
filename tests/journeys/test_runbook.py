"""What docs/operations.md says to do is done, in the trouble that it is written for."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import httpx2

from demo.programs import NotReady
from tests.journeys.probes import Probe, create, twins, use_flags
from tests.journeys.runbook import codes, follow, run
from tests.journeys.stack import ALL_TOOLS, KEY, Stack, stack
from tests.journeys.test_moves import restart, shown, until

EVERYTHING = (*ALL_TOOLS, "lifecycle")
PATIENCE = 40.0


async def _flags(system: Stack, value: str) -> None:
    await use_flags(system, dict.fromkeys(EVERYTHING, value))


async def _at_home(system: Stack, client: httpx2.AsyncClient) -> Probe:
    """A sandbox with its seat on old, a settled follower, and a file."""
    await _flags(system, "shadow")
    return await _with_a_file(system, await create(client))


async def _away(system: Stack, client: httpx2.AsyncClient) -> Probe:
    """The same with its seat on new."""
    await _flags(system, "live")
    probe = await create(client)
    await until(system, probe.id, seat="new")
    return await _with_a_file(system, probe)


async def _with_a_file(system: Stack, probe: Probe) -> Probe:
    await twins(system, [probe.id], clean=True)
    assert (await probe.upload("/workspace/f", b"kept")).status_code == 200
    await twins(system, [probe.id], clean=True)
    return probe


async def _content(probe: Probe) -> bytes:
    answer = await probe.download("/workspace/f")
    return answer.content if answer.status_code == 200 else f"{answer.status_code}".encode()


async def test_new_is_dead(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        probe = await _at_home(system, client)
        await system.new.kill()
        ran = await follow(system, "## New is down or slow")
        await asyncio.sleep(0.8)
        newborn = await create(client)
        content, born = await _content(probe), await newborn.exec("echo well")

    assert set(codes(ran).values()) == {0}, ran
    assert (content, born.json()["result"].strip()) == (b"kept", "well")


async def test_old_is_dead(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        away = await _away(system, client)
        home = await _at_home(system, client)
        await system.old.kill()
        down = await _content(home)
        ran = await follow(system, "## Old is down", {"SANDBOX": home.id})
        found = [await _content(each) for each in (home, away)]
        now = await shown(system, home.id)

    assert down.startswith(b"5")
    assert list(codes(ran).values()) == [0, 0, 0, 1], ran  # 1: it went to the last settle
    assert home.id in ran[2].out and away.id not in ran[2].out
    assert found == [b"kept", b"kept"]
    assert (now["seat"], now["follower"]) == ("new", "survivor")


async def test_flags_cannot_be_read(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        probe = await _away(system, client)
        with contextlib.closing(sqlite3.connect(tmp_path / "crossfade.db")) as store:
            store.execute("alter table flags rename to flags_hidden")
            store.execute("update meta set value = value + 1 where name = 'flags_revision'")
            store.commit()
            async with asyncio.timeout(PATIENCE):
                while (await system.metrics())["crossfade_flags_fresh"]:
                    await asyncio.sleep(0.1)
            ran = await follow(system, "## Flags cannot be read", {"SANDBOX": probe.id})
            store.execute("alter table flags_hidden rename to flags")
        async with asyncio.timeout(PATIENCE):
            while not (await system.metrics())["crossfade_flags_fresh"]:
                await asyncio.sleep(0.1)
        again = await run(system, "crossfade flags list")

    status, listed, explained = ran
    assert (status.code, explained.code, again.code) == (0, 0, 0), ran
    assert "flags could be read lately: 0" in status.out
    assert listed.code == 3 and "Traceback" not in listed.err
    assert "seat on new" in explained.out


async def test_a_sandbox_comes_back_older_and_either_side_may_be_taken(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        for side in ("old", "new"):
            probe = await _away(system, client)
            ids = (await shown(system, probe.id))["ids"]
            assert (await client.post(f"/api/sandbox/{probe.id}/stop")).status_code == 200
            here = tmp_path / "new" / ids["new"] / "files"
            marker = next(here.rglob(".crossfade-generation"))
            marker.write_text("1")
            (here / "workspace" / "f").write_bytes(b"older")
            assert (await client.post(f"/api/sandbox/{probe.id}/start")).status_code == 200
            await until(system, probe.id, follower="quarantined")
            looked = await follow(system, "## A sandbox came back older than it was left", {"SANDBOX": probe.id})
            assert set(codes(looked).values()) == {0}, looked
            assert probe.id in looked[0].out and "older than it was left" in looked[1].out + looked[2].out
            assert await _content(probe) == b"older"
            if side == "old":
                words = f'crossfade twins move {probe.id} --to old --hard --accept-loss --reason "its copy is newer"'
                assert (await run(system, words)).code == 1
                assert await _content(probe) == b"kept"
            else:
                assert (await run(system, f'crossfade twins attach {probe.id} --reason "went on"')).code == 0
                await twins(system, [probe.id], clean=True)
                assert (tmp_path / "old" / ids["old"] / "files" / "workspace" / "f").read_bytes() == b"older"
                await restart(client, probe.id)
                assert (await shown(system, probe.id))["follower"] == "joined"  # the old marker is forgotten


async def test_an_upgrade_that_converts_the_store_is_rolled_back(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    async with stack(tmp_path) as system, await system.client() as client:
        probe = await _at_home(system, client)
        await system.router.stop()
        with contextlib.closing(sqlite3.connect(tmp_path / "crossfade.db")) as store:
            with contextlib.closing(sqlite3.connect(copy)) as there:
                store.backup(there)
            store.execute("update meta set value = value + 1 where name = 'schema_version'")
            store.commit()
        try:
            await system.router.start()
            refused = ""
        except NotReady as error:
            refused = str(error)
        for name in ("crossfade.db-wal", "crossfade.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        copy.replace(tmp_path / "crossfade.db")
        checked = await run(system, "crossfade check")
        await system.router.start()
        async with await system.client() as client:
            back = Probe(client, probe.id)
            await _flags(system, "off")
            await until(system, probe.id, follower="detached")
            await _flags(system, "shadow")
            await twins(system, [probe.id], clean=True)
            content = await _content(back)

    assert "newer" in refused, refused
    assert checked.code == 0
    assert content == b"kept"


async def test_a_key_leaked(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        home = await _at_home(system, client)
        await system.new.stop()
        port = system.new.url.rpartition(":")[2]
        words = list(system.new.arguments)
        words[words.index("--key") + 1], words[words.index("--port") + 1] = "another-key", port
        system.new.arguments = words
        await system.new.start()
        text = system.config.read_text()
        before, here, after = text.rpartition(f'key = "{KEY}"')
        system.config.write_text(before + here.replace(KEY, "another-key") + after)
        await system.router.stop()
        await system.router.start()
        ran = await follow(system, "### A key leaked")
        async with await system.client() as client:
            content = await _content(Probe(client, home.id))
            await _away(system, client)  # made there with the new key
        logs = "".join(path.read_text(errors="replace") for path in tmp_path.glob("*.log"))

    assert codes(ran)["crossfade check"] == codes(ran)["crossfade status"] == 0, ran
    assert codes(ran)["crossfade doctor"] in (0, 1), ran  # 1: what differs between the embedded templates
    assert content == b"kept"
    assert "another-key" not in logs


async def test_crossfade_is_left(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        home, away = await _at_home(system, client), await _away(system, client)
        assert (await away.upload("/workspace/f", b"late")).status_code == 200
        ran = await follow(system, "## Leave crossfade")
        await system.router.stop()
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx2.AsyncClient(base_url=system.old.url, headers=headers, timeout=30, trust_env=False) as old:
            paths = [f"/api/toolbox/{each.id}/toolbox/files/download" for each in (home, away)]
            found = [(await old.get(path, params={"path": "/workspace/f"})).content for path in paths]

    assert set(codes(ran).values()) == {0}, ran
    assert (ran[1].out, "0 of 2 twins" in ran[1].err) == ("", True)
    assert found == [b"kept", b"late"]
