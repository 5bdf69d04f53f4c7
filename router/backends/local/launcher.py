"""The launcher: starts and signals processes of embedded sandboxes through the zygote."""

import array
import asyncio
import itertools
import json
import os
import pty as terminals
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from router import tasks
from router.backends.local.process import Ends, Process, Stream, writable
from router.backends.local.view import View

PACKET_LIMIT = 64 * 1024  # larger messages travel as a file: a packet is bounded by the kernel's socket buffers
START_SECONDS = 20.0


class BadCwd(OSError):
    """The working directory asked for does not exist or is no directory."""


class LauncherGone(OSError):
    """The zygote ended: nothing can be started any more."""


class Launcher:
    """One zygote and the processes started through it."""

    def __init__(self) -> None:
        self._keys = itertools.count(1)
        self._replies: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._processes: dict[int, Process] = {}
        self._sock: socket.socket | None = None
        self._zygote: subprocess.Popen[bytes] | None = None
        self._ready: asyncio.Future[bool] | None = None
        self._turn = asyncio.Lock()

    async def open(self, *, namespaces: bool) -> bool:
        """Start the zygote. False: it could not enter namespaces, and nothing is left running."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        program = str(Path(__file__).with_name("zygote.py"))
        command = [sys.executable, "-I", "-S", program, str(theirs.fileno()), "namespaces" if namespaces else "plain"]
        with theirs:
            self._zygote = subprocess.Popen(  # noqa: ASYNC220 (once, and it does not wait)
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._sock = ours
        loop = asyncio.get_running_loop()
        self._ready = loop.create_future()
        loop.add_reader(ours, self._receive)
        ready = await asyncio.wait_for(asyncio.shield(self._ready), START_SECONDS)
        if not ready:
            await self.close()
        return ready

    async def close(self) -> None:
        """End the zygote; with namespaces, everything it started ends with it. Safe to repeat."""
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()
            self._sock = None
        if self._zygote is not None:
            await asyncio.to_thread(self._zygote.wait)
            self._zygote = None
        self._lose_everything()

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        holder: int | None,
        stdin: bool | bytes = False,
        merge: bool = False,
        pty: tuple[int, int] | None = None,
        file_limit: int | None = None,
    ) -> Process:
        """Start a program. `stdin` as bytes is its whole input. Raises BadCwd, or OSError when it cannot be started."""
        ends, theirs = open_terminal() if pty else open_pipes(stdin, merge=merge)
        key = next(self._keys)
        message = {"op": "spawn", "key": key, "holder": holder, "argv": list(argv), "env": dict(env), "cwd": cwd}
        process = Process(key=key, pid=0, argv=argv, cwd=cwd, env=env, ends=ends, signals=self)
        try:
            if pty:
                process.resize(*pty)
            self._processes[key] = process  # before the reply: a short process may end right behind it
            reply, _ = await self.request({**message, "pty": pty is not None, "file_limit": file_limit}, theirs)
            if "failed" in reply:
                raise failure(reply, argv[0], cwd)
            process.pid = reply["pid"]
        except BaseException:
            # Cancelled while it starts: whatever comes of it has nobody to read it.
            self.signal(key, 9, group=True, was=0)
            self._processes.pop(key, None)
            process.discard()
            raise
        finally:
            for fd in set(theirs):
                os.close(fd)
        return process

    async def hold(self, root: str, view: View) -> int:
        """Make a sandbox's namespaces and return their holder. Raises OSError that names the failed step."""
        key = next(self._keys)
        message = {"op": "hold", "key": key, "root": root, "binds": view.binds, "tools": view.tools}
        reply, _ = await self.request({**message, "env": {"PATH": view.path}})
        if "failed" in reply:
            raise OSError(reply["errno"], reply["text"])
        return key

    async def release(self, holder: int) -> None:
        """End a sandbox's namespaces and every process in them."""
        await self.request({"op": "release", "key": next(self._keys), "holder": holder})

    async def socket_inside(self, holder: int) -> socket.socket:
        """A TCP socket, not yet connected, that lives in the sandbox's network."""
        reply, fds = await self.request({"op": "socket", "key": next(self._keys), "holder": holder})
        if not fds:
            raise OSError(reply.get("errno", 5), reply.get("text", "no socket"))
        sock = socket.socket(fileno=fds[0])
        sock.setblocking(False)
        return sock

    def signal(self, key: int, number: int, *, group: bool, was: int) -> None:
        """Queue a signal; a process that is gone is no error."""
        if self._sock is None:
            return
        message = json.dumps({"op": "kill", "key": key, "signal": int(number), "group": group, "was": was}).encode()
        try:
            self._sock.send(message)
        except BlockingIOError:
            tasks.spawn(self._send_late(message), name="signal to a sandbox's process")
        except OSError:
            pass  # the zygote is gone, and what it started with it

    # Talking to the zygote...

    async def request(self, message: dict[str, Any], fds: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
        """Send one request and wait for its answer. Raises LauncherGone."""
        reply: asyncio.Future[tuple[dict[str, Any], list[int]]] = asyncio.get_running_loop().create_future()
        self._replies[message["key"]] = reply
        try:
            await self._send(json.dumps(message).encode(), list(fds))
            return await reply
        finally:
            self._replies.pop(message["key"], None)

    async def _send(self, data: bytes, fds: list[int]) -> None:
        file = None
        if len(data) > PACKET_LIMIT:
            file = os.memfd_create("message")
            write_all(file, data)
            data, fds = b'{"op": "large"}', [file, *fds]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            async with self._turn:
                while True:
                    if self._sock is None:
                        raise LauncherGone("embedded sandboxes are closed")
                    try:
                        self._sock.sendmsg([data], rights)
                        return
                    except BlockingIOError:
                        await writable(self._sock.fileno())
                    except OSError as error:
                        raise LauncherGone("the process that starts sandbox processes ended; restart") from error
        finally:
            if file is not None:
                os.close(file)

    async def _send_late(self, data: bytes) -> None:
        with suppress(LauncherGone):
            await self._send(data, [])

    def _receive(self) -> None:
        while self._sock is not None:
            try:
                data, fds, _, _ = socket.recv_fds(self._sock, PACKET_LIMIT, 4)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                asyncio.get_running_loop().remove_reader(self._sock)
                self._lose_everything()
                return
            self._take(json.loads(data), fds)

    def _take(self, message: dict[str, Any], fds: list[int]) -> None:
        if "exit" in message:
            process = self._processes.pop(message["exit"], None)
            if process is not None:
                process.ends_with(message["code"], message["was"])
        elif "ready" in message:
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(True)
        elif (reply := self._replies.get(message["key"])) is not None and not reply.done():
            reply.set_result((message, fds))
        else:
            for fd in fds:
                os.close(fd)

    def _lose_everything(self) -> None:
        """The zygote is gone: its namespaces, or its last act, took every process along."""
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(False)
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(LauncherGone("the process that starts sandbox processes ended; restart"))
        for process in list(self._processes.values()):
            process.ends_with(-9, 0)
        self._processes.clear()


def open_pipes(stdin: bool | bytes, *, merge: bool) -> tuple[Ends, list[int]]:
    """Streams over pipes: our ends, and the three that the process gets."""
    write: int | None = None
    if stdin is True:
        first, write = os.pipe()
        os.set_blocking(write, False)
    elif stdin is False:
        first = os.open(os.devnull, os.O_RDONLY)
    else:
        first = os.memfd_create("stdin")
        write_all(first, stdin)
        os.lseek(first, 0, os.SEEK_SET)
    out, out_write = os.pipe()
    os.set_blocking(out, False)
    names: dict[int, Stream] = {out: "stdout"}
    error_write = out_write
    if not merge:
        error, error_write = os.pipe()
        os.set_blocking(error, False)
        names[error] = "stderr"
    return Ends(read=names, write=write), [first, out_write, error_write]


def open_terminal() -> tuple[Ends, list[int]]:
    """Streams over a pseudo-terminal."""
    ours, theirs = terminals.openpty()
    os.set_blocking(ours, False)
    return Ends(read={ours: "pty"}, pty=ours), [theirs]


def failure(reply: Mapping[str, Any], program: str, cwd: str) -> OSError:
    """The exception for a program that could not be started."""
    if reply["failed"] == "cwd":
        return BadCwd(reply["errno"], reply["text"], cwd)
    return OSError(reply["errno"], reply["text"], program)  # OSError picks its own subclass by the number


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
