"""What a change of shares will do to sandboxes that are there: said before it is made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crossfade.stage import STAGES, Origin, Stage
from policies.buckets import BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A sandbox as it stands: its place on the line of buckets, and what the tool's flag makes of it now."""

    id: str
    routing_key: str
    bucket: int
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Sandboxes whose stage changes; of these, those for which the flag will wish the other side."""

    known: int
    changing: tuple[str, ...]
    to_new: tuple[str, ...]
    to_old: tuple[str, ...]


def stage_at(weights: Mapping[Stage, int], bucket: int) -> Stage:
    """The stage that shares (of 100,000) give to a bucket: stages in their order, old first, so new grows downwards."""
    edge = 0
    for stage in Stage:
        edge += weights.get(stage, 0)
        if bucket < edge:
            return stage
    raise ValueError(f"shares add up to {edge} of {BUCKETS}")


def predicted(sandboxes: Iterable[Known], weights: Mapping[Stage, int], targets: Mapping[str, Stage]) -> Prediction:
    """What the change does. `targets`: stages of single sandboxes by routing key, which shares do not touch.

    Rules that a flag has besides shares and targets are not looked at.
    """
    known = 0
    changing: list[str] = []
    to_new: list[str] = []
    to_old: list[str] = []
    for each in sandboxes:
        known += 1
        after = targets.get(each.routing_key) or stage_at(weights, each.bucket)
        if after is each.stage:
            continue
        changing.append(each.id)
        if STAGES[after].wish is not STAGES[each.stage].wish:
            (to_new if STAGES[after].wish is Origin.NEW else to_old).append(each.id)
    return Prediction(known=known, changing=tuple(changing), to_new=tuple(to_new), to_old=tuple(to_old))
