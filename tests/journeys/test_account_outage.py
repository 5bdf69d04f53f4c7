"""A LaunchDarkly account dies, is slow, talks garbage or of stages nobody knows: no sandbox moves, an alarm is raised.

Clause C8 of docs/consistency.md for flags: what is unknown changes nothing.
"""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.flags.conftest import flag
from tests.flags.launchdarkly_server import KEY, Server, serving
from tests.journeys.probes import twins
from tests.journeys.stack import FILE_TOOLS, PROCESS_TOOLS, Stack, stack
from tests.journeys.test_faults import _origins, _spread

ALARM_SECONDS = 5.0
_SLACK = 10.0  # for a machine that does other things, too


def _flags(files: str, processes: str, version: int) -> list[dict[str, Any]]:
    shares = {**dict.fromkeys(FILE_TOOLS, files), **dict.fromkeys(PROCESS_TOOLS, processes)}
    return [flag(tool, text, version) for tool, text in shares.items()]


def _settings(server: Server) -> str:
    addresses = "".join(f'{name} = "{server.url}"\n' for name in ("stream_url", "base_url", "events_url"))
    return f'[flags]\nsource = "launchdarkly"\nsdk_key = "{KEY}"\n{addresses}'


async def _alarm(system: Stack, raised: bool) -> float:
    """The seconds until the metric says so."""
    started = time.monotonic()
    async with asyncio.timeout(ALARM_SECONDS + _SLACK):
        while (await system.metrics())["crossfade_flags_fresh"] != float(not raised):
            await asyncio.sleep(0.1)
    return time.monotonic() - started


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.full)])
async def test_an_outage_of_the_account_moves_no_sandbox_and_raises_an_alarm(tmp_path: Path, count: int) -> None:
    seen: dict[str, dict[str, tuple[str, str]]] = {}
    alarms: dict[str, float] = {}
    with serving() as server:
        server.put(*_flags("live=50,shadow=50", "live=30,shadow=70", 1))
        async with stack(tmp_path, extra=_settings(server)) as system:
            async with await system.client() as client:
                await _alarm(system, raised=False)
                sandboxes = await _spread(client, system, count)
                await twins(system, sandboxes, clean=True, seconds=30 + count)
                before = await _origins(system, client, sandboxes)
                # Stages that nobody knows, and flags that are none.
                unknown = [{**each, "variations": ["off", "on"], "version": 2} for each in _flags("off", "off", 2)]
                server.put(*unknown)
                await asyncio.sleep(1)
                seen["unknown stages"] = await _origins(system, client, sandboxes)
                server.say(b'event: put\ndata: {"path"\n\n')
                alarms["garbage"] = await _alarm(system, raised=True)
                seen["garbage"] = await _origins(system, client, sandboxes)
                server.flags = {each["key"]: each for each in _flags("live=50,shadow=50", "live=30,shadow=70", 3)}
                server.stop()
                server.start()
                await _alarm(system, raised=False)
                server.stop()
                alarms["killed"] = await _alarm(system, raised=True)
                seen["killed"] = await _origins(system, client, sandboxes)
            await twins(system, sandboxes, clean=True, seconds=30 + count)
            await system.router.stop()
            await system.router.start()
            async with await system.client() as client:
                alarms["restarted without it"] = await _alarm(system, raised=True)
                seen["restarted without it"] = await _origins(system, client, sandboxes)
            await twins(system, sandboxes, clean=True, seconds=30 + count)
            server.garbage = b""  # it takes the connection, and says nothing
            server.start()
            await system.router.kill()
            await system.router.start()
            async with await system.client() as client:
                alarms["slow"] = await _alarm(system, raised=True)
                seen["slow"] = await _origins(system, client, sandboxes)

    assert {files for files, _ in before.values()} == {"old", "new"}
    assert {processes for _, processes in before.values()} == {"old", "new"}
    moved = {name: {key for key in before if found[key] != before[key]} for name, found in seen.items()}
    assert moved == {name: set() for name in seen}
    assert max(alarms.values()) < ALARM_SECONDS + _SLACK, alarms
