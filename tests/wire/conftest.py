"""The Upstream port's implementations, one after the other."""

from collections.abc import AsyncIterator

import pytest

from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream
from tests.wire.upstreams import HANDSHAKE_SECONDS, UPSTREAMS


@pytest.fixture
def counted() -> list[tuple[Origin, Purpose]]:
    """Every request that the upstream says it sent."""
    return []


@pytest.fixture(params=UPSTREAMS.values(), ids=UPSTREAMS)
async def upstream(request: pytest.FixtureRequest, counted: list[tuple[Origin, Purpose]]) -> AsyncIterator[Upstream]:
    def count(origin: Origin, purpose: Purpose) -> None:
        counted.append((origin, purpose))

    async with request.param(count=count, handshake_seconds=HANDSHAKE_SECONDS) as upstream:
        yield upstream
