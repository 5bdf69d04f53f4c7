"""Factories of backends for the shared contract: one entry per provider.

To join, add an entry: a function that takes a directory and returns an async context manager yielding a Backend.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from crossfade.operation import Operation
from crossfade.ports import Backend
from router.backends.local.backend import LocalBackend
from router.backends.local.sandboxes import LocalSandboxes
from tests.backends.asking import Asking

Factory = Callable[[Path], AbstractAsyncContextManager[Backend]]


@asynccontextmanager
async def local(directory: Path, view: bool | None) -> AsyncIterator[Backend]:
    sandboxes = LocalSandboxes(directory, view=view)
    await sandboxes.open()
    backend = LocalBackend(sandboxes)
    try:
        yield backend
    finally:
        await backend.close()
        await sandboxes.close()


FACTORIES: dict[str, Factory] = {
    "local": lambda directory: local(directory, None),
    "local-without-view": lambda directory: local(directory, False),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=FACTORIES.values(), ids=FACTORIES.keys())
async def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backend]:
    """One provider, for a whole module: every test brings its own sandbox."""
    async with request.param(tmp_path_factory.mktemp("backend")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def box(backend: Backend) -> AsyncIterator[Asking]:
    """A fresh sandbox, and short ways to ask for things in it."""
    created = await backend.perform(Operation(name="sandbox.create", arguments={"env": {"MADE": "with this"}}))
    assert created.ok, created
    yield Asking(backend, created.value.id)
    await backend.perform(Operation(name="sandbox.delete", sandbox=created.value.id))
