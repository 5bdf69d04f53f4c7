"""Decisions: who answers a call, and why."""

from dataclasses import dataclass
from enum import StrEnum

from crossfade.stage import Origin, Stage


class MirrorExecute(StrEnum):
    """Which executes the evidence lane may repeat on a passive follower."""

    NEVER = "never"
    LOCAL = "local"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What flags are evaluated for: a sandbox, by the key made before it was."""

    routing_key: str
    organization: str = ""
    account: str = ""
    bucket: int = 0  # 0..99,999, our hash of the routing key


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagValue:
    """A tool's stage for one subject, with the version and reason it came from."""

    stage: Stage
    version: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """Which tool a call belongs to, and what said so: header, baggage, rule:<name>, default."""

    tool: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who answers one call, who gets the copy (None: nobody), and the reason in words."""

    tool: str
    stage: Stage
    wish: Origin
    answering: Origin
    shadow: Origin | None
    reason: str
