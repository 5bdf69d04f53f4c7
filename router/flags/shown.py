"""Flags as they are shown: what one asks for, also where it is not there or cannot be read."""

from collections.abc import Iterator, Mapping
from typing import Any

from crossfade.errors import SettingsError
from crossfade.stage import Stage
from router.flags import schema


def shares_of(flag: Mapping[str, Any] | None) -> dict[str, float]:
    """Percent by stage; off for a flag that was never set, nothing for one that cannot be read.

    Rules on the bucket, as an account has them (patches.py), are shares; what other rules do is not in them.
    """
    if flag is None:
        return {"off": 100.0}
    try:
        below = {str(stage): float(weight) for stage, weight in schema.weights_of(flag).items()}
        edge, found = schema.WHOLE, dict[str, float]()
        for low, stage in _edges(flag) if flag["on"] else ():
            found[stage] = found.get(stage, 0.0) + max(0, edge - low)
            edge = min(edge, low)
    except (SettingsError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        return {}
    for stage, weight in below.items():
        found[stage] = found.get(stage, 0.0) + weight * edge / schema.WHOLE
    return {stage: found[stage] / 1000 for stage in schema.VARIATIONS if found.get(stage)}


def other_rules(flag: Mapping[str, Any] | None) -> int:
    """How many rules a flag has that are no shares."""
    rules = (flag or {}).get("rules") or ()
    return sum(_edge(rule, flag or {}) is None for rule in rules)


def _edges(flag: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for rule in flag.get("rules") or ():
        if (edge := _edge(rule, flag)) is not None:
            yield edge


def _edge(rule: Mapping[str, Any], flag: Mapping[str, Any]) -> tuple[int, str] | None:
    """The lowest bucket to which a rule gives a stage, and the stage; None for a rule of another kind."""
    match rule:
        case {"clauses": [{"attribute": "bucket", "op": "greaterThanOrEqual", "values": [int(low)], **_more}]}:
            weighted = rule.get("rollout", {}).get("variations", ())
            whole = [each["variation"] for each in weighted if each["weight"] == schema.WHOLE]
            served = rule["variation"] if "variation" in rule else next(iter(whole), None)
            return None if served is None else (low, str(flag["variations"][served]))
        case _:
            return None


def known_targets(flag: Mapping[str, Any] | None) -> dict[str, Stage]:
    """Single sandboxes that the flag names, by routing key. Garbage names none: it is replaced, not built upon."""
    try:
        return dict(schema.targets_of(flag)) if flag else {}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return {}


def kill_state(flag: Mapping[str, Any] | None) -> bool | None:
    """Whether a kill flag is on; None where it is not plainly on or off for everybody, or is garbage."""
    if flag is None:
        return False
    try:
        switch = schema.as_switch(flag)
        served = switch["fallthrough"].get("variation")
        return None if served is None or switch.get("rules") else bool(switch["variations"][served])
    except (SettingsError, KeyError, IndexError, TypeError, AttributeError):
        return None


def version_of(flag: Mapping[str, Any] | None) -> int:
    """The version that a change follows on; 0 for a flag never set. Raises SettingsError for one that none can."""
    version = (flag or {}).get("version", 0)
    if not isinstance(version, int):
        raise SettingsError(f"the stored flag's version is {version!r}; no change can follow on it: restore the store")
    return version
