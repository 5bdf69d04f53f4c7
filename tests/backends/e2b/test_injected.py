"""Each difference that the embedded front injects shows in the outcome of its one operation, and only where it may."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router.backends.e2b.backend import E2BBackend
from router.backends.local.sandboxes import LocalSandboxes
from router.front.e2b.app import e2b_app
from router.front.e2b.differences import KINDS
from router.front.e2b.inject import Injector
from router.wire.http1.client import Http1Upstream
from tests.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "fs.download": {"path": "/workspace/f"},
    "fs.info": {"path": "/workspace/f"},
    "fs.list": {"path": "/workspace"},
    "fs.mkdir": {"path": "/workspace/new", "mode": "755"},
    "process.exec": {"command": "echo one; echo two"},
    "session.exec": {"session": "s", "command": "echo one; echo two"},
}


class Asked:
    """A sandbox, its server's injector, and what an operation comes to."""

    def __init__(self, backend: E2BBackend, sandbox: str, injector: Injector) -> None:
        self.backend, self.sandbox, self.injector = backend, sandbox, injector

    async def all(self, purpose: Purpose) -> dict[str, Any]:
        """The outcome of each operation, in values that can be compared."""
        return {name: await self.one(name, purpose) for name in ARGUMENTS}

    async def one(self, name: str, purpose: Purpose) -> Any:
        operation = Operation(name=name, sandbox=self.sandbox, arguments=ARGUMENTS[name])
        outcome: Outcome = await self.backend.perform(operation, purpose)
        if name == "fs.mkdir":
            gone = {"path": "/workspace/new", "recursive": True}
            delete = Operation(name="fs.delete", sandbox=self.sandbox, arguments=gone)
            assert (await self.backend.perform(delete, Purpose.KEEPER)).ok  # it was made, whatever was answered
        if not outcome.ok:
            return outcome.status
        match name:
            case "fs.download":
                return b"".join([chunk async for chunk in outcome.value.stream])
            case "fs.list":
                return [each.name for each in outcome.value]
            case "session.exec":
                return replace(outcome.value, command_id="")
            case _:
                return outcome.value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    sandboxes, injector = LocalSandboxes(tmp_path_factory.mktemp("injected")), Injector()
    await sandboxes.open()
    try:
        async with serving(e2b_app(sandboxes, keys=["key"], inject=injector)) as url, Http1Upstream() as upstream:
            backend = E2BBackend(
                upstream, api_url=url, sandbox_url=url, domain="sandbox.test", key="key", templates={"*": "base"},
                origin=Origin.NEW,
            )  # fmt: skip
            id = (await backend.perform(Operation(name="sandbox.create"))).value.id
            upload = Operation(name="fs.upload", sandbox=id, arguments={"path": "/workspace/f"}, body=b"content")
            await backend.perform(upload)
            await backend.perform(Operation(name="session.create", sandbox=id, arguments={"session": "s"}))
            yield Asked(backend, id, injector)
    finally:
        await sandboxes.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_kind_shows_in_its_operation_alone_and_never_in_our_own_work(asked: Asked, kind: str) -> None:
    asked.injector.set({"kinds": []})
    truth = await asked.all(Purpose.MIRROR)

    asked.injector.set({"kinds": [{"kind": kind}]})
    mirrored, settled = await asked.all(Purpose.MIRROR), await asked.all(Purpose.SETTLE)

    assert [name for name in ARGUMENTS if mirrored[name] != truth[name]] == [KINDS[kind].operation]
    assert settled == truth
