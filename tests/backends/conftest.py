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
from crossfade.stage import Origin
from router.backends.daytona.backend import DaytonaBackend
from router.backends.e2b.backend import E2BBackend
from router.backends.local.backend import LocalBackend
from router.backends.local.sandboxes import LocalSandboxes
from router.front.daytona.app import daytona_app
from router.front.e2b.app import e2b_app
from router.wire.http1.client import Http1Upstream
from tests import services
from tests.backends.asking import Asking
from tests.serving import serving

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


@asynccontextmanager
async def e2b(directory: Path) -> AsyncIterator[Backend]:
    """The E2B adapter against the embedded E2B front, over a socket."""
    sandboxes = LocalSandboxes(directory)
    await sandboxes.open()
    try:
        async with serving(e2b_app(sandboxes, keys=["key"])) as url, Http1Upstream() as upstream:
            yield E2BBackend(
                upstream, api_url=url, sandbox_url=url, domain="sandbox.test", key="key", templates={"*": "base"},
                origin=Origin.NEW,
            )  # fmt: skip
    finally:
        await sandboxes.close()


@asynccontextmanager
async def daytona(directory: Path) -> AsyncIterator[Backend]:
    """The Daytona adapter against the embedded Daytona front, over a socket."""
    async with (
        local(directory, None) as backend,
        serving(daytona_app(backend, keys=["key"])) as url,
        Http1Upstream() as upstream,
    ):
        yield DaytonaBackend(upstream, base=f"{url}/api", key="key", origin=Origin.OLD)


FACTORIES: dict[str, Factory] = {
    "local": lambda directory: local(directory, None),
    "local-without-view": lambda directory: local(directory, False),
    "daytona": daytona,
    "e2b": e2b,
}


# Real services, where the environment names them.


@asynccontextmanager
async def real_daytona(_directory: Path) -> AsyncIterator[Backend]:
    account = services.daytona()
    assert account is not None
    async with Http1Upstream() as upstream:
        yield DaytonaBackend(upstream, base=account.url, key=account.key, origin=Origin.OLD)


@asynccontextmanager
async def real_e2b(_directory: Path) -> AsyncIterator[Backend]:
    account = services.e2b()
    assert account is not None
    async with Http1Upstream() as upstream:
        yield E2BBackend(
            upstream, api_url=account.url or f"https://api.{account.domain}", sandbox_url=account.sandbox_url or None,
            domain=account.domain, key=account.key, templates={"*": account.template}, origin=Origin.NEW,
        )  # fmt: skip


@asynccontextmanager
async def real_envd(directory: Path) -> AsyncIterator[Backend]:
    """A real envd behind an embedded control plane: what runs in the sandbox is the service's own."""
    sandboxes = LocalSandboxes(directory)
    await sandboxes.open()
    try:
        async with serving(e2b_app(sandboxes, keys=["key"])) as url, Http1Upstream() as upstream:
            yield E2BBackend(
                upstream, api_url=url, sandbox_url=services.envd(), domain="sandbox.test", key="key",
                templates={"*": "base"}, origin=Origin.NEW,
            )  # fmt: skip
    finally:
        await sandboxes.close()


for _name, _named, _factory in (
    ("daytona-service", services.daytona(), real_daytona),
    ("e2b-service", services.e2b(), real_e2b),
    ("envd-service", services.envd(), real_envd),
):
    if _named:
        FACTORIES[_name] = _factory


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
