"""A running router as its operators see it: ready whatever new does, and gone without a loss when it is told to."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from demo.programs import Program, crossfade
from tests.journeys.stack import KEY, settings
from tests.telemetry.telemetry_examples import attributes, collecting

PATIENCE = 20.0  # a deadline, never a pause
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NOBODY = "http://127.0.0.1:9"


@dataclass(eq=False)
class Running:
    """A router before one embedded backend."""

    old: Program
    router: Program
    config: Path
    client: httpx2.AsyncClient
    admin: httpx2.AsyncClient

    async def sandbox(self) -> str:
        created = await self.client.post("/api/sandbox", json={})
        assert created.status_code < 300, created.text
        return str(created.json()["id"])

    async def in_flight(self) -> bool:
        lines = (await self.admin.get("/metrics")).text.splitlines()
        return "crossfade_calls_in_flight 1.0" in lines


@contextlib.asynccontextmanager
async def running(directory: Path, extra: str = "") -> AsyncIterator[Running]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        admin = probe.getsockname()[1]
    words = ["sandbox", "--api", "daytona", "--port", "0", "--key", KEY, "--dir", str(directory / "old")]
    config = directory / "crossfade.toml"
    async with contextlib.AsyncExitStack() as started:
        old = await started.enter_async_context(Program("old", words, directory))
        config.write_text(settings(directory, old.url, NOBODY, admin, extra))
        router = await started.enter_async_context(Program("router", ["serve", "--config", str(config)], directory))
        headers = {"Authorization": f"Bearer {KEY}"}
        client = httpx2.AsyncClient(base_url=router.url, headers=headers, timeout=PATIENCE, trust_env=False)
        watching = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{admin}", timeout=PATIENCE, trust_env=False)
        await started.enter_async_context(client)
        await started.enter_async_context(watching)
        yield Running(old, router, config, client, watching)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.02)


async def test_a_router_is_ready_and_answers_while_new_cannot_be_reached(tmp_path: Path) -> None:
    async with running(tmp_path, '[telemetry]\notlp_endpoint = "http://127.0.0.1:9"') as stack:
        code, _, problems = await crossfade(
            "flags", "set", "files", "live", "--reason", "test", "--yes", "--config", str(stack.config)
        )
        sandbox = await stack.sandbox()
        listed = await stack.client.get(f"/toolbox/{sandbox}/files", params={"path": "/workspace"})
        ready = await stack.admin.get("/readyz")

    assert code == 0, problems
    assert (ready.status_code, listed.status_code) == (200, 200)


async def test_a_router_that_is_stopped_finishes_its_calls_and_hands_over_records_and_spans(tmp_path: Path) -> None:
    with collecting() as collector:
        async with running(tmp_path, f'[telemetry]\notlp_endpoint = "{collector.url}"') as stack:
            sandbox = await stack.sandbox()
            waiting = {"command": "while [ ! -e /workspace/go ]; do sleep 0.02; done; echo gone", "timeout": 30}
            traced = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            call = asyncio.ensure_future(
                stack.client.post(f"/toolbox/{sandbox}/process/execute", json=waiting, headers=traced)
            )
            await until(stack.in_flight)

            assert stack.router.process is not None
            stack.router.process.send_signal(signal.SIGTERM)
            await until(lambda: _draining(stack))
            alive = await stack.admin.get("/livez")
            await until(lambda: _refused(stack.router.url))
            await _release(stack, sandbox)
            answer = await call
            code = await stack.router.stop()

            _, printed, _ = await crossfade("calls", "tail", "--json", "--config", str(stack.config))

    assert (answer.status_code, answer.json()["result"].strip()) == (200, "gone")
    assert (alive.status_code, code) == (200, 0)
    assert "Traceback" not in stack.router.log.read_text()
    recorded = {each["id"]: each for each in map(json.loads, printed.splitlines())}
    spans = {attributes(span)["crossfade.call"]: span for span in collector.spans}
    assert set(recorded) == set(spans) and len(recorded) >= 2
    executed = spans[answer.headers["X-Crossfade-Call"]]
    assert (executed.trace_id.hex(), executed.parent_span_id.hex()) == (TRACE, PARENT)
    assert attributes(executed)["crossfade.operation"] == "process.exec"
    sent = str(collector.traces) + str(collector.metrics)
    assert KEY not in sent and "echo gone" not in sent


async def _draining(stack: Running) -> bool:
    answer = await stack.admin.get("/readyz")
    return answer.status_code == 503 and answer.json()["reasons"] == ["draining"]


async def _refused(url: str) -> bool:
    """Whether new connections are: the listener closes a moment after readiness has fallen."""
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE) as late:
            await late.get(f"{url}/api/sandbox")
    except httpx2.ConnectError:
        return True
    except httpx2.TransportError:
        return False
    return False


async def _release(stack: Running, sandbox: str) -> None:
    async with httpx2.AsyncClient(base_url=stack.old.url, trust_env=False, timeout=PATIENCE) as direct:
        answer = await direct.post(
            f"/toolbox/{sandbox}/process/execute",
            json={"command": "touch /workspace/go"},
            headers={"Authorization": f"Bearer {KEY}"},
        )
    assert answer.json()["exitCode"] == 0, answer.text
