"""What a ramp looks at and what it turns: flags, evidence, and facts of the running router."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from crossfade.evidence import Evidence
from crossfade.stage import Stage

# Evidence of every tool that has any, by tool, from calls since a moment (Unix seconds; full hours) until another.
EvidenceOf = Callable[[float, float], Mapping[str, Evidence]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A tool's flag. `stages`: share of sandboxes by stage; empty for a flag that cannot be read."""

    version: int
    stages: Mapping[str, float]


class Board(Protocol):
    """Flags, wherever they are kept. Blocks, so it is asked on a thread."""

    def read(self) -> tuple[bool, Mapping[str, Seen]]:
        """Whether the kill switch is on (or cannot be read), and every tool's flag. Raises Unreachable."""

    def turn(self, tool: str, weights: Mapping[Stage, int], expected: int, author: str, reason: str) -> int:
        """Set a tool's shares (of 100,000) on the version seen: the new version. Raises Conflict and others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Of the running router, now."""

    lost: int = 0  # sandboxes that lost acknowledged changes
    drifted: int = 0  # twins quarantined: a side came back older than it was left


class Trail(Protocol):
    """Where acts are written down before they are done."""

    def add(self, *, author: str, reason: str, action: str, target: str, details: Mapping[str, object]) -> None:
        """One entry. Raises Unreachable."""
