"""Comparisons: two outcomes of one call held together."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a difference is, worst first."""

    CONTRACT = "contract"  # status, type, exit code
    CONTENT = "content"
    COSMETIC = "cosmetic"


class Change(StrEnum):
    """What kind of difference (after Diffy's taxonomy)."""

    MISSING = "missing"  # in old only
    EXTRA = "extra"  # in new only
    TYPE = "type"
    VALUE = "value"
    ORDER = "order"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One path that differs. `path` has ids and keys replaced by placeholders; samples are redacted and capped."""

    path: str
    change: Change
    severity: Severity
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two outcomes held together. No differences: they agree after normalising.

    `limited` says why a difference is not detailed (size, time, depth); it never stands for a match.
    """

    operation: str
    differences: tuple[Difference, ...] = ()
    limited: str = ""

    @property
    def matched(self) -> bool:
        return not self.differences and not self.limited

    @property
    def severity(self) -> Severity | None:
        order = list(Severity)
        found = [difference.severity for difference in self.differences]
        if self.limited:
            found.append(Severity.CONTENT)
        return min(found, key=order.index) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Plain data for a comparator, in terms that cross a process boundary: JSON values and bytes only."""

    operation: str
    old: Any
    new: Any
