"""Every implementation of the Upstream port; all pass the same contract (test_client_*.py)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from crossfade.stage import Origin
from crossfade.upstream import Headers, Purpose, Upstream, UpstreamRequest
from router.wire.http1.client import Http1Upstream

# Name -> something to enter, made with `count` (who hears of each request sent) and `handshake_seconds`.
UPSTREAMS: dict[str, Callable[..., AbstractAsyncContextManager[Upstream]]] = {
    "http1": Http1Upstream,
}
HANDSHAKE_SECONDS = 0.5  # in tests


def asked(base: str, target: str = "/", *, method: str = "GET", headers: Headers = (), **more: Any) -> UpstreamRequest:
    """A request to the old origin."""
    return UpstreamRequest(
        origin=Origin.OLD,
        purpose=Purpose.ANSWER,
        method=method,
        base=base,
        target=target,
        headers=headers,
        **more,
    )
