"""The end of a twin's call comes before its client can know the answer whole."""

from typing import Any

import pytest

from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.engine.ending import Ending
from router.twins.admit import Ask, admit
from router.twins.state import Twin


def _twin() -> Twin:
    return Twin(row=TwinRow(id="s", routing_key="k", follower=FollowerState.JOINED), clean_gen=0)


def _start(length: int | None) -> dict[str, Any]:
    headers = [] if length is None else [(b"Content-Length", str(length).encode())]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _body(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.mark.parametrize(
    ("messages", "ends_at"),
    [
        ([_start(4), _body(b"ab"), _body(b"cd"), _body(b"", more=False)], 2),
        ([_start(0), _body(b"", more=False)], 0),
        ([_start(None), _body(b"ab"), _body(b"cd"), _body(b"", more=False)], 3),
        ([_start(None), _body(b"abcd", more=False)], 1),
        ([_start(8), _body(b"ab"), _body(b"", more=False)], 2),
    ],
    ids=["by length", "no body", "chunked", "in one", "cut short"],
)
async def test_the_call_is_over_before_its_last_byte_is_sent(messages: list[dict[str, Any]], ends_at: int) -> None:
    twin = _twin()
    go = admit(twin, Ask(wish=Origin.OLD, paths=frozenset(("/workspace/a",)), mutates=True), now=0.0)
    ending = Ending(twin, go.call)
    open_when_sent: list[bool] = []

    async def send(_message: Any) -> None:
        open_when_sent.append(bool(twin.open))

    sending = ending.before_last(send)
    for message in messages:
        await sending(message)

    assert open_when_sent == [position < ends_at for position in range(len(messages))]


async def test_a_call_is_finished_once() -> None:
    twin = _twin()
    go = admit(twin, Ask(wish=Origin.OLD, mutates=True, unbounded=True), now=0.0)
    ending = Ending(twin, go.call)
    ending.over()
    gen = twin.gen
    ending.over()
    assert twin.gen == gen
