"""What a flag asked for, version by version."""

from typing import Any

import pytest

from router.store.flags import FlagChange
from router.store.wishes import flag_pasts

_STAGES = ["off", "dualwrite", "shadow", "live", "rampdown", "complete"]


def change(version: int, live: int, *, at: float, first: int = 2, **more: Any) -> FlagChange:
    weights = [{"variation": first, "weight": 100_000 - live}, {"variation": 3, "weight": live}]
    flag = {"version": version, "on": True, "variations": _STAGES, "offVariation": 0, **more}
    flag["fallthrough"] = {"rollout": {"variations": weights}}
    key = "sandbox-migration-files"
    return FlagChange(seq=version, at=at, key=key, author="ada", reason="a step", before=None, after=flag)


def test_each_version_asked_for_its_share() -> None:
    past = flag_pasts([change(2, 50_000, at=20.0), change(1, 10_000, at=10.0)])["files"]

    assert {version: flag.on_new for version, flag in past.versions.items()} == {1: 0.1, 2: 0.5}
    assert past.share_since == 20.0


def test_a_change_of_something_else_begins_no_new_step() -> None:
    past = flag_pasts([change(2, 10_000, at=20.0, rules=[{"id": "r"}]), change(1, 10_000, at=10.0)])["files"]

    assert past.share_since == 10.0
    assert [flag.splits_all for flag in past.versions.values()] == [True, False]


def bucket(low: int, variation: int) -> dict[str, Any]:
    clause = {"contextKind": "sandbox", "attribute": "bucket", "op": "greaterThanOrEqual", "values": [low]}
    return {"clauses": [clause], "variation": variation}


def test_rules_on_the_bucket_are_shares_as_an_account_has_them() -> None:
    rules = [bucket(90_000, 5), bucket(60_000, 3)]
    flag = flag_pasts([change(1, 0, at=0.0, rules=rules)])["files"].versions[1]
    off = flag_pasts([change(1, 0, at=0.0, rules=rules, on=False)])["files"].versions[1]
    other = {"clauses": [{"attribute": "plan", "op": "in", "values": ["pro"]}], "variation": 3}

    assert flag.shares == pytest.approx({"shadow": 0.6, "live": 0.3, "complete": 0.1})
    assert (flag.on_new, flag.splits_all) == (pytest.approx(0.4), True)
    assert off.shares == {"off": 1.0}
    assert not flag_pasts([change(1, 0, at=0.0, rules=[other, *rules])])["files"].versions[1].splits_all


def test_where_some_are_off_nobody_knows_who_was_asked() -> None:
    assert not flag_pasts([change(1, 10_000, at=0.0, first=0)])["files"].versions[1].splits_all
