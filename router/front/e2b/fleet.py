"""The embedded sandboxes as E2B's control plane sees them: ids, lifetimes, tokens, pause and resume."""

import asyncio
import hashlib
import logging
import random
import secrets
import string
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from weakref import WeakValueDictionary

from router.backends.local.sandboxes import LocalSandbox, LocalSandboxes
from router.front.e2b.messages import ApiError
from router.tasks import spawn

log = logging.getLogger("crossfade.e2b")

LONGEST_RUN_SECONDS = 24 * 3600  # without a pause, as E2B's larger plan has it
RESUME_SECONDS = 300  # a resume that names no timeout, and the least an auto-resume gives
_WAY_IN = ("maskRequestHost", "allowPublicTraffic", "httpsPorts")


@dataclass(slots=True, kw_only=True)
class Card:
    """What the control plane knows of a sandbox beyond its files; kept in the sandbox's meta."""

    template: str
    metadata: dict[str, str] = field(default_factory=dict)
    started_at: float = 0.0
    end_at: float = 0.0
    timeout: int = RESUME_SECONDS
    auto_pause: bool = False
    auto_resume: bool = False
    paused: bool = False
    token: str = ""  # envd's access token; empty: not asked for
    traffic_token: str = ""  # empty: ports are public
    network: dict[str, Any] = field(default_factory=dict)
    internet: bool | None = None
    idempotency_key: str = ""
    request_digest: str = ""


class Fleet:
    """Creates, pauses, resumes and ends sandboxes, and ends them when their time is over.

    A pause keeps the files and stops the processes: memory is not kept, so a resumed sandbox has none of the processes
    that ran before. E2B calls that a filesystem-only pause; here every pause is one.
    """

    def __init__(
        self,
        sandboxes: LocalSandboxes,
        *,
        templates: Collection[str] | None = None,
        stopped: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sandboxes = sandboxes
        self._templates = templates
        self._stopped = stopped  # told when a sandbox's processes are about to end
        self._now = now
        self._cards: dict[str, Card] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        # By sandbox id and by idempotency key; a lock goes with the last call that uses it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._creates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Take up the sandboxes found on disk. One whose processes did not survive a restart is paused."""
        for sandbox in self._sandboxes.all():
            if (stored := sandbox.meta.get("e2b")) is None:
                continue
            card = _card(stored)
            card.paused = card.paused or sandbox.state != "started"
            self._cards[sandbox.id] = card
            self._arm(sandbox.id)

    async def close(self) -> None:
        """Stop the timers. The sandboxes are the registry's to close."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def get(self, id: str) -> tuple[LocalSandbox, Card]:
        """The sandbox, running or paused. Raises ApiError 404."""
        if id not in self._cards:
            raise ApiError(404, f"sandbox \"{id}\" doesn't exist or you don't have access to it")
        return self._sandboxes.get(id), self._cards[id]

    def all(self) -> Iterator[tuple[str, Card]]:
        """Every sandbox, running or paused."""
        yield from self._cards.items()

    def template(self, name: str) -> str:
        """The template's id. Raises ApiError 404."""
        if not name or (self._templates is not None and name not in self._templates):
            raise ApiError(404, f"template '{name}' not found")
        return name

    async def create(
        self, card: Card, env: Mapping[str, str], *, idempotency_key: str, request: bytes
    ) -> tuple[LocalSandbox, Card]:
        """A new running sandbox, or the one that the same key made before. Raises ApiError."""
        self.template(card.template)
        if not 0 < card.timeout <= LONGEST_RUN_SECONDS:
            raise ApiError(400, f"Timeout must be between 1 and {LONGEST_RUN_SECONDS} seconds, not {card.timeout}")
        if not idempotency_key:
            return await self._create(card, env)
        lock = self._creates.setdefault(idempotency_key, asyncio.Lock())
        async with lock:
            digest = hashlib.sha256(request).hexdigest()
            for id, known in self._cards.items():
                if known.idempotency_key == idempotency_key:
                    if known.request_digest != digest:
                        raise ApiError(409, "this Idempotency-Key was used for a create with another body")
                    return self.get(id)
            card.idempotency_key, card.request_digest = idempotency_key, digest
            return await self._create(card, env)

    async def resume(self, id: str, timeout: int | None) -> bool:
        """Make it run and give it at least `timeout` seconds; True when it was paused. Raises ApiError."""
        async with self._lock(id):
            sandbox, card = self.get(id)
            if not card.paused:
                if timeout is not None:
                    self._end_in(id, timeout, only_later=True)
                return False
            await sandbox.start()
            card.paused, card.started_at = False, self._now()
            self._end_in(id, RESUME_SECONDS if timeout is None else timeout)
            return True

    async def pause(self, id: str) -> None:
        """Keep the files, stop the processes. Raises ApiError 409 when it is paused."""
        async with self._lock(id):
            sandbox, card = self.get(id)
            if card.paused:
                raise ApiError(409, f'sandbox "{id}" is already paused')
            await self._pause(sandbox, card)

    async def delete(self, id: str) -> None:
        """End it and its files. Raises ApiError 404."""
        async with self._lock(id):
            self.get(id)
            await self._delete(id)

    def set_timeout(self, id: str, seconds: int, *, only_later: bool = False) -> None:
        """The sandbox ends in so many seconds from now. Raises ApiError 404, also for a paused one."""
        _, card = self.get(id)
        if card.paused:
            raise ApiError(404, f'sandbox "{id}" is not running')
        self._end_in(id, seconds, only_later=only_later)

    def set_network(self, id: str, network: dict[str, Any]) -> None:
        """Remember the rules. Inside a view no other machine is reached, whatever they are. Raises ApiError."""
        sandbox, card = self.get(id)
        if card.paused:
            raise ApiError(409, f'sandbox "{id}" is paused')
        # Rules of the way out are replaced; what was said of the way in at birth stays.
        kept = {name: each for name, each in card.network.items() if name in _WAY_IN}
        card.network = kept | {name: each for name, each in network.items() if name != "allow_internet_access"}
        allowed = network.get("allow_internet_access")
        card.internet = self.internet(allowed if isinstance(allowed, bool) else True)
        self._save(sandbox, card)

    def internet(self, wanted: bool | None) -> bool | None:
        """What is true of a sandbox that is to have it, or not: without a view nothing keeps its processes in."""
        return True if wanted is False and not self._sandboxes.has_view else wanted

    # Below: helpers, in the order they are called.

    async def _create(self, card: Card, env: Mapping[str, str]) -> tuple[LocalSandbox, Card]:
        id = _new_id()
        card.internet = self.internet(card.internet)
        card.started_at = self._now()
        card.end_at = card.started_at + card.timeout
        sandbox = await self._sandboxes.create(id=id, env=env, meta={"e2b": asdict(card)})
        self._cards[id] = card
        self._arm(id)
        return sandbox, card

    async def _pause(self, sandbox: LocalSandbox, card: Card) -> None:
        card.paused = True
        self._disarm(sandbox.id)
        self._stopped(sandbox.id)
        await sandbox.stop()
        self._save(sandbox, card)

    async def _delete(self, id: str) -> None:
        del self._cards[id]
        self._disarm(id)
        self._stopped(id)
        await self._sandboxes.delete(id)

    def _end_in(self, id: str, seconds: int, *, only_later: bool = False) -> None:
        if seconds < 0:
            raise ApiError(400, f"timeout must not be negative, it is {seconds}")
        sandbox, card = self.get(id)
        end_at = min(self._now() + seconds, card.started_at + LONGEST_RUN_SECONDS)
        card.end_at = max(end_at, card.end_at) if only_later else end_at
        self._save(sandbox, card)
        self._arm(id)

    def _arm(self, id: str) -> None:
        self._disarm(id)
        card = self._cards[id]
        if not card.paused:
            wait = max(0.0, card.end_at - self._now())
            loop = asyncio.get_running_loop()
            self._timers[id] = loop.call_later(wait, lambda: spawn(self._time_over(id), name=f"e2b end of {id}"))

    def _disarm(self, id: str) -> None:
        if timer := self._timers.pop(id, None):
            timer.cancel()

    async def _time_over(self, id: str) -> None:
        async with self._lock(id):
            card = self._cards.get(id)
            if card is None or card.paused or card.end_at > self._now() + 0.05:
                return  # ended, paused or extended while the timer fired
            log.info("sandbox reached its end", extra={"sandbox": id, "auto_pause": card.auto_pause})
            if card.auto_pause:
                await self._pause(self._sandboxes.get(id), card)
            else:
                await self._delete(id)

    def _save(self, sandbox: LocalSandbox, card: Card) -> None:
        sandbox.meta["e2b"] = asdict(card)
        sandbox.save()

    def _lock(self, id: str) -> asyncio.Lock:
        return self._locks.setdefault(id, asyncio.Lock())


def new_token() -> str:
    """A secret for envd or for ports."""
    return secrets.token_hex(20)


def _new_id() -> str:
    # Ids need to be unlike each other, not secret: every data-plane call needs the access token too.
    return "i" + "".join(random.choices(string.ascii_lowercase + string.digits, k=20))


def _card(stored: Mapping[str, Any]) -> Card:
    known = {one.name for one in fields(Card)}
    return Card(**{name: value for name, value in stored.items() if name in known})
