"""Websockets whose client closes while something is being sent to it."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from crossfade.results import StreamEnd
from router.front.daytona.routes import match
from router.front.daytona.sockets import serve_socket
from router.front.daytona.translate import asking_of
from tests.front.daytona.serving import ScriptedBackend, ScriptedChannel

Message = MutableMapping[str, Any]


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("/toolbox/s/process/pty/p/connect", "pty.connect"),
        ("/toolbox/s/process/session/a/command/c/logs", "session.follow"),
    ],
)
async def test_a_client_that_closed_already_is_no_defect_of_ours(path: str, operation: str) -> None:
    scope = {"type": "websocket", "path": path, "headers": [(b"host", b"h")], "query_string": b"follow=true"}
    route = match("GET", path, websocket=True)
    assert route is not None

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        # What uvicorn says of everything that comes after the client's close.
        if message["type"] != "websocket.accept":
            raise RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.")

    backend = ScriptedBackend(channels={operation: ScriptedChannel([b"one"], StreamEnd(exit_code=0))})
    outcome = await serve_socket(backend, asking_of(route, scope, "http://h"), scope, receive, send)

    assert outcome.ok
