"""Many runs of one world: how often each method erred, alarmed or cleared."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.evidence.judges import Judges
from bench.evidence.rivals import RIVALS
from bench.evidence.worlds import World


@dataclass(slots=True)
class Tally:
    """Counts over the runs of a world, by method."""

    world: World
    runs: int = 0
    missed: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)


def tally(world: World, runs: int, *, seed: int, rivals: bool = True) -> Tally:
    """Run a world with seeds of its own."""
    found = Tally(world)
    for run in range(runs):
        judges = Judges(world)
        others = {rival.name: rival(world) for rival in RIVALS} if rivals else {}
        alarmed: set[str] = set()
        for call in world.run(f"{seed} {world.name} {run}"):
            judges.look(call)
            for name, other in others.items():
                # All of them see every call; once alarmed, for good.
                if other.alarmed(call):
                    alarmed.add(name)
        found.runs += 1
        _add(found.missed, judges.seen.missed)
        _add(found.alarms, judges.seen.alarms | {name: name in alarmed for name in others})
        _add(found.cleared, judges.seen.cleared)
    return found


def _add(counts: Counter[str], seen: Mapping[str, bool]) -> None:
    for name, happened in seen.items():
        counts[name] += happened
