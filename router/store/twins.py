"""Twins on disk: a row is durable before its caller goes on, and callers who wait at once share one commit."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from crossfade.errors import Unreachable
from crossfade.twin import TwinRow
from router.store import schema
from router.store.bulk import BulkInsert
from router.store.database import Database
from router.store.rows import twin_of, twin_text

_SAVE = BulkInsert(schema.twins, replaces=("dirty", "body"))


@dataclass(slots=True, eq=False)
class _Change:
    """One change and who waits for it."""

    apply: Callable[[Connection], None]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]


class SqlTwins:
    """Rows of twins. Every method returns once the change is on disk; raises Unreachable when it is not."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes: SimpleQueue[_Change | None] = SimpleQueue()
        self.commits = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="crossfade twins", daemon=True)
        self._thread.start()

    async def load(self) -> Sequence[TwinRow]:
        """Every row."""
        return await asyncio.to_thread(self._load)

    async def save(self, row: TwinRow) -> None:
        """Insert or replace one row."""
        values = [(row.id, row.dirty, twin_text(row))]  # made here, so that a bad row fails its own caller only
        await self._commit(lambda connection: _SAVE.run(connection, values))

    async def mark_dirty(self, twin: str, dirty: bool) -> None:
        """Set the dirty mark. Raises LookupError for a twin that was never saved."""
        found: list[bool] = []

        def mark(connection: Connection) -> None:
            statement = update(schema.twins).where(schema.twins.c.id == twin).values(dirty=dirty)
            found.append(connection.execute(statement).rowcount > 0)

        await self._commit(mark)
        if not found[-1]:
            raise LookupError(f"twin '{twin}' is not in the store, so it cannot be marked; save its row first")

    def close(self) -> None:
        """Write what waits, then stop."""
        self._closed = True
        self._changes.put(None)
        self._thread.join()

    def _load(self) -> list[TwinRow]:
        with self._database.reading() as connection:
            return [twin_of(row.body, dirty=row.dirty) for row in connection.execute(select(schema.twins))]

    async def _commit(self, apply: Callable[[Connection], None]) -> None:
        if self._closed:
            raise Unreachable(f"store '{self._database.name}' is closed")
        loop = asyncio.get_running_loop()
        change = _Change(apply=apply, loop=loop, done=loop.create_future())
        self._changes.put(change)
        await change.done

    # The writer's thread...

    def _run(self) -> None:
        while True:
            waiting = [self._changes.get()]
            while True:
                try:
                    waiting.append(self._changes.get_nowait())
                except Empty:
                    break
            changes = [change for change in waiting if change is not None]
            if changes:
                self._write(changes)
            if len(changes) < len(waiting):
                return

    def _write(self, changes: Sequence[_Change]) -> None:
        error: BaseException | None = None
        try:
            with self._database.writing_durably() as connection:
                for change in changes:
                    change.apply(connection)
            self.commits += 1
        except Exception as failure:  # handed to those who wait
            error = failure
        for change in changes:
            try:
                change.loop.call_soon_threadsafe(_tell, change.done, error)
            except RuntimeError:
                pass  # the loop of the caller has been closed: nobody waits any more


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():
        return  # its caller was cancelled
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


if TYPE_CHECKING:
    from crossfade.ports import Twins

    _: type[Twins] = SqlTwins
