"""Embedded sandboxes for tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from crossfade.operation import Operation
from router.backends.local.backend import LocalBackend
from router.backends.local.sandboxes import LocalSandboxes
from tests.backends.asking import Asking


@pytest_asyncio.fixture
async def limited(tmp_path: Path) -> AsyncIterator[LocalSandboxes]:
    """Sandboxes of at most a megabyte."""
    sandboxes = LocalSandboxes(tmp_path, disk_limit=1_000_000)
    await sandboxes.open()
    yield sandboxes
    await sandboxes.close()


@pytest_asyncio.fixture
async def asking(limited: LocalSandboxes) -> AsyncIterator[Asking]:
    """One sandbox behind the backend."""
    backend = LocalBackend(limited)
    made = await backend.perform(Operation(name="sandbox.create"))
    yield Asking(backend, made.value.id)
    await backend.close()
