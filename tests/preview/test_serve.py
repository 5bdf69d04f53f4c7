"""`crossfade serve` with previews set: the program itself, stopped and started."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import websockets

from demo.programs import Program
from tests.preview.rig import DOMAIN, KEY, free_port, origins

INSIDE = """
cd /workspace; echo from inside > page.txt; setsid python3 -m http.server {port} > /dev/null 2>&1 < /dev/null &
for i in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && exit 0; sleep 0.1; done; exit 1
"""


async def test_a_link_outlives_the_router_that_handed_it_out(tmp_path: Path) -> None:
    port = free_port()
    async with _serving(tmp_path) as router:
        link = await _link(router.url, port)
        first = await _look(router.url, link)
        await router.stop()
        await router.start()
        again = await _look(router.url, link)

    assert link["url"] == f"http://{port}-{link['sandboxId']}.{DOMAIN}"
    assert first == again == ("from inside\n", 401, 404, 404)


@pytest.mark.full
async def test_a_gigabyte_passes_without_memory_and_waits_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    size = 1 << 30
    port = free_port()
    async with _serving(tmp_path) as router:
        link = await _link(router.url, port)
        await _run(router.url, link["sandboxId"], f"truncate -s {size} /workspace/big")
        headers = {"Host": link["url"].removeprefix("http://"), "X-Daytona-Preview-Token": link["token"]}
        await _look(router.url, link)
        before = _memory(router)
        async with (
            httpx2.AsyncClient(base_url=router.url, trust_env=False, timeout=120) as client,
            client.stream("GET", "/big", headers=headers) as answer,
        ):
            pieces = answer.aiter_raw()
            read = len(await anext(pieces))
            await asyncio.sleep(3)  # the client stands still: what is not read stays in the sandbox
            standing = _memory(router)
            async for piece in pieces:
                read += len(piece)
        after = _memory(router)

    assert read == size
    assert max(standing, after) - before < 64 * 1024**2


@contextlib.asynccontextmanager
async def _serving(directory: Path) -> AsyncIterator[Program]:
    """`crossfade serve` before both embedded servers."""
    config = directory / "crossfade.toml"
    async with origins(directory) as (old, new):
        config.write_text(
            f"""
            [listen]
            api = "127.0.0.1:0"
            admin = "127.0.0.1:{free_port()}"
            [origins.old]
            url = "{old.url}/api"
            key = "{KEY}"
            [origins.new]
            url = "{new.url}"
            sandbox_url = "{new.url}"
            key = "{KEY}"
            templates = {{ "*" = "base" }}
            [preview]
            domain = "{DOMAIN}"
            scheme = "http"
            [store]
            url = "sqlite:///{directory / "crossfade.db"}"
            """
        )
        async with Program("router", ["serve", "--config", str(config)], directory) as router:
            yield router


def _memory(program: Program) -> int:
    """The most bytes that the program has held so far."""
    assert program.process is not None
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


async def _link(url: str, port: int) -> dict[str, str]:
    """A sandbox with a server inside, and the link to it."""
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        box = (await client.post("/api/sandbox", json={"snapshot": "s"})).json()["id"]
        await _run(url, box, INSIDE.format(port=port))
        link: dict[str, str] = (await client.get(f"/api/sandbox/{box}/ports/{port}/preview-url")).json()
        return link


async def _run(url: str, box: str, command: str) -> None:
    async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as client:
        ran = await client.post(f"/toolbox/{box}/process/execute", json={"command": command, "timeout": 30})
        assert ran.json()["exitCode"] == 0, ran.text


async def _look(url: str, link: dict[str, str]) -> tuple[str, int, int, int]:
    """The page; then without a right, at an unknown sandbox, and for a websocket at an unknown one."""
    host = link["url"].removeprefix("http://")
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        token = {"X-Daytona-Preview-Token": link["token"]}
        page = await client.get("/page.txt", headers={"Host": host, **token})
        closed = await client.get("/page.txt", headers={"Host": host})
        # A path of the API, on a host that is not the API's: the relay before the application must leave it alone.
        unknown = await client.get("/toolbox/x/files", headers={"Host": f"8080-unknown.{DOMAIN}", **token})
    try:
        ip, port = url.removeprefix("http://").split(":")
        await websockets.connect(f"ws://8080-unknown.{DOMAIN}/", host=ip, port=int(port), proxy=None)
        refused = 101
    except websockets.InvalidStatus as error:
        refused = error.response.status_code
    return page.text, closed.status_code, unknown.status_code, refused
