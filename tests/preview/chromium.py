"""Chromium, headless, driven over its DevTools protocol."""

import asyncio
import itertools
import json
import re
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import websockets

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """One browser with a profile of its own; ends with the block."""

    def __init__(self, profile: Path) -> None:
        self.profile = profile
        self.address = ""
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        assert PROGRAM is not None
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM, *words, "--remote-debugging-port=0", "--no-proxy-server", f"--user-data-dir={self.profile}",
            "about:blank", stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stderr is not None
        async with asyncio.timeout(60):
            while not (found := re.search(rb"listening on ws://([^/]+)/", await self._process.stderr.readline())):
                assert self._process.returncode is None, "chromium ended"
        self.address = found[1].decode()
        self._rest = asyncio.create_task(self._process.stderr.read())  # or it would stand still once the pipe is full
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        await self._process.wait()
        await self._rest

    async def open(self, url: str) -> "Tab":
        """A tab with this page, loaded."""
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            made = (await client.put(f"http://{self.address}/json/new?about:blank")).json()
        tab = Tab(await websockets.connect(made["webSocketDebuggerUrl"], proxy=None, max_size=None))
        await tab.go(url)
        return tab


class Tab:
    """A page."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def go(self, url: str) -> None:
        """Load a page."""
        await self._call("Page.enable")
        await self._call("Page.navigate", url=url)
        async with asyncio.timeout(30):
            while json.loads(await self._socket.recv()).get("method") != "Page.loadEventFired":
                pass

    async def run(self, script: str) -> Any:
        """The value of an expression in the page, once its promise is kept."""
        async with asyncio.timeout(60):
            got = await self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (said := json.loads(await self._socket.recv())).get("id") != number:
            pass
        assert "error" not in said, said
        found: dict[str, Any] = said["result"]
        return found
