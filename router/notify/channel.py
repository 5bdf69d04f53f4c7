"""Channels: each sends notices to one target in order, with patience, and in nobody's way."""

import asyncio
import logging
import random
from collections import Counter, deque
from dataclasses import dataclass, field

import httpx2

from crossfade.ports import Clock
from router.notify.alarms import Notice
from router.notify.bodies import request
from router.settings_watch import NotifySettings
from router.wire.limits import Bucket

log = logging.getLogger("crossfade.notify")
_SECONDS = 10.0  # for one attempt
_MOST_WAITING = 200  # notices of one channel; of more, the oldest go
_LONGEST_PAUSE = 300.0
_PASSING = frozenset((408, 425, 429))  # and what begins with 5: later it may be well


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to. The address of a Slack or Teams hook is itself a secret: it is in no text, log or representation."""

    kind: str  # slack, teams or webhook
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How one attempt ended. `again`: seconds after which another may do better; None: none would."""

    ok: bool
    said: str  # a status or the kind of an error; nothing of the address
    again: float | None = None


@dataclass(slots=True, eq=False)
class Channel:
    """One target's. `offer` never blocks; `run` sends until it is cancelled."""

    target: Target
    client: httpx2.AsyncClient
    clock: Clock
    per_minute: float = 20.0
    patience_seconds: float = 900.0  # for one notice, from its first attempt
    first_pause_seconds: float = 1.0  # doubled with each attempt
    chance: random.Random = field(default_factory=random.Random)
    results: Counter[str] = field(default_factory=Counter)  # sent, failed, dropped
    _waiting: deque[Notice] = field(default_factory=deque)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, notice: Notice) -> None:
        """Queue it. Never blocks: where too many wait, the oldest is dropped, counted."""
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self.results["dropped"] += 1
        self._waiting.append(notice)
        self._woken.set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        """Send what is offered, in order."""
        bucket = Bucket(self.clock, most=max(1.0, self.per_minute / 4), per_second=max(self.per_minute, 0.1) / 60)
        while True:
            if not self._waiting:
                self._woken.clear()
                await self._woken.wait()
            await bucket.wait()
            if self._waiting:  # a notice may have been dropped while we waited
                await self._deliver(self._waiting.popleft())

    async def _deliver(self, notice: Notice) -> None:
        until = self.clock.monotonic() + self.patience_seconds
        pause = self.first_pause_seconds
        while True:
            found = await self.send(notice)
            if found.ok:
                self.results["sent"] += 1
                return
            # Several routers that fail together shall not come back together.
            wait = max(found.again or 0.0, pause * self.chance.uniform(0.5, 1.5))
            if found.again is None or self.clock.monotonic() + wait > until:
                self.results["failed"] += 1
                told = {"target": self.target.kind, "alarm": notice.alarm.word, "reason": found.said}
                log.error("notice not delivered", extra=told)
                return
            await asyncio.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def send(self, notice: Notice) -> Sent:
        """One attempt."""
        body, headers = request(self.target.kind, notice, self.target.secret, self.clock.now())
        try:
            answer = await self.client.post(self.target.url, content=body, headers=headers, timeout=_SECONDS)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            # Its text may hold the address.
            return Sent(ok=False, said=type(error).__name__, again=0.0)
        if answer.status_code < 300:
            return Sent(ok=True, said=str(answer.status_code))
        passing = answer.status_code in _PASSING or answer.status_code >= 500
        return Sent(ok=False, said=f"status {answer.status_code}", again=_retry_after(answer) if passing else None)


def targets_of(settings: NotifySettings) -> list[Target]:
    """Those that are set."""
    found = [
        Target(kind="slack", url=settings.slack_url),
        Target(kind="teams", url=settings.teams_url),
        Target(kind="webhook", url=settings.webhook_url, secret=settings.webhook_secret),
    ]
    return [each for each in found if each.url]


def client() -> httpx2.AsyncClient:
    """One for all targets. It follows no redirects: a notice goes where the settings say."""
    # It logs every address at INFO, and these addresses are secrets.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    return httpx2.AsyncClient(follow_redirects=False)


def _retry_after(answer: httpx2.Response) -> float:
    try:
        return min(_LONGEST_PAUSE, max(0.0, float(answer.headers.get("Retry-After", "0"))))
    except ValueError:
        return 0.0
