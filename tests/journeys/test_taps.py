"""The report's numbers against taps that belong to the test: what arrived is what is reported, exactly."""

from collections import Counter
from pathlib import Path

import pytest

from tests.journeys.stack import ALL_TOOLS, FILE_TOOLS, stack


@pytest.mark.sdk
async def test_the_reports_counts_equal_the_taps(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, system.agents() as agents:
        await system.wave(agents, "observe", 1)
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "shadow"))
        await system.wave(agents, "shadow", 2)
        await system.set_flags(dict.fromkeys(FILE_TOOLS, "live=50,shadow=50"))
        summary = await system.wave(agents, "files 50 %", 3)
        await system.set_flags(dict.fromkeys(ALL_TOOLS, "live"))
        last = await system.wave(agents, "all live", 2)
        await system.router.stop()
        report = await system.report()

        assert summary["failures"] == last["failures"] == []
        requests = {(each["origin"], each["purpose"]): each["count"] for each in report["requests"]}
        for origin, tap in (("old", system.old_tap), ("new", system.new_tap)):
            assert {purpose: count for (side, purpose), count in requests.items() if side == origin} == tap.counts()
        tools = {tool["tool"]: tool for tool in report["tools"]}
        arrived = Counter(each.tool for each in system.front_tap.seen if each.tool)
        assert sum(tool["calls"] for tool in tools.values()) == len(system.front_tap.seen)
        for name in ("files", "upload", "browser", "expose"):
            assert tools[name]["calls"] == arrived[name], name
        old, new = system.old_tap, system.new_tap
        paired = old.calls("mirror") | new.calls("mirror") | old.calls("write_through") | new.calls("write_through")
        assert sum(tool["mirrored"] for tool in tools.values()) == len(paired)
        for tool in tools.values():
            due = tool["compared"] + sum(tool["dropped"].values())
            assert due <= tool["calls"]
        assert report["lost_records"] == {}
        assert tools["files"]["answered"]["new"] > 0
        assert tools["shell"]["answered"]["new"] > 0
