"""Requests to origins, timed on their way through."""

import time
from collections.abc import Callable, Sequence

from crossfade.upstream import (
    Upstream,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
)

# The request, the answer's status (0: there was none), seconds to the answer's head, what went wrong instead of one.
Timed = Callable[[UpstreamRequest, int, float, str], None]
UNREACHABLE = "unreachable"  # no byte of the request left
LOST = "lost"  # sent, not answered
SWITCHED = 101


class TimedUpstream:
    """Another Upstream, with every request told to `timed` once its answer's head is there, or will never be.

    A request that is called off (its client went away) is told to nobody: its time says nothing of the origin.
    """

    def __init__(self, upstream: Upstream, timed: Timed) -> None:
        self._upstream = upstream
        self._timed = timed

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """As the other's. Raises UpstreamFailed."""
        started = time.perf_counter()
        try:
            response = await self._upstream.send(request)
        except UpstreamFailed as error:
            self._timed(request, 0, time.perf_counter() - started, LOST if error.sent else UNREACHABLE)
            raise
        self._timed(request, response.status, time.perf_counter() - started, "")
        return response

    async def websocket(self, request: UpstreamRequest, subprotocols: Sequence[str] = ()) -> UpstreamSocket:
        """As the other's. Raises UpstreamFailed or UpstreamRefused."""
        started = time.perf_counter()
        try:
            socket = await self._upstream.websocket(request, subprotocols)
        except UpstreamRefused as refused:
            self._timed(request, refused.status, time.perf_counter() - started, "")
            raise
        except UpstreamFailed as error:
            self._timed(request, 0, time.perf_counter() - started, LOST if error.sent else UNREACHABLE)
            raise
        self._timed(request, SWITCHED, time.perf_counter() - started, "")
        return socket
