"""What flags of the store ask for, by tool, now and at each version they had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.stage import STAGES, Origin, Stage
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


def tool_flags(flags: Mapping[str, Mapping[str, object]]) -> Mapping[str, ToolFlag]:
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
            before = versions.setdefault(tool, {}).get(flag.version - 1)
            if before is None or abs(before.on_new - flag.on_new) > 1e-9:
                since[tool] = change.at
            versions[tool][flag.version] = flag
            changes.setdefault(tool, []).append((change.at, flag))
    return {
        tool: FlagPast(versions=each, share_since=since.get(tool), changes=changes[tool])
        for tool, each in versions.items()
    }


def _tool_flag(flag: Mapping[str, object]) -> ToolFlag | None:
    match flag:
        case {"version": int(version), "on": False, "variations": [*stages], "offVariation": int(off)}:
            shares = {off: 1.0}
        case {"version": int(version), "variations": [*stages], "fallthrough": {"variation": int(only)}}:
            shares = {only: 1.0}
        case {
            "version": int(version),
            "variations": [*stages],
            "fallthrough": {"rollout": {"variations": [*weighted]}},
        }:
            shares = {each["variation"]: each["weight"] / 100_000 for each in weighted if each["weight"]}
        case _:
            return None
    if any(index >= len(stages) or stages[index] not in list(Stage) for index in shares):
        return None
    return ToolFlag(
        version=version,
        shares={str(stages[index]): share for index, share in sorted(shares.items())},
        has_exceptions=bool(flag.get("rules") or flag.get("targets") or flag.get("contextTargets")),
    )
