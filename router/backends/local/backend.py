"""The local backend: every operation on embedded sandboxes, with Daytona's semantics. It isolates nothing."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, unsupported
from crossfade.ports import Backend, Channel
from crossfade.results import PtyInfo, SessionExec, SessionLogs
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router.backends.capabilities import Support
from router.backends.interpreter.execution import Execution
from router.backends.local import commands, files, git, lifecycle, searching
from router.backends.local.capabilities import CAPABILITIES
from router.backends.local.contexts import Contexts
from router.backends.local.previews import Previews
from router.backends.local.refusals import Refusal, bad_request, not_found
from router.backends.local.sandboxes import DiskFull, LocalSandbox, LocalSandboxes, SandboxStopped
from router.backends.local.session import Follower, Session
from router.backends.local.terminal import Terminal

NOT_RUNNING = "failed to resolve container IP after 3 attempts: no IP address found. Is the Sandbox started?"
RESERVED_SESSION = "entrypoint"
UNSUPPORTED = frozenset(name for name, each in CAPABILITIES.items() if each.support is Support.UNSUPPORTED)


@dataclass(slots=True)
class Live:
    """What lives in a sandbox only while it runs."""

    sessions: dict[str, Session] = field(default_factory=dict)
    terminals: dict[str, Terminal] = field(default_factory=dict)
    contexts: Contexts = field(default_factory=Contexts)
    changing: bool = False


class LocalBackend:
    """Embedded sandboxes as a backend. Opening and closing the sandboxes is their owner's business."""

    name = "local"

    def __init__(self, sandboxes: LocalSandboxes, *, origin: Origin | None = None) -> None:
        self._sandboxes = sandboxes
        self._origin = origin
        self._live: dict[str, Live] = {}
        self._previews = Previews()
        self._handlers: Mapping[str, Callable[[LocalSandbox, Operation], Awaitable[Outcome]]] = {
            "session.create": self._session_create,
            "session.list": self._session_list,
            "session.get": self._session_get,
            "session.delete": self._session_delete,
            "session.exec": self._session_exec,
            "session.command": self._session_command,
            "session.logs": self._session_logs,
            "session.input": self._session_input,
            "pty.create": self._pty_create,
            "pty.list": self._pty_list,
            "pty.get": self._pty_get,
            "pty.delete": self._pty_delete,
            "pty.resize": self._pty_resize,
        }

    async def close(self) -> None:
        """Close previews; the sandboxes are closed by their owner."""
        for sandbox in self._sandboxes.all():
            self._previews.close(sandbox.id)

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        """Carry it out."""
        del purpose  # nothing here counts requests or idles out
        began = time.perf_counter()
        try:
            outcome = await self._perform(operation)
        except Refusal as refusal:
            outcome = refusal.outcome
        except SandboxStopped:
            outcome = Refusal(400, NOT_RUNNING).outcome
        except DiskFull as error:
            outcome = Refusal(507, f"insufficient storage: {error.strerror}").outcome
        return replace(outcome, origin=self._origin, seconds=time.perf_counter() - began)

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        """A channel to a terminal or a followed log, or why not."""
        del purpose
        try:
            sandbox, live = self._running(operation.sandbox)
            match operation.name:
                case "pty.connect":
                    return await terminal_of(live, operation).attach()
                case "session.follow":
                    session = session_of(live, operation)
                    return Follower(session.command(str(operation.arguments.get("command_id"))))
                case "interpreter.execute":
                    return Execution(partial(live.contexts.find, sandbox))
                case name:
                    return unsupported(name, self.name)
        except Refusal as refusal:
            return refusal.outcome
        except SandboxStopped:
            return Refusal(400, NOT_RUNNING).outcome

    async def _perform(self, operation: Operation) -> Outcome:
        area = operation.name.partition(".")[0]
        if operation.name in UNSUPPORTED or operation.kind.stream:
            return unsupported(operation.name, self.name)
        if area == "sandbox":
            return await self._sandbox(operation)
        sandbox, _ = self._running(operation.sandbox)
        if area == "process":
            return await commands.perform(sandbox, operation)
        if operation.name in ("fs.find", "fs.search", "fs.replace"):
            return await searching.perform(sandbox, operation)
        if area == "fs":
            return await files.perform(sandbox, operation)
        if area == "interpreter":
            return await self._live[sandbox.id].contexts.perform(sandbox, operation)
        if area == "git":
            return await git.perform(sandbox, operation)
        return await self._handlers[operation.name](sandbox, operation)

    # Sandboxes...

    async def _sandbox(self, operation: Operation) -> Outcome:
        arguments = operation.arguments
        if operation.name == "sandbox.create":
            return await lifecycle.create(self._sandboxes, arguments)
        if operation.name == "sandbox.list":
            return lifecycle.listing(self._sandboxes, arguments)
        sandbox = lifecycle.find(self._sandboxes, operation.sandbox)
        match operation.name:
            case "sandbox.get":
                return done(lifecycle.info(sandbox))
            case "sandbox.labels":
                return lifecycle.label(sandbox, arguments)
            case "sandbox.interval":
                return lifecycle.interval(sandbox, arguments)
            case "sandbox.preview":
                return await self._preview(sandbox, arguments.get("port"))
            case "sandbox.work_dir":
                return done(self._running(sandbox.id)[0].work_dir)
            case "sandbox.home_dir":
                return done(self._running(sandbox.id)[0].home_dir)
            case _:
                return await self._change(sandbox, operation.name)

    async def _change(self, sandbox: LocalSandbox, name: str) -> Outcome:
        """Start, stop, archive or delete: one at a time."""
        live = self._live.setdefault(sandbox.id, Live())
        if live.changing:
            raise Refusal(409, "Sandbox state change in progress")
        live.changing = True
        try:
            if name == "sandbox.start":
                return await lifecycle.start(sandbox)
            if name == "sandbox.archive":
                return lifecycle.archive(sandbox)
            self._previews.close(sandbox.id)
            live.sessions.clear()
            live.terminals.clear()
            live.contexts = Contexts()
            if name == "sandbox.stop":
                return await lifecycle.stop(sandbox)
            self._live.pop(sandbox.id, None)
            return await lifecycle.delete(self._sandboxes, sandbox)
        finally:
            live.changing = False

    async def _preview(self, sandbox: LocalSandbox, port: object) -> Outcome:
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            raise bad_request(f"port must be 1 to 65535, not {port!r}")
        return done(await self._previews.link(sandbox, port))

    def _running(self, id: str) -> tuple[LocalSandbox, Live]:
        sandbox = lifecycle.find(self._sandboxes, id)
        if sandbox.state != "started":
            raise Refusal(400, NOT_RUNNING)
        return sandbox, self._live.setdefault(sandbox.id, Live())

    # Sessions...

    async def _session_create(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        id = str(operation.arguments.get("session") or "")
        live = self._live[sandbox.id]
        if id == RESERVED_SESSION:
            raise bad_request(f"session id {id} is reserved")
        if id in live.sessions:
            raise Refusal(409, "conflict: session already exists")
        session = live.sessions[id] = Session(id, sandbox)
        try:
            await session.open()
        except OSError as error:
            live.sessions.pop(id, None)
            raise Refusal(500, f"failed to start the session's shell: {error.strerror}") from error
        return done(status=201)

    async def _session_list(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        del operation
        return done(tuple(session.info for session in self._live[sandbox.id].sessions.values()))

    async def _session_get(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        return done(session_of(self._live[sandbox.id], operation).info)

    async def _session_delete(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        session = session_of(self._live[sandbox.id], operation)
        del self._live[sandbox.id].sessions[session.id]
        await session.close()
        return done(status=204)

    async def _session_exec(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        text, later = operation.arguments.get("command"), operation.arguments.get("run_async") is True
        if not isinstance(text, str) or not text.strip():
            raise bad_request("command is required")
        try:
            session = session_of(self._live[sandbox.id], operation)
        except Refusal as error:
            raise Refusal(500, f"failed to execute command: {error}") from error
        quiet = operation.arguments.get("quiet_input") is True
        command = await session.run(text, reads_input=later, quiet_input=quiet)
        if later:
            return done(SessionExec(command_id=command.id), status=202)
        code = await command.finished()
        return done(SessionExec(command_id=command.id, marked=bytes(command.marked), exit_code=code))

    async def _session_command(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        session = session_of(self._live[sandbox.id], operation)
        return done(session.command(str(operation.arguments.get("command_id"))).info)

    async def _session_logs(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        session = session_of(self._live[sandbox.id], operation)
        return done(SessionLogs(marked=bytes(session.command(str(operation.arguments.get("command_id"))).marked)))

    async def _session_input(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        session = session_of(self._live[sandbox.id], operation)
        command = session.command(str(operation.arguments.get("command_id")))
        await session.write(command, str(operation.arguments.get("data") or ""))
        return done(status=204)

    # Terminals...

    async def _pty_create(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        arguments, terminals = operation.arguments, self._live[sandbox.id].terminals
        id = str(arguments.get("pty") or "")
        if not id:
            raise bad_request("PTY session id is required")
        if id in terminals and terminals[id].end is None:
            raise Refusal(409, f"conflict: PTY session {id} already exists")
        terminal = terminals[id] = Terminal(
            id,
            sandbox,
            cols=arguments.get("cols") or 80,
            rows=arguments.get("rows") or 24,
            cwd=arguments.get("cwd") or None,
            env=commands.environment(arguments.get("env")),
        )
        return done(terminal.info, status=201)

    async def _pty_list(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        del operation
        found: list[PtyInfo] = [each.info for each in self._live[sandbox.id].terminals.values() if each.end is None]
        return done(tuple(found))

    async def _pty_get(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        return done(terminal_of(self._live[sandbox.id], operation).info)

    async def _pty_delete(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        terminal = terminal_of(self._live[sandbox.id], operation)
        del self._live[sandbox.id].terminals[terminal.id]
        await terminal.close()
        return done(status=204)

    async def _pty_resize(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        id = str(operation.arguments.get("pty") or "")
        terminal = self._live[sandbox.id].terminals.get(id)
        if terminal is None:
            raise not_found(f"PTY session {id} not found")
        terminal.resize(operation.arguments.get("cols") or 80, operation.arguments.get("rows") or 24)
        return done(terminal.info)


def session_of(live: Live, operation: Operation) -> Session:
    """Raises Refusal."""
    try:
        return live.sessions[str(operation.arguments.get("session") or "")]
    except KeyError:
        raise not_found("session not found") from None


def terminal_of(live: Live, operation: Operation) -> Terminal:
    """A terminal that has not ended. Raises Refusal."""
    id = str(operation.arguments.get("pty") or "")
    terminal = live.terminals.get(id)
    if terminal is None or terminal.end is not None:
        raise not_found(f"PTY session {id} not found")
    return terminal


if TYPE_CHECKING:
    _: type[Backend] = LocalBackend
