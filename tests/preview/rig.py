"""A router with preview links before two embedded servers, on sockets; real HTTP and websocket servers in sandboxes."""

import asyncio
import contextlib
import io
import json
import socket
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import websockets

from crossfade.operation import Operation
from crossfade.results import ExecResult
from crossfade.stage import Origin
from demo.programs import Program
from router.app import App, assembled
from router.engine.fast import refusal
from router.flags import schema
from router.listeners import listener, started
from router.settings import Settings, parse
from router.store.flags import open_flag_rows
from router.twins.state import Twin
from router.wire.inbound.protocol import relaying

KEY = "rig-key"
DOMAIN = "preview.test"
PROCESS_TOOLS = ("shell", "browser", "expose", "presentation", "kb", "other")
_INSIDE = Path(__file__).with_name("inside.py")


@dataclass(eq=False)
class Rig:
    """The programs, and a router in this process."""

    old: Program
    new: Program
    app: App
    url: str  # of the router
    config: Settings

    @property
    def authority(self) -> str:
        return self.url.removeprefix("http://")

    @contextlib.asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A client on the router, with the key unless headers say otherwise."""
        given = {"Authorization": f"Bearer {KEY}", **headers}
        given = {name: value for name, value in given.items() if value}
        async with httpx2.AsyncClient(base_url=self.url, headers=given, timeout=30, trust_env=False) as client:
            yield client

    async def create(self, *, public: bool = False) -> "Box":
        """A new sandbox."""
        async with self.client() as client:
            body = {"snapshot": "s", "labels": {}, "public": public}
            answer = await client.post("/api/sandbox", json=body, headers={"X-Daytona-SDK-Version": "0.115.0"})
            assert answer.status_code == 200, answer.text
        return Box(self, str(answer.json()["id"]))

    async def get(self, host: str, target: str = "/", **rest: Any) -> httpx2.Response:
        return await self.send("GET", host, target, **rest)

    async def send(self, method: str, host: str, target: str = "/", **rest: Any) -> httpx2.Response:
        """A request to the router under another host name, without any key."""
        headers = {"Host": host, **rest.pop("headers", {})}
        async with self.client(Authorization="") as client:
            return await client.request(method, target, headers=headers, **rest)

    def sent(self, origin: Origin, purpose: str) -> int:
        """Requests sent to an origin, as the metrics count them."""
        text = self.app.telemetry.exposition().decode()
        name = f'crossfade_upstream_requests_total{{origin="{origin}",purpose="{purpose}"}}'
        return sum(int(float(line.split()[-1])) for line in text.splitlines() if line.startswith(name))

    def socket(self, host: str, target: str = "/", **rest: Any) -> Any:
        """A websocket to the router under another host name: websockets connects here, and says that name."""
        ip, port = self.authority.split(":")
        return websockets.connect(f"ws://{host}{target}", host=ip, port=int(port), proxy=None, max_size=None, **rest)


@dataclass(eq=False)
class Box:
    """A sandbox behind the router."""

    rig: Rig
    id: str
    port: int = field(default_factory=lambda: free_port())
    ws_port: int = field(default_factory=lambda: free_port())

    @property
    def twin(self) -> Twin:
        twin = self.rig.app.registry.get(self.id)
        assert twin is not None
        return twin

    @property
    def host(self) -> str:
        """Of its HTTP server."""
        return f"{self.port}-{self.id}.{DOMAIN}"

    @property
    def ws_host(self) -> str:
        """Of its websocket server."""
        return f"{self.ws_port}-{self.id}.{DOMAIN}"

    async def link(self, port: int = 0, **headers: str) -> dict[str, Any]:
        """What the control plane hands out for a port."""
        async with self.rig.client(**headers) as client:
            answer = await client.get(f"/api/sandbox/{self.id}/ports/{port or self.port}/preview-url")
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

    async def joined(self) -> None:
        """Returns once the follower is there."""
        async with asyncio.timeout(30):
            while not self.twin.joined:
                await asyncio.sleep(0.02)

    async def seat(self, origin: Origin) -> None:
        """Move the seat, as its commit point does."""
        await self.rig.app.registry.change(self.twin, seat=origin, epoch=self.twin.row.epoch + 1)

    async def run(self, origin: Origin, command: str) -> str:
        """Run a command on one side, whichever has the seat."""
        there = self.twin.row.ids[origin] if self.rig.app.registry.get(self.id) else self.id
        operation = Operation(name="process.exec", sandbox=there, arguments={"command": command, "timeout": 30})
        outcome = await self.rig.app.sides.backends[origin].perform(operation)
        assert isinstance(outcome.value, ExecResult), outcome
        assert outcome.value.exit_code == 0, outcome.value
        return outcome.value.output.decode()

    async def serve(self, origin: Origin, name: str) -> None:
        """Start the test's server on one side, on its two ports; outside the roots, or a settle would take it away."""
        there = self.twin.row.ids[origin] if self.rig.app.registry.get(self.id) else self.id
        for path, data in (("/tmp/inside.py", _INSIDE.read_bytes()), ("/tmp/lib.zip", _library())):
            put = Operation(name="fs.upload", sandbox=there, arguments={"path": path}, body=data)
            assert (await self.rig.app.sides.backends[origin].perform(put)).ok
        await self.run(
            origin,
            "cd /tmp; PYTHONPATH=/tmp/lib.zip setsid "
            f"python3 inside.py {name} {self.port} {self.ws_port} > inside.log 2>&1 < /dev/null & "
            f"for port in {self.port} {self.ws_port}; do for i in $(seq 200); do "
            "if (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; then continue 2; fi; sleep 0.1; done; "
            "cat /tmp/inside.log; exit 1; done",
        )

    async def end(self, origin: Origin) -> None:
        """End the server of one side."""
        words = f"[i]nside.py [a-z]* {self.port}"
        await self.run(origin, f"pkill -f '{words}'; while pgrep -f '{words}' > /dev/null; do sleep 0.05; done")

    async def token(self) -> dict[str, str]:
        """The header that lets in."""
        return {"X-Daytona-Preview-Token": (await self.link())["token"]}

    async def get(self, target: str = "/", **rest: Any) -> httpx2.Response:
        """A GET of its HTTP server, with the token."""
        return await self.send("GET", target, **rest)

    async def send(self, method: str, target: str = "/", **rest: Any) -> httpx2.Response:
        headers = {**await self.token(), **rest.pop("headers", {})}
        return await self.rig.send(method, self.host, target, headers=headers, **rest)

    async def seen(self, target: str = "/", **rest: Any) -> dict[str, Any]:
        """What the server inside saw of a GET."""
        answer = await self.get(target, **rest)
        assert answer.status_code == 200, answer.text
        return told(answer.content)


def told(said: str | bytes) -> dict[str, Any]:
    """What the server inside says of a request: name, target, headers, and `fields` by lower-case name."""
    found: dict[str, Any] = json.loads(said)
    found["fields"] = {name.lower(): value for name, value in found["headers"]}
    return found


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _library() -> bytes:
    """The websockets package as a zip: sandboxes do not see this machine's packages."""
    root = Path(websockets.__file__).parent
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path in root.rglob("*.py"):
            archive.write(path, Path("websockets") / path.relative_to(root))
    return target.getvalue()


def settings(directory: Path, old: str, new: str, extra: str = "") -> Settings:
    """The router's settings: previews by host and by path."""
    return parse(
        f"""\
[listen]
api = "127.0.0.1:0"
[origins.old]
url = "{old}/api"
key = "{KEY}"
[origins.new]
url = "{new}"
sandbox_url = "{new}"
key = "{KEY}"
templates = {{ "*" = "base" }}
[mirror]
system_roots = []
eligible_orgs = ["*"]
settle_seconds = 0.2
[preview]
domain = "{DOMAIN}"
scheme = "http"
path = "/preview"
{extra}
[store]
url = "sqlite:///{directory / "crossfade.db"}"
""",
        "rig.toml",
    )


@contextlib.asynccontextmanager
async def origins(directory: Path) -> AsyncIterator[tuple[Program, Program]]:
    """Both embedded servers."""
    words = ["--port", "0", "--key", KEY]
    old = Program("old", ["sandbox", "--api", "daytona", *words, "--dir", str(directory / "old")], directory)
    new = Program("new", ["sandbox", "--api", "e2b", *words, "--dir", str(directory / "new")], directory)
    async with old, new:
        yield old, new


@contextlib.asynccontextmanager
async def router(
    directory: Path,
    programs: tuple[Program, Program],
    *,
    stage: str = "shadow",
    extra: str = "",
    port: int = 0,
    **change: Any,
) -> AsyncIterator[Rig]:
    """A router before them, in this process, every tool at one stage. `change`: functions of sections of settings."""
    old, new = programs
    given = settings(directory, old.url, new.url, extra)
    given = replace(given, **{name: value(getattr(given, name)) for name, value in change.items()})
    rows = open_flag_rows(given.store.url)
    for tool in (*PROCESS_TOOLS, "files", "upload", "vision", "image", "web"):
        if not rows.read()[1].get(schema.key_of(tool)):
            flag = schema.build(tool, schema.shares(stage), version=1, seed=given.flags.seed, targets={})
            rows.write(flag, author="test", reason="rig", expected_version=None)
    rows.close()
    async with assembled(given) as app:
        async with _served(app, port) as url:
            yield Rig(old, new, app, url, given)
        await app.lanes.stop(2.0)
        await app.keeper.drain(0.1)


@contextlib.asynccontextmanager
async def _served(app: App, port: int) -> AsyncIterator[str]:
    plan = app.preview.before(app.fast.plan) if app.preview else app.fast.plan
    server = listener(app.preview or app.engine, f"127.0.0.1:{port}", "", app.settings, relaying(plan, refusal))
    task = asyncio.create_task(server.serve())
    await started([task], [(server, "")])
    try:
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await task


Until = Callable[[], bool]


async def until(true: Until, seconds: float = 20.0) -> None:
    """Wait for it, with a deadline."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)
