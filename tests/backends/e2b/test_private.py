"""Private ports: who made them so knows their token, and finds it again after a restart."""

import json
from typing import Any

import pytest

from crossfade.operation import Operation
from crossfade.results import PreviewLink
from router.backends.e2b.backend import E2BBackend
from tests.backends.e2b.scripted import MADE, Answer, Scripted, adapter

LOOK = "GET /sandboxes/isandbox"
CONNECT = "POST /v2/sandboxes/isandbox/connect"
CREATE = "POST /v2/sandboxes"
PRIVATE = {**MADE, "network": {"allowPublicTraffic": False}}


def backend(upstream: Scripted, **settings: Any) -> E2BBackend:
    return adapter(upstream, private_ports=True, **settings)


async def token(it: E2BBackend, **more: Any) -> str:
    asked = Operation(name="sandbox.preview", sandbox="isandbox", arguments={"port": 80, **more})
    outcome = await it.perform(asked)
    assert isinstance(outcome.value, PreviewLink), outcome
    return outcome.value.token


@pytest.mark.parametrize("on", [True, False])
async def test_ports_are_made_private_where_that_is_set(on: bool) -> None:
    upstream = Scripted({CREATE: [Answer(201, {**MADE, "trafficAccessToken": "t"})]})
    it = adapter(upstream, private_ports=on)
    await it.perform(Operation(name="sandbox.create", arguments={"snapshot": "snap"}))

    network = json.loads(upstream.requests[0].body or b"{}")["network"]
    assert network.get("allowPublicTraffic") is (False if on else None)
    assert network["maskRequestHost"]


async def test_the_token_of_a_create_is_kept_and_nothing_is_asked() -> None:
    upstream = Scripted({CREATE: [Answer(201, {**MADE, "trafficAccessToken": "born"})]})
    it = backend(upstream)
    await it.perform(Operation(name="sandbox.create", arguments={"snapshot": "snap"}))

    assert await token(it) == "born"
    assert upstream.sent == [CREATE]


async def test_after_a_restart_it_is_learned_by_a_connect_once() -> None:
    upstream = Scripted({LOOK: [Answer(200, PRIVATE)], CONNECT: [Answer(200, {**MADE, "trafficAccessToken": "again"})]})
    it = backend(upstream)

    assert [await token(it), await token(it)] == ["again", "again"]
    assert upstream.sent.count(CONNECT) == 1


@pytest.mark.parametrize("value", [{**PRIVATE, "state": "paused"}, {**MADE, "network": {"maskRequestHost": "x"}}])
async def test_what_is_paused_is_not_started_by_a_look_and_what_is_public_needs_no_token(value: Any) -> None:
    upstream = Scripted({LOOK: [Answer(200, value)]})

    assert await token(backend(upstream)) == ""
    assert CONNECT not in upstream.sent


async def test_a_token_that_was_refused_is_learned_anew_but_not_all_the_time() -> None:
    upstream = Scripted(
        {
            CREATE: [Answer(201, {**MADE, "trafficAccessToken": "born"})],
            LOOK: [Answer(200, PRIVATE)],
            CONNECT: [Answer(200, {**MADE, "trafficAccessToken": "second"})],
        }
    )
    it = backend(upstream)
    await it.perform(Operation(name="sandbox.create", arguments={"snapshot": "snap"}))
    found = [await token(it, anew=True), await token(it, anew=True), await token(it)]

    assert found == ["second"] * 3
    assert upstream.sent.count(CONNECT) == 1


async def test_a_connect_that_fails_leaves_the_link_without_a_token() -> None:
    upstream = Scripted({LOOK: [Answer(200, PRIVATE)], CONNECT: [Answer(404, {"message": "gone"})]})
    upstream._replies["POST /sandboxes/isandbox/connect"] = [Answer(404, {"message": "gone"})]

    assert await token(backend(upstream)) == ""
