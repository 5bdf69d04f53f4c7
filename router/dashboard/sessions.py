"""Sign-ins, in memory: a restart of the dashboard signs everybody out."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from router.dashboard.users import Role

_MOST = 1_000  # sessions; the one that was idle longest goes


@dataclass(slots=True)
class Session:
    """Somebody who has signed in. `csrf` stands in every form of theirs."""

    name: str
    made_at: float  # of the user: another password ends the session
    began: float
    seen: float
    role: Role | None = None  # as an identity provider had it at the sign-in; None: as the file of users has it
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


@dataclass(slots=True)
class Sessions:
    """Sessions by the value of their cookie."""

    session_seconds: float
    idle_seconds: float
    now: Callable[[], float]  # monotonic
    _held: dict[str, Session] = field(default_factory=dict)

    def begin(self, name: str, made_at: float, role: Role | None = None) -> str:
        """Sign somebody in; the cookie's value, which nobody can guess and which was never used before."""
        if len(self._held) >= _MOST:
            del self._held[min(self._held, key=lambda each: self._held[each].seen)]
        value, now = secrets.token_urlsafe(32), self.now()
        self._held[value] = Session(name, made_at, now, now, role)
        return value

    def of(self, value: str) -> Session | None:
        """The session, unless it has ended: too old, or idle too long."""
        found, now = self._held.get(value), self.now()
        if found is None:
            return None
        if now - found.began > self.session_seconds or now - found.seen > self.idle_seconds:
            del self._held[value]
            return None
        found.seen = now
        return found

    def end(self, value: str) -> None:
        """Sign out."""
        self._held.pop(value, None)
