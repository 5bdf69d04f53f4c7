"""What is sent to a LaunchDarkly account: new flags, and changes of shares as semantic patches. Pure.

Shares are rules on the sandbox's bucket, not percentage rollouts: LaunchDarkly salts a rollout by its flag, so that the
tools of one sandbox would move apart; the bucket is the same for all of them, and the same as in the embedded source.
(facts: LaunchDarkly's REST API, semantic patch.)
"""

from collections.abc import Mapping, Sequence
from typing import Any

from crossfade.errors import SettingsError
from crossfade.stage import Stage
from router.flags import schema

Json = dict[str, Any]
MARK = "crossfade: "  # how a rule of ours begins its description; rules of others are left alone


def new_flag(tool: str, *, migration: bool) -> Json:
    """The body that makes a tool's flag, off for everybody. `migration`: of LaunchDarkly's own kind for migrations."""
    flag: Json = {
        "key": schema.key_of(tool),
        "name": f"Sandbox migration: {tool}",
        "description": "Which side answers this tool. Changed by crossfade; its rules are marked.",
        "temporary": True,
        "tags": ["crossfade"],
    }
    if migration:
        return {**flag, "purpose": "migration", "migrationSettings": {"contextKind": "sandbox", "stageCount": 6}}
    variations = [{"value": name, "name": name} for name in schema.VARIATIONS]
    return {**flag, "variations": variations, "defaults": {"onVariation": 0, "offVariation": 0}}


def new_kill() -> Json:
    """The body that makes the kill switch, which kills nobody."""
    return {
        "key": schema.KILL,
        "name": "Sandbox migration: kill",
        "description": "True sends every tool home at once.",
        "temporary": True,
        "tags": ["crossfade"],
        "variations": [{"value": True, "name": "killed"}, {"value": False, "name": "not killed"}],
        "defaults": {"onVariation": 1, "offVariation": 1},
    }


def shares(flag: Mapping[str, Any], weights: Mapping[Stage, int], environment: str) -> list[Json]:
    """The instructions that give a flag these shares (of 100,000). Raises SettingsError for a flag that cannot."""
    ids = {str(each["value"]): str(each["_id"]) for each in flag["variations"]}
    here = _environment(flag, environment)
    stages = [Stage(name) for name in schema.VARIATIONS if weights.get(Stage(name))]
    if missing := [stage for stage in stages if stage not in ids]:
        raise SettingsError(f"flag '{flag['key']}' has no variation '{missing[0]}'; it has: {', '.join(ids)}")

    def serve(stage: Stage) -> Json:
        if flag.get("purpose") != "migration":
            return {"variationId": ids[stage]}
        # Flags of that kind take no single variation.
        parts = {each: schema.WHOLE if name == stage else 0 for name, each in ids.items()}
        return {"rolloutWeights": parts, "rolloutContextKind": "sandbox"}

    found: list[Json] = [] if here.get("on") else [{"kind": "turnFlagOn"}]
    found += [{"kind": "removeRule", "ruleId": rule["_id"]} for rule in _ours(here)]
    edge = schema.WHOLE
    for stage in reversed(stages[1:]):
        edge -= weights[stage]
        clause = {"contextKind": "sandbox", "attribute": "bucket", "op": "greaterThanOrEqual", "values": [edge]}
        found.append({"kind": "addRule", "description": f"{MARK}{stage}", "clauses": [clause], **serve(stage)})
    found.append({"kind": "updateFallthroughVariationOrRollout", **serve(stages[0])})
    return found


def switched(flag: Mapping[str, Any], environment: str, *, on: bool) -> list[Json]:
    """The instructions that make a switch serve true, or false, to everybody."""
    wanted = next((str(each["_id"]) for each in flag["variations"] if each["value"] is on), "")
    if not wanted:
        raise SettingsError(f"flag '{flag['key']}' is no switch between true and false")
    turn: list[Json] = [] if _environment(flag, environment).get("on") else [{"kind": "turnFlagOn"}]
    return [*turn, {"kind": "updateFallthroughVariationOrRollout", "variationId": wanted}]


def said(flag: Mapping[str, Any], environment: str) -> str:
    """What a flag does, for people: shares by our rules, and how many rules of others stand before them."""
    here = _environment(flag, environment)
    values = [str(each["value"]).lower() for each in flag["variations"]]
    if not here.get("on"):
        return f"off: {values[int(here.get('offVariation') or 0)]} for everybody"
    edge, parts = schema.WHOLE, []
    for rule in _ours(here):
        low = int(rule["clauses"][0]["values"][0])
        parts.append(f"{str(rule['description']).removeprefix(MARK)} {(edge - low) / 1000:g} %")
        edge = low
    parts.append(f"{_served(here.get('fallthrough') or {}, values)} {edge / 1000:g} %")
    others = len(here.get("rules") or ()) - len(_ours(here))
    return ", ".join(parts) + (f"; {others} rules of yours before that" if others else "")


def _served(what: Mapping[str, Any], values: Sequence[str]) -> str:
    if "variation" in what:
        return values[int(what["variation"])]
    weights = [each for each in what.get("rollout", {}).get("variations", ()) if each["weight"]]
    return "/".join(f"{values[int(each['variation'])]}" for each in weights) or "nothing"


def _environment(flag: Mapping[str, Any], environment: str) -> Mapping[str, Any]:
    environments: Mapping[str, Any] = flag.get("environments") or {}
    if environment not in environments:
        known = ", ".join(environments) or "none"
        raise SettingsError(f"flag '{flag.get('key')}' has no environment '{environment}'; it has: {known}")
    found: Mapping[str, Any] = environments[environment]
    return found


def _ours(here: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [rule for rule in here.get("rules") or () if str(rule.get("description") or "").startswith(MARK)]
