"""The fence of a twin whose sandbox is being paused or stopped: calls wait until it is lifted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.twins.state import Twin


@asynccontextmanager
async def fenced(twin: Twin, seconds: float | None = None) -> AsyncIterator[None]:
    """Calls wait meanwhile, each as long as `seconds`; None: as long as at a move. There must be no other fence."""
    twin.fence, twin.fence_seconds = asyncio.Event(), seconds
    try:
        yield
    finally:
        twin.fence.set()
        twin.fence, twin.fence_seconds = None, None
