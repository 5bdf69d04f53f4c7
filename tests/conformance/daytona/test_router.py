"""The client's own test of sameness: the scenarios give the same results directly and through the router."""

import asyncio
from pathlib import Path

import pytest

from tests.conformance.daytona.harness import differences, run_scenarios
from tests.journeys.stack import ALL_TOOLS, KEY, stack

# Old SDKs are held to the whole suite in `make test-full`; the first two are what SUNA runs and will run.
SDKS = [
    "daytona-0.115.0",
    "daytona-newest",
    pytest.param("daytona-0.21.0", marks=pytest.mark.full),
]


@pytest.mark.sdk
@pytest.mark.parametrize("sdk", SDKS)
async def test_scenarios_through_the_router_equal_direct_ones(sdk: str, tmp_path: Path) -> None:
    async with stack(tmp_path) as system:

        async def run(url: str) -> dict[str, object]:
            return await asyncio.to_thread(run_scenarios, sdk, f"{url}/api", KEY)

        direct = await run(system.old.url)
        old = await run(system.router.url)
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "live"))
        system.new_tap.seen.clear()
        new = await run(system.router.url)

        assert differences(direct, old) == {}
        assert differences(direct, new) == {}
        # It was the new side that answered, or this proves nothing.
        assert len(system.new_tap.calls("answer")) > 100


@pytest.mark.sdk
async def test_scenarios_with_every_tool_complete_need_no_old_side(tmp_path: Path) -> None:
    async with stack(tmp_path) as system:
        sdk = "daytona-0.115.0"
        direct = await asyncio.to_thread(run_scenarios, sdk, f"{system.old.url}/api", KEY)
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "complete"))

        new = await asyncio.to_thread(run_scenarios, sdk, f"{system.router.url}/api", KEY)

        # Idle intervals have no equivalent on E2B until the keeper emulates them; they are refused, not faked.
        assert set(differences(direct, new)) == {"interval_set"}
        created = {
            each.target for each in system.old_tap.seen if each.method == "POST" and each.target == "/api/sandbox"
        }
        assert created == set()
