"""One rig for a module, and a sandbox on either seat with a server inside."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from crossfade.stage import Origin
from tests.preview.rig import Box, Rig, origins, router


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    directory = tmp_path_factory.mktemp("rig")
    async with origins(directory) as programs, router(directory, programs) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(Origin))
async def box(rig: Rig, request: pytest.FixtureRequest) -> Box:
    """A private sandbox whose seat is on old, or on new; its server says which."""
    made = await rig.create()
    await made.joined()
    await made.serve(request.param, str(request.param))
    if request.param is Origin.NEW:
        await made.seat(Origin.NEW)
    return made
