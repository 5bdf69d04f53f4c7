"""Migration events: how both sides did, told to LaunchDarkly, so that its own migration charts show it.

Made of compared calls, sampled, on a thread of its own: no call waits for them, and what does not fit is
counted and left out.
"""

import logging
import queue
import random
import threading
from collections.abc import Callable
from datetime import timedelta

from ldclient.client import LDClient
from ldclient.migrations import Operation, Origin, Stage

from crossfade.decision import Subject
from crossfade.operation import Effect
from crossfade.outcome import Fate
from crossfade.record import Record
from crossfade.stage import Origin as Side
from router.flags import schema
from router.flags.sdk import context

log = logging.getLogger("crossfade.flags")
_WAITING = 1_000
_CLOSE_SECONDS = 2.0
_ORIGINS = {Side.OLD: Origin.OLD, Side.NEW: Origin.NEW}


class MigrationEvents:
    """Takes records; `note` never blocks."""

    def __init__(
        self, client: Callable[[], LDClient | None], share: float, *, chance: Callable[[], float] = random.random
    ) -> None:
        self._client, self._share, self._chance = client, share, chance
        self._waiting: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="migration events", daemon=True)
        self.sent = self.lost = 0

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def note(self, record: Record) -> None:
        """Send it, if it was compared and chance will have it."""
        if record.matched is None or self._chance() >= self._share:
            return
        if self._waiting.qsize() >= _WAITING:
            self.lost += 1
        else:
            self._waiting.put(record)

    def close(self) -> None:
        """Send what waits, within seconds. The SDK's client, closed after this, flushes it."""
        self._waiting.put(None)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while (record := self._waiting.get()) is not None:
            try:
                client = self._client()
                if client is not None:
                    self._send(client, record)
            except Exception as error:  # an edge: charts are no reason to stop
                log.warning("migration event not sent", extra={"reason": type(error).__name__})

    def _send(self, client: LDClient, record: Record) -> None:
        subject = Subject(routing_key=record.routing_key, organization=record.organization, bucket=record.bucket)
        key = schema.key_of(record.tool)
        _, tracker = client.migration_variation(key, context(subject), Stage.OFF)
        tracker.operation(Operation.READ if record.effect == Effect.READ else Operation.WRITE)
        answering = Side(record.answering)
        for side, seconds, fate in (
            (answering, record.origin_seconds, record.fate),
            (answering.other, record.shadow_seconds, record.shadow_fate),
        ):
            origin = _ORIGINS[side]
            tracker.invoked(origin)
            tracker.latency(origin, timedelta(seconds=seconds))
            if fate != Fate.OK:
                tracker.error(origin)
        tracker.consistent(lambda: bool(record.matched))
        client.track_migration_op(tracker)
        self.sent += 1
