"""Flags as they are shown: what one asks for, also where it is not there or cannot be read."""

from collections.abc import Mapping
from typing import Any

from crossfade.errors import SettingsError
from crossfade.stage import Stage
from router.flags import schema


def shares_of(flag: Mapping[str, Any] | None) -> dict[str, float]:
    """Percent by stage; off for a flag that was never set, nothing for one that cannot be read."""
    if flag is None:
        return {"off": 100.0}
    try:
        return {str(stage): weight / 1000 for stage, weight in schema.weights_of(flag).items()}
    except SettingsError:
        return {}


def known_targets(flag: Mapping[str, Any] | None) -> dict[str, Stage]:
    """Single sandboxes that the flag names, by routing key. Garbage names none: it is replaced, not built upon."""
    try:
        return dict(schema.targets_of(flag)) if flag else {}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return {}


def kill_state(flag: Mapping[str, Any] | None) -> bool | None:
    """Whether a kill flag is on; None where it is garbage, which a change replaces."""
    if flag is None:
        return False
    try:
        return schema.killed(flag)
    except SettingsError:
        return None


def version_of(flag: Mapping[str, Any] | None) -> int:
    """The version that a change follows on; 0 for a flag never set. Raises SettingsError for one that none can."""
    version = (flag or {}).get("version", 0)
    if not isinstance(version, int):
        raise SettingsError(f"the stored flag's version is {version!r}; no change can follow on it: restore the store")
    return version
