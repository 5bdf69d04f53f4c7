"""`crossfade status` against a real admin listener."""

import asyncio
import json

from click.testing import CliRunner

from router.admin.app import admin_app
from router.cli.status import said, status
from router.settings import TelemetrySettings
from router.telemetry import Telemetry
from tests.serving import serving


async def _run(reasons: list[str], *arguments: str) -> tuple[int, str]:
    telemetry = Telemetry(TelemetrySettings())
    telemetry.gauge("crossfade_twins", "Twins.", lambda: {(("seat", "old"), ("follower", "joined")): 3.0})
    telemetry.gauge("crossfade_calls_in_flight", "Calls.", lambda: 2.0)
    async with serving(admin_app(ready=lambda: reasons, metrics=telemetry.exposition)) as url:
        words = ["--admin", url.removeprefix("http://"), *arguments]
        result = await asyncio.to_thread(CliRunner().invoke, status, words)
    telemetry.close()
    return result.exit_code, result.output


async def test_a_ready_router_says_what_it_does() -> None:
    code, output = await _run([])

    assert code == 0
    assert "calls in flight: 2" in output
    assert "twins (follower=joined, seat=old): 3" in output or "twins (seat=old, follower=joined): 3" in output


async def test_a_router_that_is_not_ready_says_why_and_exits_with_1() -> None:
    code, output = await _run(["draining"], "--json")

    assert code == 1
    assert json.loads(output)["reasons"] == ["draining"]


def test_nobody_there_is_said_with_the_address() -> None:
    result = CliRunner().invoke(status, ["--admin", "127.0.0.1:1"])

    assert result.exception is not None
    assert "127.0.0.1:1" in str(result.exception)


def test_a_share_that_is_not_reached_says_why() -> None:
    each = {"tool": "browser", "set_share": 0.5, "known": 100, "effective_share": 0.27, "on_new": 27}

    assert said({**each, "why": {"limited by shell": 23}}) == (
        "browser: set 50 %, effective 27 %; 23 % limited by shell"
    )
    assert said({**each, "known": 0, "why": {}}) == "browser: set 50 %, no sandbox lives"
