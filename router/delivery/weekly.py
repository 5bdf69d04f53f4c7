"""Each week by itself: when its moment has come, the report of the week before goes to every target, once."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from crossfade.errors import CrossfadeError, SettingsError
from router.delivery.message import Message, Undelivered
from router.store.database import Database
from router.store.deliveries import delivered, mark_delivered

log = logging.getLogger("crossfade.delivery")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FIRST_RETRY, _LAST_RETRY = 60.0, 3_600.0


def due_week(moment: str, now: float) -> str:
    """The week whose report is due last, at a moment such as "monday 06:00" (UTC) of the week after it."""
    found = re.fullmatch(rf"({'|'.join(_DAYS)}) ([01]\d|2[0-3]):([0-5]\d)", moment)
    if found is None:
        raise SettingsError(f"report.send_at '{moment}' is no moment of a week; write monday 06:00")
    after = timedelta(days=_DAYS.index(found[1]), hours=int(found[2]), minutes=int(found[3]))
    return f"{datetime.fromtimestamp(now, UTC) - after - timedelta(days=7):%G-W%V}"


class Weekly:
    """Delivers what is due. A target that fails is tried again, later each time; the others do not wait for it."""

    def __init__(
        self,
        database: Database,
        targets: Mapping[str, Callable[[Message], None]],
        make: Callable[[str], Message],
        *,
        send_at: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._targets, self._make, self._send_at, self._now = database, targets, make, send_at, now
        self._retry: dict[str, tuple[float, float]] = {}  # target -> (not before, wait after that)
        self._made: tuple[str, Message] | None = None

    def step(self) -> Mapping[str, str]:
        """Deliver what is due now: by target "" or what went wrong. Raises SettingsError only."""
        now, week = self._now(), due_week(self._send_at, self._now())
        told: dict[str, str] = {}
        try:
            done = delivered(self._database, week)
        except CrossfadeError as error:
            log.warning("deliveries are not known", extra={"reason": str(error)})
            return {"store": str(error)}
        for name, deliver in self._targets.items():
            if name in done or now < self._retry.get(name, (0.0, 0.0))[0]:
                continue
            try:
                deliver(self._message(week))
                mark_delivered(self._database, week, name, now)
                self._retry.pop(name, None)
                told[name] = ""
                log.info("report delivered", extra={"week": week, "target": name})
            except CrossfadeError as error:
                wait = self._retry.get(name, (0.0, _FIRST_RETRY))[1]
                self._retry[name] = now + wait, min(_LAST_RETRY, 2 * wait)
                told[name] = str(error)
                log.warning("report not delivered", extra={"week": week, "target": name, "reason": str(error)})
        return told

    def _message(self, week: str) -> Message:
        """Made once, so that all targets get the same."""
        if self._made is None or self._made[0] != week:
            self._made = week, self._make(week)
        return self._made[1]


def send_all(message: Message, targets: Mapping[str, Callable[[Message], None]]) -> Mapping[str, str]:
    """Deliver now, whatever was delivered before: by target "" or what went wrong."""
    told = {}
    for name, deliver in targets.items():
        try:
            deliver(message)
            told[name] = ""
        except Undelivered as error:
            told[name] = str(error)
    return told
