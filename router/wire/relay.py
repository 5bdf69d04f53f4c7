"""The relay: an origin's answer passed on as it comes, unmodified, with a capped copy kept where one is asked for."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from crossfade.upstream import Headers, UpstreamResponse
from router.wire import headers as rules

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Relayed:
    """What went by. `body` is None when it was not kept or did not fit."""

    status: int
    headers: Headers = ()
    started: float = 0.0  # perf_counter at the answer's head
    bytes_out: int = 0
    body: bytes | None = None
    complete: bool = False
    parts: list[bytes] = field(default_factory=list)


async def pass_on(
    response: UpstreamResponse, send: Send, *, extra: Headers = (), keep: int = 0, head_only: bool = False
) -> Relayed:
    """Send the answer on while it arrives; keep at most `keep` bytes of it. Raises UpstreamFailed when it is cut."""
    relayed = Relayed(status=response.status, headers=response.headers, started=time.perf_counter())
    outgoing = [*rules.to_client(response.headers), *extra]
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": outgoing})
        keeping = keep > 0
        if not head_only:
            async for chunk in response.chunks():
                relayed.bytes_out += len(chunk)
                if keeping:
                    if relayed.bytes_out <= keep:
                        relayed.parts.append(chunk)
                    else:
                        keeping = False
                        relayed.parts.clear()
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        # A client that went in the middle must not leave the origin talking to nobody.
        await response.close()
    relayed.complete = True
    if keeping:
        relayed.body = b"".join(relayed.parts)
    return relayed
