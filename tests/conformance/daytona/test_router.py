"""The client's own test of sameness: the scenarios give the same results directly and through the router."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import services
from tests.conformance.daytona.expected_alone import ALONE
from tests.conformance.daytona.harness import SDKS, Results, differences, run_scenarios
from tests.journeys.stack import ALL_TOOLS, KEY, stack

# What SUNA runs and will run, by the classes that it uses; everything else in `make test-full`.
EVERY = [(sdk, kind) for sdk in SDKS for kind in ("async", "blocking")]
FIRST = {("daytona-newest", "async")}
MATRIX = [pytest.param(*each, marks=() if each in FIRST else pytest.mark.full) for each in EVERY]
# Of these what is refused differs by where a sandbox lives; what each refusal says is looked at below.
BY_SIDE = {
    "alone_computer_use",
    "alone_desktop",
    "alone_language_server",
    "alone_ssh",
    "alone_control",
    "preview_link_signed",
}
# Asked of the account and not of a sandbox, or answered by the SDK itself.
OF_THE_ACCOUNT = {("alone_ssh", "validate"), ("alone_control", "metrics")}
# Refused like the others; the SDK keeps the reason from its caller.
UNSAID = {("alone_desktop", "recording.download")}


@pytest.mark.sdk
@pytest.mark.parametrize(("sdk", "kind"), MATRIX)
async def test_scenarios_through_the_router_equal_direct_ones(sdk: str, kind: str, tmp_path: Path) -> None:
    async with stack(tmp_path) as system:

        async def run(url: str) -> Results:
            return await asyncio.to_thread(run_scenarios, sdk, f"{url}/api", KEY, blocking=kind == "blocking")

        direct = await run(system.old.url)
        old = await run(system.router.url)
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "live"))
        system.new_tap.seen.clear()
        new = await run(system.router.url)

        assert {name: each for name, each in differences(direct, old).items() if name not in BY_SIDE} == {}
        assert differences(direct, new).keys() <= BY_SIDE
        # It was the new side that answered, or this proves nothing.
        assert len(system.new_tap.calls("answer")) > 100
        refusals = list(refused(new))
        assert len(refusals) > 4
        assert [each for each in refusals if each.get("status", 501) != 501] == []
        assert [each for each in refusals if "has no equivalent on the side" not in each["message"]] == []


def refused(results: Results) -> Iterator[dict[str, Any]]:
    """Every refusal of what only Daytona can do, each by its name."""
    for name in BY_SIDE & results.keys():
        for what, said in results[name].items():
            if (name, what) in OF_THE_ACCOUNT | UNSAID or said == "done":
                continue
            assert ALONE[name] in said["message"], said
            yield said


@pytest.mark.sdk
@pytest.mark.parametrize(
    "sdk", [pytest.param(sdk, marks=() if (sdk, "async") in FIRST else pytest.mark.full) for sdk in SDKS]
)
async def test_scenarios_with_every_tool_complete_need_no_old_side(sdk: str, tmp_path: Path) -> None:
    async with stack(tmp_path) as system:
        direct = await asyncio.to_thread(run_scenarios, sdk, f"{system.old.url}/api", KEY)
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "complete"))

        new = await asyncio.to_thread(run_scenarios, sdk, f"{system.router.url}/api", KEY)

        # Without an old side a stranger is refused by the router: the oldest SDK shows the words of that.
        strangers = {"wrong_key"} if sdk == "daytona-0.21.0" else set()
        assert differences(direct, new).keys() - BY_SIDE == strangers
        created = {
            each.target for each in system.old_tap.seen if each.method == "POST" and each.target == "/api/sandbox"
        }
        assert created == set()


@pytest.mark.sdk
@pytest.mark.parametrize("sdk", SDKS)
async def test_scenarios_on_a_real_account_are_the_same_through_the_router(sdk: str, tmp_path: Path) -> None:
    account = services.daytona()
    if account is None:
        pytest.skip(services.MISSING["daytona"])
    async with stack(tmp_path, account=account) as system:
        direct = await asyncio.to_thread(run_scenarios, sdk, account.url, account.key, snapshot=account.snapshot)
        through = await asyncio.to_thread(
            run_scenarios, sdk, f"{system.router.url}/api", account.key, snapshot=account.snapshot
        )

        assert differences(direct, through) == {}
