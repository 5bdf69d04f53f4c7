"""Embedded sandboxes: a directory tree plus processes on this machine.

For demonstrations, development and tests. They isolate nothing: a sandbox's processes run as the router's user, and
can reach what that user can. Where the machine allows, each sandbox has namespaces of its own, so that it sees
`/workspace`, `/root` and `/tmp` as its own and its ports are private. That is a view, not a wall. Inside a view no
other network is reached.
"""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from router.backends.local.launcher import BadCwd, Launcher, LauncherGone
from router.backends.local.process import Process
from router.backends.local.removal import remove_quietly
from router.backends.local.tree import DiskFull, Tree
from router.backends.local.view import View, machine_view, prepare_own, visible_path

__all__ = ["BadCwd", "DiskFull", "LocalSandbox", "LocalSandboxes", "SandboxMissing", "SandboxStopped"]

MARK = "CROSSFADE_SANDBOX"  # in every process's environment: finds those that left their group
PORT = 8004
CROWD = 64  # processes remembered before the ended ones are dropped
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class SandboxMissing(KeyError):
    """No sandbox has this id."""


class SandboxStopped(Exception):
    """The sandbox is stopped: start it first."""


class LocalSandboxes:
    """The embedded sandboxes below one directory. They outlive the process as stopped ones."""

    def __init__(self, directory: Path, *, disk_limit: int | None = None, view: bool | None = None) -> None:
        self.directory = directory.absolute()
        self.disk_limit = disk_limit
        self._wants_view = view
        self._launcher = Launcher()
        self._view: View | None = None
        self._sandboxes: dict[str, LocalSandbox] = {}

    @property
    def has_view(self) -> bool:
        """Whether sandboxes have namespaces of their own."""
        return self._view is not None

    async def open(self) -> None:
        """Start the launcher and load what is on disk. Raises OSError when a view is demanded but impossible."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._wants_view is not False:
            self._view = await self._try_view()
        if self._view is None:
            if self._wants_view:
                raise OSError("this machine allows no namespaces (root or user namespaces are needed); use view=False")
            await self._launcher.open(namespaces=False)
        for file in sorted(self.directory.glob("*/meta.json")):
            known = json.loads(file.read_text())
            self._sandboxes[known["id"]] = self._sandbox(known["id"], known["env"], known["meta"])

    async def close(self) -> None:
        """Kill every process of every sandbox; files stay."""
        for sandbox in self.all():
            await sandbox.stop()
        await self._launcher.close()

    async def create(self, *, id: str, env: Mapping[str, str], meta: Mapping[str, Any]) -> "LocalSandbox":
        """Make and start a sandbox. Raises FileExistsError, or ValueError for an id that cannot name a directory."""
        if not _ID.fullmatch(id):
            raise ValueError(f"sandbox id {id!r} must be 1-128 letters, digits, '_', '-' or '.', not starting with '.'")
        if id in self._sandboxes:
            raise FileExistsError(f"sandbox {id!r} exists already")
        sandbox = self._sandboxes[id] = self._sandbox(id, env, meta)
        try:
            sandbox.tree.root.mkdir(parents=True)
            sandbox.save()
            await sandbox.start()
        except BaseException:
            await self.delete(id)
            raise
        return sandbox

    def get(self, id: str) -> "LocalSandbox":
        """Raises SandboxMissing."""
        try:
            return self._sandboxes[id]
        except KeyError:
            raise SandboxMissing(id) from None

    def all(self) -> Sequence["LocalSandbox"]:
        """Every sandbox, oldest first."""
        return tuple(self._sandboxes.values())

    async def delete(self, id: str) -> None:
        """Kill its processes and remove its files. Raises SandboxMissing."""
        sandbox = self.get(id)
        del self._sandboxes[id]
        await sandbox.stop()
        await asyncio.to_thread(remove_quietly, self.directory / id)

    def _sandbox(self, id: str, env: Mapping[str, str], meta: Mapping[str, Any]) -> "LocalSandbox":
        return LocalSandbox(
            self.directory / id, self._launcher, self._view, id=id, env=env, meta=meta, disk_limit=self.disk_limit
        )

    async def _try_view(self) -> View | None:
        """The view, if a sandbox's namespaces can be made here; tried for real, since every layer may forbid it."""
        if not hasattr(os, "pidfd_open") or not await self._launcher.open(namespaces=True):
            return None
        view = machine_view(machine_path())
        probe = self.directory / ".probe"
        probe.mkdir(exist_ok=True)
        try:
            view.prepare(probe)
            await self._launcher.release(await self._launcher.hold(str(probe), view))
        except OSError:
            if self._wants_view:
                raise
            await self._launcher.close()
            return None
        return view


class LocalSandbox:
    """One embedded sandbox."""

    work_dir = "/workspace"
    home_dir = "/root"

    def __init__(
        self,
        directory: Path,
        launcher: Launcher,
        view: View | None,
        *,
        id: str,
        env: Mapping[str, str],
        meta: Mapping[str, Any],
        disk_limit: int | None,
    ) -> None:
        self.id = id
        self.env = dict(env)
        self.meta = dict(meta)
        self.state: Literal["started", "stopped"] = "stopped"
        self.tree = Tree(directory / "files", work_dir=self.work_dir, disk_limit=disk_limit)
        self._directory = directory
        self._launcher = launcher
        self._view = view
        self._holder: int | None = None
        self._port = PORT
        self._used = False  # whether anything was started since the sandbox was
        self._started: set[Process] = set()  # until ended and their streams closed
        self._crowd = CROWD
        self._turn = asyncio.Lock()

    @property
    def has_view(self) -> bool:
        """Whether processes see its directories as `/workspace`, `/root` and so on."""
        return self._view is not None

    @property
    def processes(self) -> Mapping[int, Process]:
        """The running ones, by pid."""
        self._forget()
        return MappingProxyType({process.pid: process for process in self._started if process.ended is None})

    def save(self) -> None:
        """Write id, environment and meta to disk."""
        text = json.dumps({"id": self.id, "env": self.env, "meta": self.meta})
        draft = self._directory / "meta.json.new"
        draft.write_text(text)
        draft.replace(self._directory / "meta.json")

    async def start(self) -> None:
        """Make it able to run processes. Safe to repeat."""
        async with self._turn:
            if self.state == "started":
                return
            prepare_own(self.tree.root, self._path())
            if self._view is None:
                self._port = free_port()
            else:
                self._view.prepare(self.tree.root)
                self._holder = await self._launcher.hold(str(self.tree.root), self._view)
            self.state = "started"

    async def stop(self) -> None:
        """Kill every process; files stay. Safe to repeat."""
        async with self._turn:
            self.state = "stopped"
            holder, self._holder = self._holder, None
            if holder is not None:
                with suppress(LauncherGone):  # then everything inside is gone already
                    await self._launcher.release(holder)
            elif self._used:
                for process in self._started:
                    process.kill(signal.SIGKILL)
                # Those that made groups of their own: daemons, job control.
                await asyncio.to_thread(kill_marked, self._mark())
            self._used = False
            for process in list(self._started):
                await process.wait()
                process.discard()
            self._started.clear()

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None,
        env: Mapping[str, str],
        stdin: bool | bytes = False,
        merge: bool = False,
        pty: tuple[int, int] | None = None,
    ) -> Process:
        """Start a program as leader of its own process group.

        `stdin` False is an empty input, True a pipe for write(), bytes the whole input. `merge` sends standard error
        down the same pipe as standard output, in order; `pty` is (cols, rows). Raises BadCwd, SandboxStopped,
        or OSError when the program cannot be run.
        """
        if self.state != "started":
            raise SandboxStopped(f"sandbox {self.id} is stopped; start it first")
        self._used = True
        inside = str(Path(self.work_dir, cwd or ""))
        try:
            process = await self._launcher.spawn(
                argv,
                cwd=inside if self._view is not None else str(self.tree.real(inside)),
                env={**self.base_env(), **self.env, **env},
                holder=self._holder,
                stdin=stdin,
                merge=merge,
                pty=pty,
                # Files that processes write are counted late; at least no single one outgrows the limit.
                file_limit=self.tree.disk_limit,
            )
        except (BadCwd, NotADirectoryError, FileNotFoundError) as error:
            if not isinstance(error, BadCwd) and error.filename != inside:
                raise  # it is the program that is missing
            raise BadCwd(error.errno, error.strerror, inside) from error
        process.cwd = inside
        self._started.add(process)
        if len(self._started) > self._crowd:
            self._forget()
        if self.state != "started":  # stopped meanwhile, and perhaps too early to be seen
            process.kill(signal.SIGKILL)
        return process

    def base_env(self) -> dict[str, str]:
        """What every process gets before the sandbox's own environment; nothing of the router's but PATH."""
        root = "" if self._view is not None else str(self.tree.root)
        return {
            "PATH": self._path(),
            "HOME": root + self.home_dir,
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "PORT": str(self._port),
            MARK: self._mark(),
            **({} if self._view is not None else {"TMPDIR": f"{root}/tmp", "TMUX_TMPDIR": f"{root}/tmp"}),
        }

    async def connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to 127.0.0.1:port inside. Raises OSError when nothing listens there."""
        if self.state != "started":
            raise ConnectionRefusedError(f"sandbox {self.id} is stopped; start it first")
        if self._holder is None:
            return await asyncio.open_connection("127.0.0.1", port)
        sock = await self._launcher.socket_inside(self._holder)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            return await asyncio.open_connection(sock=sock)
        except BaseException:
            sock.close()
            raise

    def _forget(self) -> None:
        """Drop processes that are over and read."""
        self._started = {process for process in self._started if process.ended is None or process.open}
        self._crowd = max(CROWD, 2 * len(self._started))

    def _path(self) -> str:
        return self._view.path if self._view is not None else ":".join(visible_path(machine_path()))

    def _mark(self) -> str:
        return f"{self.id}@{self._directory}"


def machine_path() -> str:
    return os.environ.get("PATH", os.defpath)


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def kill_marked(mark: str) -> None:
    """Kill every process of this user whose environment carries the mark, until none is left."""
    wanted = f"{MARK}={mark}".encode()
    for _ in range(20):  # one that forks while we look is caught by the next round
        found = False
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and wanted in environment_of(entry) and int(entry.name) != os.getpid():
                found = True
                try:
                    os.kill(int(entry.name), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        if not found:
            return


def environment_of(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # gone, a zombie, or another user's
        return []
