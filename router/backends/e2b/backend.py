"""E2B as a backend: operations over its control plane and envd, on raw HTTP."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown, unsupported
from crossfade.ports import Backend, Channel
from crossfade.results import PreviewLink
from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamFailed
from router import tasks
from router.backends.capabilities import Support
from router.backends.e2b import git
from router.backends.e2b.capabilities import CAPABILITIES
from router.backends.e2b.commands import Commands
from router.backends.e2b.contexts import Contexts
from router.backends.e2b.control import RESUMED, Control
from router.backends.e2b.envd import Envd, Handle, operation_name
from router.backends.e2b.files import Files
from router.backends.e2b.private import Private
from router.backends.e2b.ptys import Ptys
from router.backends.e2b.refusals import Failed, lost, refusal
from router.backends.e2b.searching import SEARCHES, Searching
from router.backends.e2b.sessions import Sessions
from router.backends.e2b.single import NO_NUMBERS, Asked, single
from router.wire.connect import ConnectError

# Purposes that stand for a client at work: a sandbox in use is not to be paused under it.
_IN_USE = frozenset({Purpose.ANSWER, Purpose.MIRROR, Purpose.WRITE_THROUGH, Purpose.VALIDATE})
_MOST_PORT = 65_535
_NETWORK_SECONDS = 10.0
_UNSUPPORTED = frozenset(name for name, each in CAPABILITIES.items() if each.support is Support.UNSUPPORTED)


class E2BBackend:
    """Any E2B, cloud, BYOC or self-hosted. Sandbox ids are E2B's own."""

    name = "e2b"

    def __init__(
        self,
        upstream: Upstream,
        *,
        api_url: str,
        sandbox_url: str | None,
        domain: str,
        key: str,
        templates: Mapping[str, str],
        origin: Origin,
        user: str = "root",
        home_dir: str = "/root",
        work_dir: str = "/workspace",
        private_ports: bool = False,
    ) -> None:
        self._control = Control(
            upstream=upstream,
            origin=origin,
            api_url=api_url,
            key=key,
            templates=templates,
            private_ports=private_ports,
        )
        self._private = Private(self._control, private_ports)
        self._envd = Envd(
            upstream=upstream,
            origin=origin,
            sandbox_url=sandbox_url,
            domain=domain,
            user=user,
            verify=self._control.verify,
            used=self._used,
        )
        commands = Commands(envd=self._envd, work_dir=work_dir)
        self._commands = commands
        self._files = Files(envd=self._envd, commands=commands)
        self._searching = Searching(commands=commands, files=self._files)
        self._sessions = Sessions(envd=self._envd, commands=commands)
        self._ptys = Ptys(envd=self._envd, commands=commands)
        self._contexts = Contexts(envd=self._envd, commands=commands)
        self._origin, self._domain = origin, domain
        self._home_dir, self._work_dir = home_dir, work_dir

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        """Carry it out. The body, if any, is read at most once; a Content in the outcome must be read or closed."""
        started = time.perf_counter()
        operation_name.set(operation.name)
        try:
            outcome = await self._perform(operation, purpose)
        except ConnectError as error:
            outcome = refusal(error)
        except Failed as error:
            outcome = error.outcome
        except UpstreamFailed as error:
            outcome = lost(error)
        return replace(outcome, origin=self._origin, seconds=time.perf_counter() - started)

    def single(self, operation: Operation, purpose: Purpose) -> Asked | None:
        """The one request that carries it out; None where `perform` is needed."""
        handle = self._control.handles.get(operation.sandbox)
        if handle is None:
            return None
        envd, known = self._envd, self._files.names.get(handle.id, NO_NUMBERS)
        found = single(operation, work_dir=self._work_dir, user=envd.user, numbers=known)
        if found is None:
            return None
        self._used(handle.id, purpose)
        base, lines = envd.lines(handle, purpose, operation.name, json=found.body is not None)
        length = b"" if found.body is None else b"Content-Length: %d\r\n" % len(found.body)
        return Asked(base, b"%b HTTP/1.1\r\n%b%b" % (found.line, lines, length), found.body, found.decode)

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        """For a stream operation: a channel, or the outcome that says why not."""
        started = time.perf_counter()
        opened = await self._open(operation, purpose)
        if not isinstance(opened, Outcome):
            return opened
        return replace(opened, origin=self._origin, seconds=time.perf_counter() - started)

    async def extend(self, sandbox: str) -> Outcome:
        """Put the sandbox's wall-clock end off."""
        try:
            return await self._control.extend(sandbox, Purpose.KEEPER)
        except Failed as error:
            return error.outcome

    def due(self, sandbox: str) -> bool:
        """Whether a third of its time is gone. True once, for whoever puts its end off."""
        return self._control.due(sandbox)

    def running_since(self, sandbox: str) -> float:
        """Unix seconds since which it has run without a pause; 0: not known."""
        return self._control.since.get(sandbox, 0.0)

    async def learn(self, sandbox: str) -> None:
        """Ask when its run began and when it ends."""
        with contextlib.suppress(Failed, UpstreamFailed):
            await self._control.verify(sandbox, Purpose.KEEPER)

    async def renew(self, sandbox: str) -> Outcome:
        """Pause and resume it, memory and processes kept."""
        try:
            return await self._control.renew(sandbox, Purpose.KEEPER)
        except Failed as error:
            return error.outcome

    async def reaches_out(self, sandbox: str) -> bool | None:
        """Whether the sandbox may reach the internet. None: it could not be learned."""
        try:
            async with asyncio.timeout(_NETWORK_SECONDS):
                return await self._control.reaches_out(sandbox, Purpose.KEEPER)
        except (Failed, TimeoutError):
            return None

    async def let_out(self, sandbox: str, on: bool) -> Outcome:
        """Let the sandbox reach the internet, or no longer."""
        try:
            async with asyncio.timeout(_NETWORK_SECONDS):
                return await self._control.let_out(sandbox, on, Purpose.KEEPER)
        except Failed as error:
            return error.outcome
        except TimeoutError:
            return unknown("the network was not changed in time", status=504)

    async def _open(self, operation: Operation, purpose: Purpose) -> Channel | Outcome:
        operation_name.set(operation.name)
        try:
            handle = await self._control.handle(operation.sandbox, purpose)
            if operation.name == "pty.connect":
                return await self._ptys.attach(handle, operation, purpose)
            if operation.name == "session.follow":
                return await self._sessions.follow(handle, operation, purpose)
            if operation.name == "interpreter.execute":
                return await self._contexts.execute(handle, purpose)
        except ConnectError as error:
            return refusal(error)
        except Failed as error:
            return error.outcome
        except UpstreamFailed as error:
            return lost(error)
        return unsupported(operation.name, self.name)

    async def _perform(self, operation: Operation, purpose: Purpose) -> Outcome:
        name = operation.name
        if operation.kind.stream or name in _UNSUPPORTED:
            return unsupported(name, self.name)
        if name == "sandbox.work_dir":
            return done(self._work_dir)
        if name == "sandbox.home_dir":
            return done(self._home_dir)
        if name.startswith("sandbox.") and name != "sandbox.preview":
            outcome = await self._control.perform(operation, purpose)
            if name == "sandbox.delete":
                self._private.forget(operation.sandbox)
            if name == "sandbox.start" and outcome.ok and outcome.status == RESUMED:
                handle = await self._control.handle(operation.sandbox, purpose)
                await self._sessions.clear(handle, purpose)
                await self._contexts.clear(handle, purpose)
                outcome = replace(outcome, status=200)
            return outcome
        handle = await self._control.handle(operation.sandbox, purpose)
        if name == "sandbox.preview":
            self._used(operation.sandbox, purpose)  # somebody is about to look at a port
            handle = await self._private.opened(handle, purpose, anew=bool(operation.arguments.get("anew")))
            return self._preview(handle, operation.arguments.get("port"))
        area = name.partition(".")[0]
        match area:
            case "fs" if name in SEARCHES:
                return await self._searching.perform(handle, operation, purpose)
            case "fs":
                return await self._files.perform(handle, operation, purpose)
            case "process":
                return await self._commands.perform(handle, operation, purpose)
            case "session":
                return await self._sessions.perform(handle, operation, purpose)
            case "pty":
                return await self._ptys.perform(handle, operation, purpose)
            case "interpreter":
                return await self._contexts.perform(handle, operation, purpose)
            case "git":
                return await git.perform(self._commands, handle, operation, purpose)
            case _:
                return unsupported(name, self.name)

    def _preview(self, handle: Handle, port: object) -> Outcome:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= _MOST_PORT:
            return refused(400, "BAD_REQUEST", f"bad request: port must be 1 to {_MOST_PORT}, not {str(port)[:20]!r}")
        url = f"https://{port}-{handle.id}.{handle.domain or self._domain}"
        if self._envd.sandbox_url:
            # One address serves every sandbox; names below localhost lead to this machine (RFC 6761).
            parts = urlsplit(self._envd.sandbox_url)
            host = "localhost" if parts.hostname in ("127.0.0.1", "::1") else parts.hostname
            url = f"{parts.scheme}://{port}-{handle.id}.{host}{f':{parts.port}' if parts.port else ''}"
        return done(PreviewLink(url=url, token=handle.traffic_token))

    def _used(self, sandbox: str, purpose: Purpose) -> None:
        if purpose in _IN_USE and self._control.due(sandbox):
            tasks.spawn(self.extend(sandbox), name=f"end of {sandbox} put off")


if TYPE_CHECKING:
    _: type[Backend] = E2BBackend
