"""Settle: make the follower's paths equal to the seat's, by copy. Clients never wait for it; the seat always wins."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace

from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome
from crossfade.results import Content, ExecResult, FileInfo
from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamFailed
from router.twins import scan
from router.twins.paths import inside
from router.twins.sides import Sides, discard
from router.twins.state import Settling, Token, Twin
from router.twins.throttle import Throttle

log = logging.getLogger("crossfade.settle")
_NOT_RUNNING = "Is the Sandbox started?"
_TRIES = 3
_SECONDS = 120.0
_MANY = 200  # paths touched, from which all tokens are dropped instead of each


class SettleFailed(Exception):
    """A side could not be read or written; the twin stays dirty and is tried again.

    `parked`: the side that does not run: stopped, or paused by its provider.
    """

    def __init__(self, message: str, *, parked: Origin | None = None) -> None:
        super().__init__(message)
        self.parked = parked


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a full settle did. `clean`: the trees are equal and nothing moved meanwhile."""

    clean: bool
    copied: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Settler:
    """Copies state from seat to follower through the backends."""

    sides: Sides
    roots: tuple[str, ...]
    pace: Throttle | None = None  # of sandboxes older than the router

    async def path(self, twin: Twin, path: str) -> bool:
        """Make one path equal and keep its token. False: it moved meanwhile (churning), or something overlapped."""
        only = frozenset((path,))
        if not inside(path, self.roots) or twin.settles(path):
            return False
        settling = Settling(path)
        twin.settling.append(settling)
        try:
            for _ in range(_TRIES):
                if twin.open_mutations(only) or twin.late_paths(only, self.sides.clock.monotonic()):
                    return False
                before = await self._token(twin, path)
                known = path not in twin.dirty_paths
                # Until it is proven, what is brought may be older than what is there, and reads see it half written.
                twin.dirty_paths.add(path)
                twin.drop_tokens(only)
                copied = await self._copy(twin, path, before)
                after = await self._token(twin, path)
                if settling.overlapped:
                    return False
                if copied and before == after:
                    self._equal(twin, path, after, known=known)
                    return True
            return False
        finally:
            twin.settling.remove(settling)

    def _equal(self, twin: Twin, path: str, token: Token | None, *, known: bool) -> None:
        if token is not None:
            twin.tokens[path] = token
        _, _, _, is_dir = token or (0, 0, 0, False)
        # A directory's copy is the directory alone: what is below it, if it was in doubt, still is.
        if known or not is_dir:
            twin.dirty_paths.discard(path)

    async def _token(self, twin: Twin, path: str) -> Token | None:
        outcome = await self._seat(twin, Operation(name="fs.info", arguments={"path": path}))
        if outcome.status == 404:
            return None
        return token_of(carried_out(outcome).value)

    async def _copy(self, twin: Twin, path: str, token: Token | None) -> bool:
        """False: it moved while it was read."""
        if token is None:
            outcome = await self._follower(
                twin, Operation(name="fs.delete", arguments={"path": path, "recursive": True})
            )
            if outcome.status != 404:
                carried_out(outcome)
            return True
        _, _, mode, is_dir = token
        if is_dir:
            made = Operation(name="fs.mkdir", arguments={"path": path, "mode": f"{mode:o}"})
            carried_out(await self._follower(twin, made))
        elif not await self._copy_bytes(twin, path):
            return False
        set_mode = Operation(name="fs.chmod", arguments={"path": path, "mode": f"{mode:o}", "owner": "", "group": ""})
        carried_out(await self._follower(twin, set_mode))
        return True

    async def _copy_bytes(self, twin: Twin, path: str, *, digest: str = "") -> bool:
        """False: it went away, or is not what the scan saw any more."""
        source = await self._seat(twin, Operation(name="fs.download", arguments={"path": path}))
        if source.status == 404 and twin.hot:
            return False
        content = carried_out(source).value
        if not isinstance(content, Content):
            raise SettleFailed(f"download of a file gave {type(content).__name__}")
        passage = _Passage(content, self.pace if twin.row.bypass else None)
        try:
            body = aiter(passage)
            outcome = await self._follower(twin, Operation(name="fs.upload", arguments={"path": path}, body=body))
        except UpstreamFailed:
            if passage.broken is None:
                raise
        finally:
            await discard(source)
        if passage.broken is not None:
            # A file that shrinks meanwhile does that; whatever the follower said of it, it is not its failure.
            if twin.hot:
                return False
            raise SettleFailed(f"{path} could not be read whole: {passage.broken}"[:300])
        carried_out(outcome)
        return not digest or passage.hash.hexdigest() == digest

    async def everything(self, twin: Twin) -> Settled:
        """Make all roots equal, deletes included. Raises SettleFailed."""
        whole = [Settling(root) for root in self.roots]
        gen, mutations, dirty = twin.gen, twin.mutations, set(twin.dirty_paths)
        if twin.settling or any(call.mutates for call in twin.open.values()):
            return Settled(clean=False, copied=0, deleted=0)
        twin.settling.extend(whole)
        try:
            seat, follower = await asyncio.gather(
                self._scan(twin, twin.seat),
                self._scan(twin, twin.seat.other),
            )
            plan = scan.plan(seat, follower, self.roots)
            moved = not plan.empty and not await self._apply(twin, plan, seat, mutations)
            moved = moved or any(settling.overlapped for settling in whole) or twin.mutations != mutations
            if moved or twin.gen != gen:
                return Settled(clean=False, copied=len(plan.copy), deleted=len(plan.delete))
            # Paths outside the roots stay dirty: the seat answers them. "/" stands for "somewhere below".
            now = self.sides.clock.monotonic()
            late = {path for path in dirty if twin.late_paths(frozenset((path,)), now)}
            twin.dirty_paths -= {path for path in dirty if path == "/" or inside(path, self.roots)} - late
            if not twin.hot:
                twin.clean_gen = gen
            return Settled(clean=True, copied=len(plan.copy), deleted=len(plan.delete))
        finally:
            for settling in whole:
                twin.settling.remove(settling)

    async def differing(self, twin: Twin) -> tuple[str, ...]:
        """Paths below the roots that differ now, by content, kind or mode. Changes nothing. Raises SettleFailed."""
        seat, follower = await asyncio.gather(self._scan(twin, twin.seat), self._scan(twin, twin.seat.other))
        plan = scan.plan(seat, follower, self.roots)
        return tuple(sorted({*plan.copy, *plan.directories, *plan.links, *plan.modes, *plan.delete}))

    async def _apply(self, twin: Twin, plan: scan.Plan, seat: Mapping[str, scan.Entry], mutations: int) -> bool:
        """False: a write admitted since the scan began may be newer than what we read, or a file moved."""
        touched = frozenset((*plan.delete, *plan.copy))
        if len(touched) > _MANY:
            twin.tokens.clear()
        else:
            twin.drop_tokens(touched)
        whole = await self._run(twin, scan.before(plan), mutations)
        for path in plan.copy:
            if twin.mutations != mutations:
                return False
            whole = await self._copy_bytes(twin, path, digest=seat[path].digest) and whole
        # A file that went away has no mode to be set: modes wait for the round in which nothing moved.
        return whole and await self._run(twin, scan.after(plan), mutations)

    async def _run(self, twin: Twin, texts: Iterator[str], mutations: int) -> bool:
        for text in texts:
            if twin.mutations != mutations:
                return False
            result = carried_out(await self._follower(twin, shell(text))).value
            if not isinstance(result, ExecResult) or result.exit_code != 0:
                raise SettleFailed(f"follower could not apply changes: {result!r:.300}")
        return True

    async def _scan(self, twin: Twin, origin: Origin) -> dict[str, scan.Entry]:
        outcome = await self.sides.perform(
            twin, origin, shell(scan.command(self.roots)), Purpose.SETTLE, seconds=_SECONDS
        )
        result = carried_out(outcome).value
        if not isinstance(result, ExecResult):
            raise SettleFailed("scan gave no output")
        try:
            found = dict(scan.read(result.output))
        except ValueError as error:
            raise SettleFailed(str(error)) from None
        for root in self.roots:
            if root not in found:
                await self._check_absent(twin, origin, root)
        return found

    async def _check_absent(self, twin: Twin, origin: Origin, root: str) -> None:
        """A root that commands do not see must not be there for file calls either, or nothing would look like equal."""
        info = Operation(name="fs.info", arguments={"path": root})
        outcome = await self.sides.perform(twin, origin, info, Purpose.SETTLE, seconds=_SECONDS)
        if outcome.status != 404:
            raise SettleFailed(f"commands on {origin} do not see {root}, which file calls do ({outcome.status})")

    async def _seat(self, twin: Twin, operation: Operation) -> Outcome:
        return await self.sides.perform(twin, twin.seat, operation, Purpose.SETTLE, seconds=_SECONDS)

    async def _follower(self, twin: Twin, operation: Operation) -> Outcome:
        lost = True
        try:
            outcome = await self.sides.perform(twin, twin.seat.other, operation, Purpose.SETTLE, seconds=_SECONDS)
            lost = outcome.fate is Fate.UNKNOWN
        finally:
            if lost:  # also where we are called off: what was sent is under way
                self.sides.lost(twin, operation)
        return outcome


def shell(text: str) -> Operation:
    """Shell text to run as our own work."""
    return Operation(name="process.exec", arguments={"command": text, "cwd": "/", "env": {}, "timeout": None})


def token_of(info: FileInfo) -> Token:
    """What a validated read compares: (size, modified ns, mode, is_dir)."""
    return (0 if info.is_dir else info.size, info.modified_ns, info.mode, info.is_dir)


def carried_out(outcome: Outcome) -> Outcome:
    if not outcome.ok:
        parked = outcome.origin if _NOT_RUNNING in outcome.message else None
        raise SettleFailed(f"{outcome.origin}: {outcome.status} {outcome.code}: {outcome.message}"[:300], parked=parked)
    return outcome


class _Passage:
    """Bytes on their way from the seat to the follower: their digest, and whether the reading broke off."""

    def __init__(self, content: Content, pace: Throttle | None) -> None:
        self.hash = hashlib.sha256()
        self.broken: UpstreamFailed | None = None
        self._content, self._pace = content, pace

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._content.stream:
                self.hash.update(chunk)
                yield chunk
                if self._pace is not None:
                    await self._pace.take(len(chunk))
        except UpstreamFailed as error:
            self.broken = error
            raise


def rejoin(twin: Twin) -> None:
    """After a crash or a detached time: nothing the follower holds is trusted until a full settle."""
    twin.gen += 1
    twin.clean_gen = -1
    twin.hot = True
    twin.tokens.clear()
    twin.row = replace(twin.row, dirty=True)
