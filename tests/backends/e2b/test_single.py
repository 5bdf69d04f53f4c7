"""One request by hand means what `perform` says it means, or leaves it to that."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router.backends.e2b.backend import E2BBackend
from router.backends.local.sandboxes import LocalSandboxes
from router.compare.capture import captured, digest_of
from router.front.e2b.app import e2b_app
from router.wire.http1 import Framing, Lost, Pools
from router.wire.http1.client import Http1Upstream
from tests.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")
PREPARE = """mkdir -p d/sub 'odd name' && printf abc >d/a && printf '' >d/empty && ln -s a d/link && ln -s none d/broken
printf x >"d/ä b" && chmod 640 d/a && touch -d '2024-02-03 04:05:06.123456789Z' d/a"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[E2BBackend, Pools, str]]:
    directory: Path = tmp_path_factory.mktemp("single")
    sandboxes = LocalSandboxes(directory)
    await sandboxes.open()
    async with serving(e2b_app(sandboxes, keys=["key"])) as url, Http1Upstream() as upstream, Pools() as pools:
        backend = E2BBackend(
            upstream, api_url=url, sandbox_url=url, domain="sandbox.test", key="key", templates={"*": "base"},
            origin=Origin.NEW,
        )  # fmt: skip
        created = await backend.perform(Operation(name="sandbox.create"))
        id = created.value.id
        done = await backend.perform(Operation(name="process.exec", sandbox=id, arguments={"command": PREPARE}))
        assert done.value.exit_code == 0, done.value.output
        yield backend, pools, id
    await sandboxes.close()


class Collected:
    """An exchange that keeps the answer."""

    def __init__(self) -> None:
        self.status, self.body = 0, b""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_head(self, status: int, reason: bytes, headers: Any, framing: Framing, /) -> None:
        self.status = status

    def on_body(self, data: bytes, /) -> None:
        self.body += data

    def on_end(self) -> None:
        self.over.set_result(None)

    def on_lost(self, lost: Lost, /) -> None:
        self.over.set_exception(AssertionError(str(lost)))

    def on_paused(self) -> None: ...

    def on_resumed(self) -> None: ...


async def by_hand(backend: E2BBackend, pools: Pools, operation: Operation) -> Outcome | None:
    asked = backend.single(operation, Purpose.MIRROR)
    assert asked is not None
    collected = Collected()
    pools.get(asked.base).start(collected, asked.head + b"\r\n", asked.body)
    await collected.over
    return asked.decode(collected.status, collected.body)


@pytest.mark.parametrize(
    ("name", "path", "settled"),
    [
        ("fs.info", "d/a", True),
        ("fs.info", "d", True),
        ("fs.info", "/workspace/d/../d/a", True),
        ("fs.info", "d/ä b", True),
        ("fs.info", "d/link", False),
        ("fs.info", "d/broken", False),
        ("fs.info", "nothing", True),
        ("fs.list", "d/sub", True),
        ("fs.list", "", False),
        ("fs.list", "d", False),
        ("fs.list", "nothing", True),
        ("fs.list", "d/a", False),
        ("fs.download", "d/a", True),
        ("fs.download", "d/empty", True),
        ("fs.download", "d/ä b", True),
        ("fs.download", "d/link", True),
        ("fs.download", "nothing", False),
        ("fs.download", "d", False),
    ],
)
async def test_same_meaning(asking: tuple[E2BBackend, Pools, str], name: str, path: str, settled: bool) -> None:
    backend, pools, id = asking
    operation = Operation(name=name, sandbox=id, arguments={"path": path})
    alone = await by_hand(backend, pools, operation)
    performed = await captured(await backend.perform(operation, Purpose.MIRROR))
    if alone is None:
        assert not settled
        return
    value = digest_of(alone.value) if isinstance(alone.value, bytes) else alone.value
    assert not isinstance(performed.value, Content)
    assert replace(alone, value=value) == replace(performed, origin=None, seconds=0.0)
    assert settled or name == "fs.list"


@pytest.mark.parametrize("name", ["fs.upload", "fs.mkdir", "fs.find", "process.exec", "session.logs", "sandbox.get"])
async def test_what_needs_more_than_one_request_is_left_to_perform(
    asking: tuple[E2BBackend, Pools, str], name: str
) -> None:
    backend, _, id = asking
    assert backend.single(Operation(name=name, sandbox=id, arguments={"path": "x"}), Purpose.MIRROR) is None


async def test_sandbox_that_was_never_asked_about_is_left_to_perform(
    asking: tuple[E2BBackend, Pools, str],
) -> None:
    backend = asking[0]
    assert backend.single(Operation(name="fs.info", sandbox="i0", arguments={"path": "x"}), Purpose.MIRROR) is None


@pytest.mark.parametrize(("status", "body"), [(200, b"no json"), (401, b"{}"), (502, b"sandbox not found"), (500, b"")])
async def test_answers_that_need_thought_are_left_to_perform(
    asking: tuple[E2BBackend, Pools, str], status: int, body: bytes
) -> None:
    backend, _, id = asking
    for name in ("fs.info", "fs.list"):
        asked = backend.single(Operation(name=name, sandbox=id, arguments={"path": "x"}), Purpose.MIRROR)
        assert asked is not None and asked.decode(status, body) is None
