"""One sandbox behind the router: its calls, its disks, and what a read may give."""

import asyncio
import contextlib
import itertools
import os
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.journeys.probes import SDK_HEADERS, Probe, records
from tests.journeys.stack import ADMIN_TOKEN, KEY, Stack

ROOT = "/workspace"
FILES = ("a", "b", "d/x", "d/y")
DIRECTORY = "<directory>"
PATIENCE = 60.0
_LANDING_SECONDS = 2.0  # after which a call that was cut has either landed on the seat or never will

# What a path holds: the text of a file, DIRECTORY, or None where there is nothing.
Value = str | None


class Wrong(AssertionError):
    """A promise that was not kept, with the history that led there."""


def torn(value: Value, before: Value, after: Value) -> bool:
    """Whether it is as much of what is there now as there was before: a file overwritten in place while its origin
    reads it is answered at the size that was announced. No proxy can be better than its origin."""
    if not value or not before or not after or DIRECTORY in (before, after):
        return False
    return len(value) == len(before) < len(after) and after.startswith(value)


@dataclass(eq=False)
class Writer:
    """A process in the sandbox that writes one file again and again, each time with a higher number."""

    name: str
    seen: int = -1  # the highest number that its file was seen to hold: nothing older may be read any more

    def number(self, value: Value) -> int | None:
        """The number in a value that it wrote; None where it wrote something else."""
        name, _, number = (value or "").partition(":")
        return int(number) if name == self.name and number.isdigit() else None


@dataclass(eq=False)
class Sandbox:
    """A sandbox, its client, and the history of its calls."""

    system: Stack
    probe: Probe
    seat: str
    disks: Mapping[str, Path]
    history: list[str] = field(default_factory=list)
    writers: dict[str, Writer] = field(default_factory=dict)  # by the file that they write
    landing: dict[str, dict[str, float]] = field(default_factory=dict)  # file -> values that may still come, and when
    sessions: set[str] = field(default_factory=set)
    seats: dict[str, str] = field(default_factory=dict)  # by call: where the seat was
    terminals: list[str] = field(default_factory=list)
    terminal: ClientConnection | None = None
    counted: Counter[str] = field(default_factory=Counter)
    failing: bool = False  # new answers with errors
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    # Disks.

    def disk(self, name: str, side: str = "") -> Value:
        """What a path holds on the seat, or on this side."""
        path = self.disks[side or self.seat] / name
        try:
            return DIRECTORY if path.is_dir() else path.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def tree(self, side: str) -> dict[str, Value]:
        """Every path of one side, with its mode."""
        found: dict[str, Value] = {}
        for folder, folders, files in os.walk(self.disks[side]):
            for name in (*folders, *files):
                path = Path(folder, name)
                short = str(path.relative_to(self.disks[side]))
                with contextlib.suppress(FileNotFoundError):
                    found[short] = f"{path.stat().st_mode:o} {self.disk(short, side)}"
        return found

    # What may be read.

    def check(self, what: str, name: str, value: Value, before: Value, also: Collection[Value] = ()) -> None:
        """Raises Wrong unless the seat held this value at some moment between `before` was read and now."""
        after = self.disk(name)
        if value in (before, after) or value in also or self._landed(name, value) or torn(value, before, after):
            return
        if (writer := self.writers.get(name)) and (number := writer.number(value)) is not None:
            last = writer.number(after)
            if writer.seen <= number and (last is None or number <= last):
                writer.seen = number
                return
            self.wrong(f"{what} {name} gave {value!r}, the process that writes it was at {writer.seen} to {after!r}")
        self.wrong(f"{what} {name} gave {value!r}; the seat held {before!r}, then {after!r}")

    def _landed(self, name: str, value: Value) -> bool:
        now = time.monotonic()
        for expected, until in list(self.landing.get(name, {}).items()):
            if until < now:
                del self.landing[name][expected]
            elif value is not None and expected.startswith(value):
                return True  # whole, or as far as it was written
        return False

    def expect(self, name: str, value: str, seconds: float = _LANDING_SECONDS) -> None:
        """This value may come to stand there from now on, and for so long."""
        self.landing.setdefault(name, {})[value] = time.monotonic() + seconds

    def quiet(self, name: str) -> bool:
        """Whether nothing but the calls of the next step can change it."""
        self._landed(name, None)
        return name not in self.writers and not self.landing.get(name)

    def wrong(self, what: str) -> None:
        steps = "\n".join(self.history[-60:])
        raise Wrong(f"{what}\nseat {self.seat}, sandbox {self.probe.id}\n{steps}")

    # Calls. Each gives its answer, or None where the client never got one.

    def new_value(self) -> str:
        return f"v{next(self.numbers)}."  # no value is the beginning of another

    async def call(self, what: str, answer: Any) -> httpx2.Response | None:
        """One call to its end."""
        try:
            given: httpx2.Response = await answer
        except httpx2.RemoteProtocolError:
            # A file that is made shorter while it is read: its origin has announced more than there is.
            if not what.startswith("download"):
                raise
            self.history.append(f"{what} -> cut")
            return None
        self.seats[given.headers.get("x-crossfade-call", "")] = self.seat
        self.history.append(f"{what} -> {given.status_code}")
        failed = given.status_code == 429 or given.status_code >= 500
        if failed and not (self.failing and self.seat == "new"):
            self.wrong(f"{what}: {given.status_code} {given.text[:200]}")
        return None if failed else given

    async def upload(self, name: str, value: str) -> bool:
        """Whether it was acknowledged."""
        given = await self.call(f"upload {name} {value}", self.probe.upload(f"{ROOT}/{name}", value.encode()))
        if given is None:
            self.expect(name, value)
        return given is not None and given.status_code < 300

    async def read(self, name: str, also: Collection[Value] = ()) -> None:
        before = self.disk(name)
        self._advance(name, before)
        given = await self.call(f"download {name}", self.probe.download(f"{ROOT}/{name}"))
        if given is not None:
            value = given.text if given.status_code == 200 else DIRECTORY if before == DIRECTORY else None
            self.check("download of", name, value, before, also)

    def _advance(self, name: str, value: Value) -> None:
        if (writer := self.writers.get(name)) and (number := writer.number(value)) is not None:
            writer.seen = max(writer.seen, number)

    async def info(self, name: str, also: Collection[Value] = ()) -> None:
        before = self.disk(name)
        given = await self.call(f"info {name}", self.probe.info(f"{ROOT}/{name}"))
        if given is None or DIRECTORY in (before, self.disk(name)) or not self.quiet(name):
            return
        size = given.json()["size"] if given.status_code == 200 else None
        held = {None if each is None else len(each) for each in (before, self.disk(name), *also)}
        if size not in held:
            self.wrong(f"info of {name} gave {size} bytes; the seat held {before!r}, then {self.disk(name)!r}")

    async def list(self, folder: str = "", *, exact: bool) -> None:
        def names() -> set[str]:
            path = self.disks[self.seat] / folder
            return set(os.listdir(path)) if path.is_dir() else set()

        before = names()
        given = await self.call(f"list {folder or '.'}", self.probe.list(f"{ROOT}/{folder}".rstrip("/")))
        after = names()
        if given is None or not exact:
            return
        found = {each["name"] for each in given.json()} if given.status_code == 200 else set()
        # Names that were there throughout are in it, names that never were are not.
        if not before & after <= found <= before | after:
            self.wrong(f"list of {folder or '.'} gave {sorted(found)}; the seat held {sorted(before)}, {sorted(after)}")

    async def delete(self, name: str) -> bool:
        given = await self.call(f"delete {name}", self.probe.delete(f"{ROOT}/{name}"))
        return given is not None and given.status_code < 300

    async def move(self, name: str, other: str) -> bool:
        params = {"source": f"{ROOT}/{name}", "destination": f"{ROOT}/{other}"}
        given = await self.call(
            f"move {name} {other}", self.probe.call("fs.move", "POST", "/files/move", params=params)
        )
        return given is not None and given.status_code < 300

    async def chmod(self, name: str, mode: str) -> bool:
        params = {"path": f"{ROOT}/{name}", "mode": mode}
        given = await self.call(
            f"chmod {name} {mode}", self.probe.call("fs.chmod", "POST", "/files/permissions", params=params)
        )
        return given is not None and given.status_code < 300

    async def mkdir(self, name: str) -> bool:
        given = await self.call(f"mkdir {name}", self.probe.mkdir(f"{ROOT}/{name}"))
        return given is not None and given.status_code < 300

    async def execute(self, command: str) -> bool:
        """Whether it ran and succeeded."""
        given = await self.call(f"exec {command}", self.probe.exec(f"cd {ROOT}; {command}"))
        return given is not None and given.status_code == 200 and given.json()["exitCode"] == 0

    async def session_exec(self, session: str, command: str, *, run_async: bool) -> bool:
        """Whether it was taken; a session that is not there any more is made again first."""
        if session not in self.sessions:
            await self.call(f"session {session}", self.probe.session(session))
            self.sessions.add(session)
        body = {"command": f"cd {ROOT}; {command}", "runAsync": run_async}
        path = f"/process/session/{session}/exec"
        given = await self.call(
            f"session exec {command}", self.probe.call("session.exec", "POST", path, tool="shell", json=body)
        )
        return given is not None and given.status_code in (200, 202)

    async def type(self, command: str, said: str) -> bool:
        """Type a line into a terminal; whether it has shown something in the end."""
        try:
            await self._typed(command, said)
        except (ConnectionClosed, InvalidStatus) as error:
            self.terminal = None
            if not (self.failing and self.seat == "new"):
                self.wrong(f"type {command}: {error}")
            self.history.append(f"type {command} -> {error}")
            return False
        self.history.append(f"type {command} -> shown")
        return True

    async def _typed(self, command: str, said: str) -> None:
        if self.terminal is None:
            name = f"t{next(self.numbers)}"
            body = {"id": name, "cwd": ROOT}
            await self.call("terminal", self.probe.call("pty.create", "POST", "/process/pty", tool="shell", json=body))
            self.terminals.append(name)
            headers = {**SDK_HEADERS, "Authorization": f"Bearer {KEY}"}
            url = self.system.router.url.replace("http", "ws", 1)
            address = f"{url}/toolbox/{self.probe.id}/process/pty/{name}/connect"
            self.terminal = await connect(address, additional_headers=headers, proxy=None)
        await self.terminal.send(f"{command}; echo '{said[:1]}''{said[1:]}'\n".encode())
        shown = b""
        async with asyncio.timeout(PATIENCE):
            while said.encode() not in shown:
                data = await self.terminal.recv()
                shown += data if isinstance(data, bytes) else b""

    async def hang_up(self) -> None:
        """Leave the terminal; its shell lives on."""
        if self.terminal is not None:
            await self.terminal.close()
            self.terminal = None

    async def end_shells(self) -> None:
        """End what could go on changing files: terminals and sessions."""
        await self.hang_up()
        for kind, names in (("pty", self.terminals), ("session", self.sessions)):
            for name in names:
                end = self.probe.call("", "DELETE", f"/process/{kind}/{name}", tool="shell")
                await self.call(f"end {kind} {name}", end)
        self.terminals.clear()
        self.sessions.clear()

    async def cut(self, name: str, value: str) -> None:
        """An upload whose client goes away when half of it is sent."""
        self.expect(name, value)
        host, _, port = self.system.router.url.removeprefix("http://").partition(":")
        boundary = "cut-here"
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files[0].path"\r\n\r\n{ROOT}/{name}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="files[0].file"; filename="x"\r\n\r\n'
        )
        length = len(body) + len(value) + len(f"\r\n--{boundary}--\r\n")
        headers = {
            **SDK_HEADERS,
            "Host": "router",
            "Authorization": f"Bearer {KEY}",
            "X-Crossfade-Tool": "files",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(length),
        }
        head = "".join(f"{key}: {each}\r\n" for key, each in headers.items())
        request = (
            f"POST /toolbox/{self.probe.id}/files/bulk-upload HTTP/1.1\r\n{head}\r\n{body}{value[: len(value) // 2]}"
        )
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(request.encode())
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
        self.history.append(f"cut upload {name} {value[:12]}")

    # What the router says of it.

    async def shown(self) -> dict[str, Any]:
        """The twin, as the admin API shows it."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = await self.probe.client.get(f"{self.system.admin}/v1/twins/{self.probe.id}", headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def hold(self) -> None:
        """Raises Wrong where the follower is called clean and its disk is another than the seat's."""
        before = await self.shown()
        self.seat = before["seat"]
        if not before["clean"] or before["calls_open"]:
            return
        trees = self.tree("old"), self.tree("new")
        after = await self.shown()
        if after["clean"] and not after["calls_open"]:
            self.counted["clean"] += 1
            if trees[0] != trees[1]:
                self.wrong(f"called clean, and differs: {dict(trees[0].items() ^ trees[1].items())}")

    async def told(self) -> None:
        """Count who answered, as the records have it."""
        await asyncio.sleep(0.5)
        # What a killed router had not written yet is missing.
        for id, record in (await asyncio.to_thread(records, self.system, self.seats)).items():
            by = "seat" if record["answering"] == self.seats[id] else "follower"
            self.counted[f"{record['operation']} by {by}"] += 1

    async def wait_until_clean(self, seconds: float) -> None:
        """For so long at most."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (await self.shown())["clean"]:
            await asyncio.sleep(0.02)

    async def converge(self) -> None:
        """Wait until the follower is clean; both disks are then the same."""
        until = time.monotonic() + PATIENCE
        while not (shown := await self.shown())["clean"]:
            if time.monotonic() > until:
                self.wrong(f"never became clean: {shown}")
            await asyncio.sleep(0.05)
        await self.hold()
