"""A sandbox's way out, over the wire of E2B: denied, opened, denied again; the embedded server tells the truth."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from crossfade.operation import Operation
from crossfade.stage import Origin
from crossfade.upstream import UpstreamRequest
from router.backends.e2b.backend import E2BBackend
from router.backends.local.sandboxes import LocalSandboxes
from router.front.e2b.app import e2b_app
from router.twins.egress import Network
from router.wire.http1.client import Http1Upstream
from tests.backends.asking import Asking
from tests.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Watching(Http1Upstream):
    """An upstream that remembers what it was asked to send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[UpstreamRequest] = []

    async def send(self, request: UpstreamRequest):  # type: ignore[no-untyped-def]
        self.sent.append(request)
        return await super().send(request)


class Served:
    def __init__(self, backend: E2BBackend, upstream: Watching, sandboxes: LocalSandboxes) -> None:
        self.backend, self.upstream, self.sandboxes = backend, upstream, sandboxes

    async def create(self, **arguments: object) -> Asking:
        made = await self.backend.perform(Operation(name="sandbox.create", arguments=arguments))
        assert made.ok, made
        return Asking(self.backend, made.value.id)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[None, False], ids=["as it can", "no view"])
async def served(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    sandboxes = LocalSandboxes(Path(tmp_path_factory.mktemp("served")), view=request.param)
    await sandboxes.open()
    try:
        async with serving(e2b_app(sandboxes, keys=["key"])) as url, Watching() as upstream:
            backend = E2BBackend(
                upstream, api_url=url, sandbox_url=url, domain="sandbox.test", key="key", templates={"*": "base"},
                origin=Origin.NEW,
            )  # fmt: skip
            yield Served(backend, upstream, sandboxes)
    finally:
        await sandboxes.close()


async def test_a_sandbox_is_made_shut_in_let_out_and_shut_in_again(served: Served) -> None:
    network: Network = served.backend
    box = await served.create(internet=False)
    told = [await network.reaches_out(box.id)]
    for on in (True, False):
        assert (await network.let_out(box.id, on)).ok
        told.append(await network.reaches_out(box.id))

    # Without a view nothing keeps its processes in, whatever was asked for, and it says so.
    reaches = not served.sandboxes.has_view
    assert told == [reaches, True, reaches]


async def test_a_sandbox_that_says_nothing_of_it_is_not_known_to_be_shut_in(served: Served) -> None:
    box = await served.create()
    bodies = [request.body or b"" for request in served.upstream.sent if request.target == "/v2/sandboxes"]

    assert b"allow_internet_access" not in bodies[-1]
    assert await served.backend.reaches_out(box.id) is None
    assert await served.backend.reaches_out("none-of-ours") is None
    assert (await served.backend.let_out("none-of-ours", True)).status == 404


async def test_what_was_said_of_the_way_in_stays_when_the_way_out_is_changed(served: Served) -> None:
    box = await served.create(internet=False)
    await served.backend.let_out(box.id, True)
    told = await served.backend.perform(Operation(name="sandbox.get", sandbox=box.id))

    assert told.value.raw["network"] == {"maskRequestHost": "localhost:${PORT}"}


async def test_a_sandbox_that_says_it_is_shut_in_reaches_nobody(served: Served) -> None:
    box = await served.create(internet=False)
    if await served.backend.reaches_out(box.id) is not False:
        return  # tested above: it does not say so
    reached = asyncio.Event()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        await box.ask("process.exec", command=f"exec 3<>/dev/tcp/127.0.0.1/{port}", timeout=10)
        inside = reached.is_set()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        async with asyncio.timeout(10):
            await reached.wait()

    assert not inside
