"""Flags as they are shown: what one asks for, also where it is not there or cannot be read."""

from collections.abc import Mapping
from typing import Any

from crossfade.errors import SettingsError
from crossfade.stage import Stage
from policies.edges import edge, edges, rules
from router.flags import schema


def shares_of(flag: Mapping[str, Any] | None) -> dict[str, float]:
    """Percent by stage; off for a flag that was never set, nothing for one that cannot be read.

    Rules on the bucket, as an account has them (patches.py), are shares; what other rules do is not in them.
    """
    if flag is None:
        return {"off": 100.0}
    try:
        below = {str(stage): float(weight) for stage, weight in schema.weights_of(flag).items()}
        below_edge, found = schema.WHOLE, dict[str, float]()
        for low, served in edges(flag) if flag["on"] else ():
            stage = str(flag["variations"][served])
            found[stage] = found.get(stage, 0.0) + max(0, below_edge - low)
            below_edge = min(below_edge, low)
    except (SettingsError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        return {}
    for stage, weight in below.items():
        found[stage] = found.get(stage, 0.0) + weight * below_edge / schema.WHOLE
    return {stage: found[stage] / 1000 for stage in schema.VARIATIONS if found.get(stage)}


def other_rules(flag: Mapping[str, Any] | None) -> int:
    """How many rules a flag has that are no shares."""
    return sum(edge(rule) is None for rule in rules(flag or {}))


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
