"""Answers of origins that are kept for a while, so that a page with a hundred parts asks once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from crossfade.ports import Clock
from router import tasks

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_MOST = 20_000


@dataclass(slots=True)
class _Kept(Generic[V]):
    asking: "asyncio.Task[_Got[V]]"
    at: float  # monotonic, when it was asked
    until: float  # monotonic; as long as it is being asked: for ever


@dataclass(frozen=True, slots=True)
class _Got(Generic[V]):
    value: V | None
    error: Exception | None


@dataclass(slots=True, eq=False)
class Remembered(Generic[K, V]):
    """Values by key. Callers at once share one question, and one that goes away takes it from nobody else."""

    clock: Clock
    seconds: Callable[[V], float]  # how long a value is kept; an error never is
    kept: dict[K, _Kept[V]] = field(default_factory=dict)

    async def get(self, key: K, ask: Callable[[], Awaitable[V]], *, asked_after: float = float("-inf")) -> V:
        """The value as kept, or as asked now: anew where it was asked before `asked_after` (monotonic)."""
        kept = self.kept.get(key)
        now = self.clock.monotonic()
        if kept is None or kept.until <= now or (kept.at < asked_after and kept.asking.done()):
            kept = self._ask(key, ask, now)
        got = await asyncio.shield(kept.asking)
        if got.error is not None:
            raise got.error
        assert got.value is not None
        return got.value

    def asked_at(self, key: K) -> float:
        """When the value that is kept was asked for, monotonic; never: minus infinity."""
        kept = self.kept.get(key)
        return float("-inf") if kept is None else kept.at

    def forget(self, key: K) -> None:
        """Ask anew at the next use. Who waits for an answer that is on its way gets that one."""
        self.kept.pop(key, None)

    def _ask(self, key: K, ask: Callable[[], Awaitable[V]], now: float) -> _Kept[V]:
        while len(self.kept) >= _MOST:
            del self.kept[next(iter(self.kept))]
        kept: _Kept[V]

        async def asking() -> _Got[V]:
            try:
                value = await ask()
            except Exception as error:
                # As a value: many may wait for it, or nobody any more, and a failed task would be logged.
                if self.kept.get(key) is kept:
                    del self.kept[key]
                return _Got(None, error)
            kept.until = self.clock.monotonic() + self.seconds(value)
            return _Got(value, None)

        task = tasks.spawn(asking(), name="preview question", awaited=True)
        kept = _Kept(task, now, float("inf"))
        self.kept.pop(key, None)  # the newest stand last
        self.kept[key] = kept
        return kept
