"""JSON documents compared as trees: by key, so that how a program writes them down is no difference of content."""

import json
import math
from collections.abc import Iterator
from typing import Any

from comparators.limits import Limits, measure
from crossfade.comparison import Change, Severity

LIMITS = Limits(nodes=20_000)
_NEARLY = 1e-9  # of two numbers, relative: the last digits of a sum depend on the order it was made in
_CONTENT, _COSMETIC = Severity.CONTENT, Severity.COSMETIC
Kind = tuple[Change, Severity]


def tree(text: str) -> Any:
    """The object or array that a text holds. None: it is none, is too big or deep, or says one key twice."""
    if not text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return None if measure([found], LIMITS).over(LIMITS) else found


def compare_trees(old: Any, new: Any) -> tuple[Kind, ...]:
    """Every kind of change, worst first, once each; empty: equal in everything, order of keys too."""
    found = dict.fromkeys(_changes(old, new))
    return tuple(sorted(found, key=lambda kind: (kind[1] is _COSMETIC, kind[0])))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice, and readers disagree on which one holds")
    return found


def _changes(old: Any, new: Any) -> Iterator[Kind]:
    waiting = [(old, new)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() - other.keys():
                yield Change.MISSING, _CONTENT
            if other.keys() - one.keys():
                yield Change.EXTRA, _CONTENT
            if one.keys() == other.keys() and list(one) != list(other):
                yield Change.ORDER, _COSMETIC
            waiting.extend((one[key], other[key]) for key in one.keys() & other.keys())
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) == len(other):
                waiting.extend(zip(one, other, strict=True))
            else:
                # Which entries are gone cannot be told without keys, and whatever follows an entry more would differ.
                yield Change.SIZE, _CONTENT
        elif _type(one) != _type(other):
            yield Change.TYPE, _CONTENT
        elif not _same(one, other):
            yield Change.VALUE, _COSMETIC if _nearly(one, other) else _CONTENT


def _type(value: Any) -> str:
    # True equals 1 in Python, and 1 equals 1.0 in JSON.
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)  # NaN is NaN here


def _nearly(one: Any, other: Any) -> bool:
    # Only of fractions: two whole numbers that differ are two numbers, however large.
    return isinstance(one, float) and isinstance(other, float) and math.isclose(one, other, rel_tol=_NEARLY)
