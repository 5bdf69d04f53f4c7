"""What flags of the store ask for, by tool, now and at each version they had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossfade.stage import STAGES, Origin, Stage
from policies.edges import WHOLE, edge, edges, rules
from router.store.flags import FlagChange

_FLAG_PREFIX = "sandbox-migration-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFlag:
    """What a tool's flag asks for. `shares` is stage -> share of 1 for sandboxes that no rule or target names."""

    version: int
    shares: Mapping[str, float]
    has_exceptions: bool = False

    @property
    def on_new(self) -> float:
        """The share of sandboxes for which it wishes new."""
        return sum(share for stage, share in self.shares.items() if STAGES[Stage(stage)].wish is Origin.NEW)

    @property
    def splits_all(self) -> bool:
        """Whether every sandbox that is asked about falls under the shares: none is off, named or ruled out."""
        return not self.has_exceptions and Stage.OFF not in self.shares


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagPast:
    """A tool's flag through its versions."""

    versions: Mapping[int, ToolFlag]
    changes: Sequence[tuple[float, ToolFlag]] = ()  # when each came, oldest first
    share_since: float | None = None  # Unix seconds at which it began to ask for the share of new it asks for now


def tool_flags(flags: Mapping[str, Mapping[str, Any]]) -> Mapping[str, ToolFlag]:
    """What the migration flags ask for, by tool. Flags of another shape are left out."""
    found: dict[str, ToolFlag] = {}
    for key, flag in flags.items():
        if key.startswith(_FLAG_PREFIX) and (parsed := _tool_flag(flag)) is not None:
            found[key.removeprefix(_FLAG_PREFIX)] = parsed
    return found


def flag_pasts(history: Sequence[FlagChange]) -> Mapping[str, FlagPast]:
    """By tool, from the changes of flags, newest first."""
    versions: dict[str, dict[int, ToolFlag]] = {}
    since: dict[str, float] = {}
    changes: dict[str, list[tuple[float, ToolFlag]]] = {}
    for change in reversed(history):
        for tool, flag in tool_flags({change.key: change.after}).items():
            # Not the version before: an account's versions leave gaps.
            before = changes[tool][-1][1] if tool in changes else None
            if before is None or abs(before.on_new - flag.on_new) > 1e-9:
                since[tool] = change.at
            versions.setdefault(tool, {})[flag.version] = flag
            changes.setdefault(tool, []).append((change.at, flag))
    return {
        tool: FlagPast(versions=each, share_since=since.get(tool), changes=changes[tool])
        for tool, each in versions.items()
    }


def _tool_flag(flag: Mapping[str, Any]) -> ToolFlag | None:
    match flag:
        case {"version": int(version), "on": False, "variations": [*stages], "offVariation": int(off)}:
            return _parsed(version, stages, {off: 1.0}, has_exceptions=_names_some(flag))
        case {"version": int(version), "variations": [*stages], "fallthrough": {"variation": int(only)}}:
            below = {only: 1.0}
        case {
            "version": int(version),
            "variations": [*stages],
            "fallthrough": {"rollout": {"variations": [*weighted]}},
        }:
            below = {each["variation"]: each["weight"] / WHOLE for each in weighted if each["weight"]}
        case _:
            return None
    upper, shares = WHOLE, dict[int, float]()
    for low, served in edges(flag):
        shares[served] = shares.get(served, 0.0) + max(0, upper - low) / WHOLE
        upper = min(upper, low)
    for index, share in below.items():
        shares[index] = shares.get(index, 0.0) + share * upper / WHOLE
    others = any(edge(rule) is None for rule in rules(flag))
    met = {index: share for index, share in shares.items() if share}
    return _parsed(version, stages, met, has_exceptions=others or _names_some(flag))


def _parsed(
    version: int, stages: list[object], shares: Mapping[int, float], *, has_exceptions: bool
) -> ToolFlag | None:
    if any(index >= len(stages) or stages[index] not in list(Stage) for index in shares):
        return None
    told = {str(stages[index]): share for index, share in sorted(shares.items())}
    return ToolFlag(version=version, shares=told, has_exceptions=has_exceptions)


def _names_some(flag: Mapping[str, Any]) -> bool:
    return bool(flag.get("targets") or flag.get("contextTargets"))
