"""Two outcomes of one call held together."""

from collections.abc import Mapping
from typing import Any

from comparators.limits import Limits, measure
from comparators.rules import UNCOMPARED, rule
from comparators.structure import alike, differences, normalised
from crossfade.comparison import Comparison, Pair

LIMITS = Limits()


def compare(pair: Pair, limits: Limits = LIMITS) -> Comparison:
    """What differs once noise is set aside. Never raises; what it cannot walk is limited, not matched."""
    if reason := limited(pair, limits):
        return Comparison(operation=pair.operation, limited=reason)
    compared = rule(pair.operation)
    old, new = normalised(compared, pair.old), normalised(compared, pair.new)
    if alike(old, new):
        return Comparison(operation=pair.operation)
    found = differences(compared, old, new)
    # Unequal and yet nothing found would be a defect of ours; it must not look like agreement.
    reason = "" if found else "differs in a way that has no name yet"
    return Comparison(operation=pair.operation, differences=found, limited=reason)


def agree(pair: Pair) -> bool:
    """Whether two outcomes agree, and nothing more: cheap, and without the means to say what differs."""
    if pair.operation in UNCOMPARED:
        return False
    if _equal(pair.old, pair.new):
        return True
    compared = rule(pair.operation)
    return alike(normalised(compared, pair.old), normalised(compared, pair.new))


def limited(pair: Pair, limits: Limits = LIMITS) -> str:
    """Why this pair is not compared in detail; empty when it can be."""
    if reason := UNCOMPARED.get(pair.operation):
        return reason
    return measure([pair.old, pair.new], limits).over(limits)


def _equal(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    try:
        return bool(old == new)
    except RecursionError:
        return False
