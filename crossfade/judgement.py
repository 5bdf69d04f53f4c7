"""Judgements: what people said of kinds of difference."""

from dataclasses import dataclass
from enum import StrEnum


class Saying(StrEnum):
    """What was said."""

    ACCEPT = "accept"  # this kind, by its name: meant to differ
    IGNORE = "ignore"  # a rule: kinds whose names fit, until a day
    FIXED = "fixed"  # this kind: seen again after this, it has come back
    REOPEN = "reopen"  # takes back what was said of this kind, or this rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One thing said, never changed after: the newest of a subject holds."""

    at: float  # Unix seconds
    saying: Saying
    subject: str  # a signature, or the pattern of a rule
    author: str
    reason: str
    owner: str = ""  # of a rule: who is asked when it runs out
    severity: str = ""  # of an accepted kind at that time: one that got worse is not accepted any more
    until: float | None = None  # of a rule, Unix seconds
