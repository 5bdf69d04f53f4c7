"""Findings: what was looked at, what was found, what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # worth knowing; nothing to do
    WARNING = "warning"  # works, but not as one would expect
    PROBLEM = "problem"  # does not work, or would lose or change something


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `where`: a side, a file or a setting; `fix`: what to do, empty when all is well."""

    weight: Weight
    where: str
    what: str
    fix: str = ""


def ok(where: str, what: str) -> Finding:
    """All is well."""
    return Finding(weight=Weight.OK, where=where, what=what)


def note(where: str, what: str) -> Finding:
    """Worth knowing."""
    return Finding(weight=Weight.NOTE, where=where, what=what)


def warning(where: str, what: str, fix: str) -> Finding:
    """Works, but not as one would expect."""
    return Finding(weight=Weight.WARNING, where=where, what=what, fix=fix)


def problem(where: str, what: str, fix: str) -> Finding:
    """Does not work."""
    return Finding(weight=Weight.PROBLEM, where=where, what=what, fix=fix)
