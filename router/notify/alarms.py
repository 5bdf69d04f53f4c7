"""Alarms: what needs somebody, each raised once and resolved once."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_CALM_LOOKS = 2  # an alarm that is away for one look only has not been resolved


class Severity(StrEnum):
    """PAGE: somebody now. TICKET: somebody today. NEWS: somebody may act."""

    PAGE = "page"
    TICKET = "ticket"
    NEWS = "news"


class Event(StrEnum):
    """What became of an alarm."""

    RAISED = "raised"
    RESOLVED = "resolved"
    TEST = "test"


# What each alarm is, by the word that it is known by everywhere: docs/operations.md has what to do.
KNOWN: Mapping[str, tuple[Severity, str]] = {
    "ramp-stepped-back": (Severity.PAGE, "A ramp stepped back to shadow"),
    "ramp-back": (Severity.PAGE, "A ramp would step back to shadow, and waits for a person"),
    "ramp-halted": (Severity.TICKET, "A ramp halted: data is missing or cannot be trusted"),
    "ramp-ready": (Severity.NEWS, "A ramp is ready for its next step, and waits for a person"),
    "killed": (Severity.PAGE, "The kill switch is on: every tool is off"),
    "flags-unread": (Severity.PAGE, "Flags cannot be read; the last good ones stay"),
    "breaker-open": (Severity.PAGE, "Followers of this origin are left alone after failures"),
    "settles-failing": (Severity.TICKET, "Followers are behind: settling them fails"),
    "quarantined": (Severity.TICKET, "A side came back older than it was left and is quarantined"),
    "changes-lost": (Severity.PAGE, "Changes were left behind when a seat was taken"),
    "held": (Severity.TICKET, "Sandboxes are held where they are"),
    "dropped": (Severity.TICKET, "Comparing does not keep up: calls that were due are dropped"),
    "records-lost": (Severity.TICKET, "Records of calls were lost"),
    "budget-near": (Severity.TICKET, "Followers have nearly used up their hours of today"),
    "budget-spent": (Severity.PAGE, "Followers have used up their hours of today: no more are made"),
    "deletes-overdue": (Severity.TICKET, "Deletes fail: their provider goes on billing"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that needs somebody. `word` is one of KNOWN; `of`: which origin or tool; never a sandbox or a path."""

    word: str
    of: str = ""
    count: int = 1
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told of an alarm. `id` stays the same however often it is sent."""

    id: str
    event: Event
    alarm: Alarm
    at: float  # Unix seconds
    since: float  # when the alarm was raised
    router: str

    @property
    def severity(self) -> Severity:
        return _known(self.alarm.word)[0]

    @property
    def text(self) -> str:
        """One line for people."""
        alarm = self.alarm
        of = f" ({alarm.of})" if alarm.of else ""
        count = f", {alarm.count:,}" if alarm.count > 1 else ""
        detail = f": {alarm.detail}" if alarm.detail and self.event is not Event.RESOLVED else ""
        return f"[{self.event}] {_known(alarm.word)[1]}{of}{count}{detail}"


@dataclass(slots=True)
class Watch:
    """Compares each look with those before."""

    router: str
    make_id: Callable[[], str] = lambda: uuid.uuid4().hex
    _raised: dict[tuple[str, str], tuple[Alarm, float, int]] = field(default_factory=dict)  # alarm, since, calm looks

    def changes(self, alarms: Iterable[Alarm], now: float) -> list[Notice]:
        """What is new and what is over. An alarm that stays, whatever its count, says nothing again."""
        seen = {(each.word, each.of): each for each in alarms}
        notices = []
        for key, alarm in seen.items():
            since = self._raised[key][1] if key in self._raised else now
            if key not in self._raised:
                notices.append(self._notice(Event.RAISED, alarm, now, since))
            self._raised[key] = alarm, since, 0
        for key, (alarm, since, calm) in list(self._raised.items()):
            if key in seen:
                continue
            if calm + 1 < _CALM_LOOKS:
                self._raised[key] = alarm, since, calm + 1
                continue
            del self._raised[key]
            notices.append(self._notice(Event.RESOLVED, alarm, now, since))
        return notices

    @property
    def raised(self) -> Mapping[str, int]:
        """How many alarms of each word are raised; every word that there is."""
        found = dict.fromkeys(KNOWN, 0)
        for word, _ in list(self._raised):
            found[word] = found.get(word, 0) + 1
        return found

    def _notice(self, event: Event, alarm: Alarm, now: float, since: float) -> Notice:
        return Notice(id=self.make_id(), event=event, alarm=alarm, at=now, since=since, router=self.router)


def trial(router: str, now: float) -> Notice:
    """What `crossfade notify test` sends."""
    alarm = Alarm(word="test", detail="sent by `crossfade notify test`")
    return Notice(id=uuid.uuid4().hex, event=Event.TEST, alarm=alarm, at=now, since=now, router=router)


def _known(word: str) -> tuple[Severity, str]:
    return KNOWN.get(word, (Severity.NEWS, "Alerts of crossfade come here"))
