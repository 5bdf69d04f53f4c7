"""Metrics as values, between those who count and those who write or send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import accumulate

Labels = tuple[tuple[str, str], ...]


class Kind(Enum):
    """What a metric is."""

    COUNTER = auto()
    GAUGE = auto()
    HISTOGRAM = auto()


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram read once: `counts` has one entry more than `bounds`, for what lies above them all."""

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def cumulative(self) -> list[int]:
        """For each bound, and for infinity: how many values are not above it."""
        return list(accumulate(self.counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric with all its series, named as OpenTelemetry names it: dots, no unit, no `_total`."""

    name: str
    help: str
    kind: Kind
    points: Mapping[Labels, float | Distribution]
    unit: str = ""
