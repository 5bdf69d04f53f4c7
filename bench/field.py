"""The field: origins, peers and routers, started when they are first asked for and ended together."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from bench import certificates, nginx
from bench.peers import envoy, others
from bench.peers import nginx as peer
from bench.programs import Missing, Server, free_port
from bench.router import Router
from bench.work import Ask, write_requests

T = TypeVar("T")
RELAYS = ("direct", "nginx split", "envoy weighted", "haproxy", "mitmproxy", "naive", "crossfade relay")
MIRRORS = ("nginx mirror", "envoy mirror", "crossfade mirror")
PLAIN_SANDBOXES = 1_000


@dataclass(eq=False)
class Target:
    """Something to send calls to. `pid` 0: nothing stands between client and origin."""

    name: str
    url: str
    pid: int
    sandboxes: list[str]
    router: Router | None = None
    requests: dict[tuple[Ask, ...], Path] = field(default_factory=dict)
    turn: int = 0


@dataclass(eq=False)
class Field:
    """Everything that runs. Asking for a target that cannot be had gives None, and its reason is kept."""

    twins: int = 256
    missing: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    old: int = field(default_factory=free_port)
    old_tls: int = field(default_factory=free_port)
    new: int = field(default_factory=free_port)
    echo: int = field(default_factory=free_port)

    _certifying: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        self._stack = await contextlib.AsyncExitStack().__aenter__()
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="crossfade-bench-")))
        self.files = self.directory / "files"
        self.files.mkdir()
        nginx.write_files(self.files, huge=True)
        await self.start(nginx.old_origin(self.directory, self.old, self.files, echo=self.echo))
        await self.start(nginx.new_origin(self.directory, self.new, self.files))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self, server: Server) -> Server:
        """Start it now, end it with everything else."""
        return await self.enter(server)

    async def enter(self, program: AbstractAsyncContextManager[T]) -> T:
        """The same for anything that is started by being entered."""
        return await self._stack.enter_async_context(program)

    async def router(
        self,
        name: str,
        stage: str,
        *,
        old: str = "",
        new: int = 0,
        tools: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Router:
        """A router before both origins, or before others; it ends with everything else."""
        return await self.enter(self.plain_router(name, stage, old=old, new=new, tools=tools, environment=environment))

    def plain_router(
        self,
        name: str,
        stage: str,
        *,
        old: str = "",
        new: int = 0,
        tools: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Router:
        """The same, not started."""
        return Router(
            name=name,
            directory=self.directory,
            old=old or f"http://127.0.0.1:{self.old}",
            new=f"http://127.0.0.1:{new or self.new}",
            stage=stage,
            tools=tools or {},
            environment=environment or {},
        )

    async def need(self, *names: str) -> list[str]:
        """Start what is not running yet, all at once. Returns the names that can be had."""
        try:
            async with asyncio.TaskGroup() as starting:
                for name in names:
                    if name not in self.targets:
                        starting.create_task(self._one(name))
        except* Exception as group:
            raise group.exceptions[0] from None
        return [name for name in names if name in self.targets]

    async def _one(self, name: str) -> None:
        try:
            self.targets[name] = await self._made(name)
        except Missing as error:
            self.missing[name] = str(error)

    async def _made(self, name: str) -> Target:
        plain = [f"{number:08x}-520d-48c8-ace7-01660457015b" for number in range(PLAIN_SANDBOXES)]
        match name:
            case "direct":
                return Target(name, f"http://127.0.0.1:{self.old}", 0, plain)
            case "crossfade relay":
                router = await self.router("relay", "off")
                return Target(name, router.url, router.pid, plain, router)
            case "crossfade relay tls":
                trusted = {"SSL_CERT_FILE": str(await self._certificates() / "ca.pem")}
                url = f"https://localhost:{self.old_tls}"
                router = await self.router("relay-tls", "off", old=url, environment=trusted)
                return Target(name, router.url, router.pid, plain, router)
            case "crossfade mirror":
                router = await self.router("mirror", "shadow")
                return Target(name, router.url, router.pid, await router.twins(self.twins), router)
            case _:
                if name.endswith(" tls"):
                    await self._certificates()
                server = await self.start(_PEERS[name](self))
                return Target(name, server.url, server.pid, plain)

    async def _certificates(self) -> Path:
        """A private authority, and an origin that it has certified; started once. Raises Missing."""
        async with self._certifying:
            if not (self.directory / "ca.pem").exists():
                certificates.make(self.directory)
                origin = nginx.old_origin(self.directory, self.old_tls, self.files, certificates=self.directory)
                await self.start(origin)
        return self.directory

    def requests(self, target: Target, asks: tuple[Ask, ...]) -> Path:
        """The file with a target's requests of these kinds."""
        if asks not in target.requests:
            file = self.directory / f"{target.name.replace(' ', '-')}-{len(target.requests)}.requests"
            write_requests(file, asks, target.sandboxes, target.url.removeprefix("http://"))
            target.requests[asks] = file
        return target.requests[asks]


_PEERS: dict[str, Callable[[Field], Server]] = {
    "nginx split": lambda here: peer.split(here.directory, here.old),
    "nginx mirror": lambda here: peer.mirror(here.directory, here.old, here.new),
    "envoy weighted": lambda here: envoy.weighted(here.directory, here.old),
    "envoy mirror": lambda here: envoy.mirror(here.directory, here.old, here.new),
    "nginx split tls": lambda here: peer.split(here.directory, here.old_tls, "https"),
    "envoy weighted tls": lambda here: envoy.weighted(here.directory, here.old_tls, tls=True),
    "haproxy": lambda here: others.haproxy(here.directory, here.old),
    "mitmproxy": lambda here: others.mitmproxy(here.directory, here.old),
    "naive": lambda here: others.naive(here.directory, here.old),
}
