"""A real embedded E2B server on a socket, and a client that speaks to it."""

import json
import struct
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import uvicorn

from router.backends.local.sandboxes import LocalSandboxes
from router.front.e2b.app import e2b_app
from router.front.e2b.inject import Injector

KEY = "test-key"


class Sandbox:
    """One sandbox of the server, reached by headers as the SDK does it."""

    def __init__(self, http: httpx2.AsyncClient, made: dict[str, Any]) -> None:
        self.http, self.made, self.id = http, made, made["sandboxID"]
        self.headers = {"E2b-Sandbox-Id": self.id, "E2b-Sandbox-Port": "49983"}
        if "envdAccessToken" in made:
            self.headers["X-Access-Token"] = made["envdAccessToken"]

    async def send(self, method: str, path: str, **named: Any) -> httpx2.Response:
        headers = {**self.headers, **named.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **named)

    async def call(self, name: str, message: dict[str, Any], **headers: str) -> httpx2.Response:
        """A unary call."""
        content = {"Content-Type": "application/json", "Connect-Protocol-Version": "1", **headers}
        return await self.send("POST", f"/{name}", content=json.dumps(message), headers=content)

    async def events(
        self, name: str, message: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """A server stream: (flags, message) until the connection ends. Frames are decoded here, not by the program."""
        content = {"Content-Type": "application/connect+json", **self.headers, **(headers or {})}
        request = self.http.stream("POST", f"/{name}", content=frame(message), headers=content)
        async with request as answer:
            assert answer.status_code == 200, await answer.aread()
            buffer = b""
            async for chunk in answer.aiter_raw():
                buffer += chunk
                while len(buffer) >= 5 and len(buffer) >= 5 + struct.unpack(">I", buffer[1:5])[0]:
                    size = 5 + struct.unpack(">I", buffer[1:5])[0]
                    yield buffer[0], json.loads(buffer[5:size])
                    buffer = buffer[size:]
        assert buffer == b""

    async def start(self, command: str, headers: dict[str, str] | None = None, **more: Any) -> list[Any]:
        """Run a command to its end: every message."""
        message = {"process": {"cmd": "/bin/bash", "args": ["-c", command]}, "stdin": False, **more}
        return [one async for one in self.events("process.Process/Start", message, headers)]


class Server:
    """The server's address, its registry, its injector."""

    def __init__(self, http: httpx2.AsyncClient, sandboxes: LocalSandboxes, injector: Injector) -> None:
        self.http, self.sandboxes, self.injector = http, sandboxes, injector
        self.url = str(http.base_url)

    async def api(self, method: str, path: str, **named: Any) -> httpx2.Response:
        headers = {"X-API-KEY": KEY, **named.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **named)

    async def create(self, **body: Any) -> Sandbox:
        answer = await self.api("POST", "/v2/sandboxes", json={"templateID": "suna", **body})
        assert answer.status_code == 201, answer.text
        return Sandbox(self.http, answer.json())


def frame(message: dict[str, Any], flags: int = 0) -> bytes:
    body = json.dumps(message).encode()
    return bytes([flags]) + struct.pack(">I", len(body)) + body


@contextmanager
def serving(sandboxes: LocalSandboxes, injector: Injector | None = None) -> Iterator[str]:
    """A real server with a loop of its own, as in life; its address."""
    app = e2b_app(sandboxes, keys=[KEY], inject=injector, templates=["suna", "other"])
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", ws="websockets-sansio", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, LocalSandboxes, Injector]]:
    """One server for all tests."""
    injector, sandboxes = Injector(), LocalSandboxes(tmp_path_factory.mktemp("e2b") / "sandboxes")
    with serving(sandboxes, injector) as url:
        yield url, sandboxes, injector


@pytest.fixture
async def server(running: tuple[str, LocalSandboxes, Injector]) -> AsyncIterator[Server]:
    url, sandboxes, injector = running
    async with httpx2.AsyncClient(base_url=url, timeout=20) as http:
        await http.post("/_crossfade/inject", json={"kinds": [], "delay_seconds": 0, "hang": False, "fail": 0})
        yield Server(http, sandboxes, injector)


@pytest.fixture
async def sandbox(server: Server) -> Sandbox:
    return await server.create(timeout=120)
