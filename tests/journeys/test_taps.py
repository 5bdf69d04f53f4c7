"""The report's numbers against taps that belong to the test: what arrived is what is reported, exactly."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.probes import use_flags
from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, Stack, stack
from tests.journeys.tap import Seen


@pytest.mark.sdk
async def test_the_reports_counts_equal_the_taps(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, system.agents() as agents:
        failures = (await system.wave(agents, "observe", 1))["failures"]
        observed = len(system.front_tap.seen)
        for name, sandboxes, flags in (
            ("shadow", 2, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "shadow")),
            ("files 50 %", 2, dict.fromkeys(FILE_TOOLS, "live=50,shadow=50")),
            ("files 100 %", 1, dict.fromkeys(FILE_TOOLS, "live")),
            ("all live", 2, dict.fromkeys(ALL_TOOLS, "live")),
        ):
            await use_flags(system, flags)
            failures += (await system.wave(agents, name, sandboxes))["failures"]
        await system.router.stop()
        report = await system.report()

    assert failures == []
    assert report["lost_records"] == {}
    _requests_equal(report, system)
    tools = {tool["tool"]: tool for tool in report["tools"] if tool["calls"]}
    seen = system.front_tap.seen
    assert _by_tool(seen) == {name: tool["calls"] for name, tool in tools.items()}
    assert any(each.upgrade for each in seen)
    assert all(each.call and each.status < 500 for each in seen)
    assert _answered(system) == {name: tool["answered"] for name, tool in tools.items()}
    assert _mirrored(system) == {name: tool["mirrored"] for name, tool in tools.items() if tool["mirrored"]}
    # Everything asked of a sandbox once its tool's flag was set is due: compared, or dropped for a reason.
    due = _by_tool([each for each in seen[observed:] if (each.method, each.target) != ("POST", "/api/sandbox")])
    assert due == {
        name: tool["compared"] + sum(tool["dropped"].values()) for name, tool in tools.items() if name in due
    }
    assert all(not tool["compared"] and not tool["dropped"] for name, tool in tools.items() if name not in due)
    assert system.old_tap.calls("write_through")
    assert tools["files"]["answered"]["new"] > 0
    assert tools["shell"]["answered"]["new"] > 0
    assert tools["shell"]["compared"] > 0


def _requests_equal(report: dict[str, Any], system: Stack) -> None:
    reported: dict[str, dict[str, int]] = defaultdict(dict)
    for each in report["requests"]:
        reported[each["origin"]][each["purpose"]] = each["count"]
    assert reported == {"old": system.old_tap.counts(), "new": system.new_tap.counts()}


def _by_tool(seen: list[Seen]) -> Counter[str]:
    return Counter(each.tool or "other" for each in seen)


def _answered(system: Stack) -> dict[str, dict[str, int]]:
    """Tool -> side -> calls: the side that was asked last for the answer is the one that gave it."""
    last: dict[str, tuple[float, str]] = {}
    for origin, tap in (("old", system.old_tap), ("new", system.new_tap)):
        for each in tap.seen:
            if each.purpose == "answer" and each.call:
                last[each.call] = max(last.get(each.call, (0.0, "")), (each.at, origin))
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for each in system.front_tap.seen:
        if each.call not in last:
            # An address on new follows from its rule for addresses: nobody is asked.
            assert "/ports/" in each.target, each
        found[each.tool or "other"][last.get(each.call, (0.0, "new"))[1]] += 1
    return {tool: dict(sides) for tool, sides in found.items()}


def _mirrored(system: Stack) -> Counter[str]:
    """Tool -> calls of which a second origin was sent its half."""
    tool_of = {each.call: each.tool or "other" for each in system.front_tap.seen}
    paired = {
        call
        for tap in (system.old_tap, system.new_tap)
        for name in ("mirror", "write_through")
        for call in tap.calls(name)
    }
    return Counter(tool_of[call] for call in paired)
