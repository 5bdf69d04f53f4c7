"""Rounds: every target gets a slice of load in turn, so that a busy machine disturbs all alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.arithmetic import Round, order
from bench.cpu import cpu_seconds, rss_bytes
from bench.field import Field, Target
from bench.load.wrk import Load, wrk
from bench.work import Ask

AGAIN = " again"  # a target measured twice in each round: what the two differ by is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One target's share of one round."""

    load: Load
    cpu_seconds: float  # of the target and its children, until it is quiet again
    rss_bytes: int
    quiet_seconds: float  # from the end of the load until nothing was left to do

    @property
    def cpu_per_call(self) -> float:
        return self.cpu_seconds / self.load.completed

    @property
    def calls_per_second(self) -> float:
        return self.load.completed / self.load.seconds


Tell = Callable[[str], None]


def twice(names: Sequence[str], ours: str) -> list[str]:
    """The names with `ours` once more, far from itself: slices that follow each other are too much alike for noise."""
    middle = len(names) // 2
    return [*names[:middle], ours + AGAIN, *names[middle:]]


async def rounds(
    field: Field,
    names: Sequence[str],
    asks: tuple[Ask, ...],
    *,
    count: int,
    seconds: float,
    connections: int,
    tell: Tell,
    warm_seconds: float = 0.3,
) -> list[dict[str, Slice]]:
    """Measure each name `count` times in turns. A name ending in AGAIN is its target once more."""
    found: list[dict[str, Slice]] = [{} for _ in range(count)]
    for name in dict.fromkeys(each.removesuffix(AGAIN) for each in names):
        tell(f"warm up {name}")
        await one(field, field.targets[name], asks, seconds=warm_seconds, connections=connections)
    for number, results in enumerate(found):
        for name in order(names, number):
            tell(f"{connections} connections, round {number + 1} of {count}: {name}")
            target = field.targets[name.removesuffix(AGAIN)]
            results[name] = await one(field, target, asks, seconds=seconds, connections=connections)
    return found


async def one(field: Field, target: Target, asks: tuple[Ask, ...], *, seconds: float, connections: int) -> Slice:
    """One slice of load on one target."""
    file = field.requests(target, asks)
    before = cpu_seconds(target.pid) if target.pid else 0.0
    load = await wrk(target.url, file, connections=connections, seconds=seconds, start=target.turn)
    target.turn = (target.turn + load.sent) % (len(target.sandboxes) * len(asks))
    quiet = 0.0
    if target.router is not None:
        target.router.counted(load.completed, load.sent)
        # What is compared and written after the answer is the router's cost, too.
        quiet = await target.router.quiet()
    used = cpu_seconds(target.pid) - before if target.pid else 0.0
    return Slice(
        load=load,
        cpu_seconds=used,
        rss_bytes=rss_bytes(target.pid) if target.pid else 0,
        quiet_seconds=quiet,
    )


def of(found: Sequence[Mapping[str, Slice]], measure: Callable[[Slice], float]) -> list[Round]:
    """One measure of every slice, round by round."""
    return [{name: measure(each) for name, each in results.items()} for results in found]
