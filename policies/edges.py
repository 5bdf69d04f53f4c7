"""Rules of a flag on `sandbox.bucket`: the form in which an account's flags have shares (router/flags/patches.py)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

WHOLE = 100_000  # buckets


def edges(flag: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """The lowest bucket of each such rule, and the index of the variation that it serves from there up, in order."""
    for rule in rules(flag):
        if (found := edge(rule)) is not None:
            yield found


def rules(flag: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """All rules of a flag."""
    return flag.get("rules") or ()


def edge(rule: Mapping[str, Any]) -> tuple[int, int] | None:
    """The lowest bucket to which a rule gives a variation, and its index; None for a rule of another kind."""
    match rule:
        case {"clauses": [{"attribute": "bucket", "op": "greaterThanOrEqual", "values": [int(low)], **_more}]}:
            weighted = rule.get("rollout", {}).get("variations", ())
            whole = [each["variation"] for each in weighted if each["weight"] == WHOLE]
            served = rule["variation"] if "variation" in rule else next(iter(whole), None)
            return None if served is None else (low, int(served))
        case _:
            return None
