"""The programs under test: a router with both origins behind it, and sandboxes on each side."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx2
from websockets.asyncio.client import connect

from demo.programs import Program
from tests.fuzz import gauge
from tests.fuzz.cases import Places
from tests.fuzz.client import Answer
from tests.fuzz.corpus import AT
from tests.fuzz.gauge import Held
from tests.journeys.probes import SDK_HEADERS, Probe, create, set_flags
from tests.journeys.stack import ALL_TOOLS, KEY, free_port, settings

_FLAGS_SECONDS = 0.8
# A terminal that takes anything and does nothing.
_SINK = "stty raw -echo; exec cat >/dev/null\n"


@dataclass(eq=False)
class Front:
    """A router with a sandbox on old alone, one on both sides, one on new alone."""

    directory: Path
    config: Path
    programs: tuple[Program, ...]
    client: httpx2.AsyncClient
    places: Places

    @property
    def store(self) -> str:
        return f"sqlite:///{self.directory / 'crossfade.db'}"

    @property
    def router(self) -> Program:
        return self.programs[-1]

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.router.url.removeprefix("http://").partition(":")
        return host, int(port)

    async def held(self) -> Held:
        """What the router's process holds now."""
        assert self.router.process is not None
        return await gauge.held(self.router.process.pid, self.directory / "counts")

    def logs(self) -> str:
        return "".join(f"== {each.name}\n{each.log.read_text(errors='replace')}" for each in self.programs)

    async def tidy(self) -> None:
        """End what cases began: sessions and terminals other than those that are kept for them."""
        for sandbox in self.places.sandboxes:
            probe = Probe(self.client, sandbox)
            sessions = (await probe.call("list", "GET", "/process/session")).json()
            ptys = (await probe.call("list", "GET", "/process/pty")).json()["sessions"]
            for path in (
                *(
                    f"/process/session/{quote(each['sessionId'], safe='')}"
                    for each in sessions
                    if each["sessionId"] != "held"
                ),
                *(f"/process/pty/{quote(each['id'], safe='')}" for each in ptys if each["id"] != "held"),
            ):
                await probe.call("delete", "DELETE", path)

    async def remove(self, created: Answer) -> None:
        """End a sandbox that a case made after all."""
        answer = await self.client.delete(f"/api/sandbox/{json.loads(created.body)['id']}", headers=SDK_HEADERS)
        assert answer.status_code == 200, answer.text

    async def works(self) -> bool:
        """A good call on each sandbox is answered well."""
        answers = [await Probe(self.client, each).exec("echo alive") for each in self.places.sandboxes]
        return all(each.status_code == 200 and "alive" in each.text for each in answers)


@contextlib.asynccontextmanager
async def front(directory: Path) -> AsyncIterator[Front]:
    """Start everything; end everything."""
    words = ["--port", "0", "--key", KEY]
    old = Program("old", ["sandbox", "--api", "daytona", *words, "--dir", str(directory / "old")], directory)
    new = Program("new", ["sandbox", "--api", "e2b", *words, "--dir", str(directory / "new")], directory)
    config = directory / "crossfade.toml"
    environment = gauge.environment(directory / "counts")
    router = Program("router", ["serve", "--config", str(config)], directory, environment)
    async with contextlib.AsyncExitStack() as started:
        await asyncio.gather(started.enter_async_context(old), started.enter_async_context(new))
        config.write_text(settings(directory, old.url, new.url, free_port()))
        await started.enter_async_context(router)
        client = httpx2.AsyncClient(
            base_url=router.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60, trust_env=False
        )
        await started.enter_async_context(client)
        places = Places(key=KEY, sandboxes=(), commands=())
        running = Front(directory, config, (old, new, router), client, places)
        probes = [await create(client)]
        for stage in ("live", "complete"):
            set_flags(running, dict.fromkeys(ALL_TOOLS, stage))
            await asyncio.sleep(_FLAGS_SECONDS)
            probes.append(await create(client))
        commands = tuple([await _furnished(running, probe) for probe in probes])
        running.places = Places(key=KEY, sandboxes=tuple(probe.id for probe in probes), commands=commands)
        yield running


async def _furnished(running: Front, probe: Probe) -> str:
    """Files, a repository, a session with a command (its id is returned), a terminal that swallows what is typed."""
    await probe.upload(f"{AT}/a", b"needle\n" * 50)
    await probe.upload(f"{AT}/b", b"b")
    assert (await probe.exec(f"git init -q {AT}/repo && touch {AT}/repo/a")).status_code == 200
    for session in ("held", "fuzz"):
        assert (await probe.session(session)).status_code == 201
    ran = await probe.session_exec("held", "echo out; echo err >&2")
    await _sink(running, probe)
    return str(ran.json()["cmdId"])


async def _sink(running: Front, probe: Probe) -> None:
    made = await probe.call("pty", "POST", "/process/pty", tool="shell", json={"id": "held", "cols": 80, "rows": 24})
    assert made.status_code == 201, made.text
    url = f"{running.router.url.replace('http', 'ws', 1)}/toolbox/{probe.id}/process/pty/held/connect"
    headers = {"Authorization": f"Bearer {KEY}", **SDK_HEADERS}
    async with connect(url, additional_headers=headers) as socket:
        assert json.loads(await socket.recv())["status"] == "connected"
        await socket.send(_SINK.encode())
        await asyncio.sleep(0.3)
