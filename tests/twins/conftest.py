"""Two embedded backends a module, two sandboxes a test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from crossfade.operation import Operation
from crossfade.stage import Origin
from router.backends.local.backend import LocalBackend
from router.backends.local.sandboxes import LocalSandboxes
from router.twins.registry import Registry
from router.twins.settle import Settler
from router.twins.sides import Sides
from tests.backends.asking import Asking
from tests.twins.stand import ROOT, Gate, LoopClock, Rows, Stand, twin_of


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backends(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[Origin, LocalBackend]]:
    """The old and the new origin."""
    opened: dict[Origin, tuple[LocalSandboxes, LocalBackend]] = {}
    for origin in Origin:
        sandboxes = LocalSandboxes(tmp_path_factory.mktemp(str(origin)))
        await sandboxes.open()
        opened[origin] = (sandboxes, LocalBackend(sandboxes, origin=origin))
    yield {origin: backend for origin, (_, backend) in opened.items()}
    for sandboxes, backend in opened.values():
        await backend.close()
        await sandboxes.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stand(backends: dict[Origin, LocalBackend]) -> AsyncIterator[Stand]:
    """A twin in a state nobody has looked at yet: joined, dirty, on the seat old."""
    asking = {}
    for origin, backend in backends.items():
        created = await backend.perform(Operation(name="sandbox.create", arguments={}))
        asking[origin] = Asking(backend, created.value.id)
    gates = {origin: Gate(backend) for origin, backend in backends.items()}
    clock, rows = LoopClock(), Rows()
    sides = Sides(gates, clock)
    registry = Registry(rows, clock, orphan_grace_seconds=60)
    twin = twin_of(asking[Origin.OLD].id, asking[Origin.NEW].id)
    registry.twins[twin.id], rows.rows[twin.id] = twin, twin.row
    yield Stand(
        asking[Origin.OLD], asking[Origin.NEW], gates, clock, sides, Settler(sides, (ROOT,)), registry, rows, twin
    )
    for one in asking.values():
        await one.ask("sandbox.delete")
