"""Flags as LaunchDarkly flag JSON: one string flag per tool whose variations are the stages, old first (design §5)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crossfade.errors import SettingsError
from crossfade.stage import TOOLS, Stage

PREFIX = "sandbox-migration-"
KILL = PREFIX + "kill"
VARIATIONS = tuple(str(stage) for stage in Stage)
WHOLE = 100_000
Flag = dict[str, Any]


def key_of(tool: str) -> str:
    """The flag's key. Raises SettingsError for a tool that is none."""
    if tool not in TOOLS:
        raise SettingsError(f"no tool '{tool}'; known: {', '.join(TOOLS)}")
    return PREFIX + tool


def tool_of(key: str) -> str:
    return key.removeprefix(PREFIX)


def shares(text: str) -> Mapping[Stage, int]:
    """Weights out of 100,000 from `live`, or `live=10,shadow=90`. Raises SettingsError naming the part and the fix."""
    if "=" not in text:
        return {_stage(text.strip()): WHOLE}
    found: dict[Stage, int] = {}
    for part in text.split(","):
        name, _, percent = part.partition("=")
        stage = _stage(name.strip())
        if stage in found:
            raise SettingsError(f"stage '{stage}' stands twice in '{text}'; name each once")
        try:
            weight = round(float(percent.strip().rstrip("%")) * WHOLE / 100)
        except (ValueError, OverflowError):
            raise SettingsError(f"'{part.strip()}' is not stage=percent; write for example live=10,shadow=90") from None
        if not 0 <= weight <= WHOLE:
            raise SettingsError(f"'{part.strip()}' is not from 0 to 100 percent")
        found[stage] = weight
    if (total := sum(found.values())) != WHOLE:
        raise SettingsError(f"'{text}' adds up to {total / 1000:g} %; make it 100 %")
    return found


def _stage(name: str) -> Stage:
    if name not in VARIATIONS:
        raise SettingsError(f"no stage '{name}'; known: {', '.join(VARIATIONS)}")
    return Stage(name)


def build(
    tool: str, weights: Mapping[Stage, int], *, version: int, seed: int, targets: Mapping[str, Stage] | None = None
) -> Flag:
    """The tool's flag. All weight on one stage is written as a variation, so that contexts without a key get it too."""
    whole = [stage for stage, weight in weights.items() if weight == WHOLE]
    if whole:
        fallthrough: Flag = {"variation": VARIATIONS.index(whole[0])}
    else:
        # In the order of the stages, old first: a context without a key gets old, and live grows from the top.
        listed = [{"variation": index, "weight": weights.get(Stage(name), 0)} for index, name in enumerate(VARIATIONS)]
        fallthrough = {"rollout": {"kind": "rollout", "contextKind": "sandbox", "seed": seed, "variations": listed}}
    return {
        "key": key_of(tool),
        "version": version,
        "on": True,
        "salt": PREFIX + tool,
        "variations": list(VARIATIONS),
        "offVariation": 0,
        "prerequisites": [],
        "targets": [],
        "contextTargets": _targets(targets or {}),
        "rules": [],
        "fallthrough": fallthrough,
        "migration": {"checkRatio": 1},
    }


def kill(on: bool, *, version: int) -> Flag:
    """The flag that turns every tool off at once, single sandboxes included, whatever the tool's own flag says."""
    return {
        "key": KILL,
        "version": version,
        "on": True,
        "salt": KILL,
        "variations": [False, True],
        "offVariation": 0,
        "fallthrough": {"variation": int(on)},
    }


def killed(flag: object) -> bool:
    """Whether a kill flag is on. Raises SettingsError for one that is not plainly on or off for everybody."""
    version = flag.get("version") if isinstance(flag, Mapping) else None
    if isinstance(version, int) and _whole(version):
        for on in (False, True):
            if flag == kill(on, version=version):
                return on
    raise SettingsError(f"flag '{KILL}' is not plainly on or off for everybody; set it anew")


def as_switch(flag: object) -> Flag:
    """A kill flag as a prerequisite can ask for it: always on, serving what it serves. Raises SettingsError.

    An account's flag may be switched off to mean "not killed"; for the SDK a prerequisite that is off is never met,
    which would kill every tool. Its order of true and false, its rules and its targets are the account's own.
    """
    try:
        killed(flag)
    except SettingsError:
        _check_switch(flag)
    assert isinstance(flag, Mapping)
    if flag["on"]:
        return dict(flag)
    nothing: Flag = {"rules": [], "targets": [], "contextTargets": [], "prerequisites": []}
    return {**flag, **nothing, "on": True, "fallthrough": {"variation": flag["offVariation"]}}


def _check_switch(flag: object) -> None:
    wrong = SettingsError(f"flag '{KILL}' is no switch between true and false; set it anew")
    if not isinstance(flag, Mapping) or flag.get("key") != KILL or not _whole(flag.get("version")):
        raise wrong
    variations = flag.get("variations")
    if not isinstance(variations, list) or variations not in ([False, True], [True, False]):
        raise wrong
    if not all(isinstance(each, bool) for each in variations) or not isinstance(flag.get("on"), bool):
        raise wrong
    try:
        indexes = list(_indexes(flag))
    except (KeyError, TypeError, AttributeError):
        raise wrong from None
    if not all(_whole(each) and 0 <= each <= 1 for each in indexes):
        raise wrong


def under_kill(flag: Mapping[str, Any], switch: Mapping[str, Any]) -> Flag:
    """A tool's flag that serves off unless the kill flag, which must be published beside it, serves false."""
    spared = {"key": KILL, "variation": switch["variations"].index(False)}
    return {**flag, "prerequisites": [spared, *(flag.get("prerequisites") or ())]}


def _targets(targets: Mapping[str, Stage]) -> list[Flag]:
    by_stage: dict[Stage, list[str]] = {}
    for key, stage in targets.items():
        by_stage.setdefault(stage, []).append(key)
    return [
        {"contextKind": "sandbox", "variation": VARIATIONS.index(stage), "values": sorted(keys)}
        for stage, keys in by_stage.items()
    ]


def targets_of(flag: Mapping[str, Any]) -> dict[str, Stage]:
    """Single sandboxes that a flag names, by routing key."""
    names: Sequence[str] = flag.get("variations") or VARIATIONS  # an account's may stand in another order
    return {
        str(key): Stage(names[target["variation"]])
        for target in flag.get("contextTargets", ())
        for key in target.get("values", ())
    }


def weights_of(flag: Mapping[str, Any]) -> Mapping[Stage, int]:
    """The shares a flag sets, out of 100,000. Raises SettingsError for a flag that is none of ours."""
    try:
        if not flag["on"]:
            return {Stage(flag["variations"][flag["offVariation"]]): WHOLE}
        names: Sequence[str] = flag["variations"]
        fallthrough = flag["fallthrough"]
        if "rollout" not in fallthrough:
            return {Stage(names[fallthrough["variation"]]): WHOLE}
        found: dict[Stage, int] = {}
        for each in fallthrough["rollout"]["variations"]:
            stage = Stage(names[each["variation"]])
            found[stage] = found.get(stage, 0) + int(each["weight"])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"flag '{flag.get('key', '?')}' cannot be read: {error!r}; set it anew") from None
    return {stage: weight for stage, weight in found.items() if weight}


def check(flag: object) -> None:
    """Raises SettingsError when a flag cannot be meant; from one that passes, every subject gets a stage."""
    if not isinstance(flag, Mapping):
        raise SettingsError(f"a flag must be an object, not {type(flag).__name__}")
    key = flag.get("key")
    if not isinstance(key, str) or not key.startswith(PREFIX):
        raise SettingsError(f"flag key {key!r} does not begin with {PREFIX}")
    if not _whole(flag.get("version")):
        raise SettingsError(f"flag '{key}' has no whole-number version")
    weights = weights_of(flag)
    if sum(weights.values()) != WHOLE or min(weights.values()) < 0:
        raise SettingsError(f"weights of flag '{key}' do not add up to {WHOLE}")
    if unknown := [name for name in flag["variations"] if name not in VARIATIONS]:
        raise SettingsError(f"flag '{key}' has variations that are no stages: {unknown}")
    try:
        indexes = list(_indexes(flag))
    except (KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"flag '{key}' cannot be read: {error!r}; set it anew") from None
    if wrong := [each for each in indexes if not _whole(each) or not 0 <= each < len(flag["variations"])]:
        raise SettingsError(f"flag '{key}' names variations that it does not have: {wrong}")
    if any(kind != "sandbox" for kind in _rollout_kinds(flag)):
        raise SettingsError(f"flag '{key}' does not roll out by sandbox; its contextKind must be sandbox")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _choices(flag: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [flag["fallthrough"], *(flag.get("rules") or ())]


def _indexes(flag: Mapping[str, Any]) -> Iterator[Any]:
    """Every variation that the flag may serve, as an index."""
    yield flag["offVariation"]
    for choice in _choices(flag):
        if "rollout" in choice:
            yield from (each["variation"] for each in choice["rollout"]["variations"])
        else:
            yield choice["variation"]
    for target in (*(flag.get("targets") or ()), *(flag.get("contextTargets") or ())):
        yield target["variation"]


def _rollout_kinds(flag: Mapping[str, Any]) -> list[object]:
    return [choice["rollout"].get("contextKind") for choice in _choices(flag) if "rollout" in choice]
