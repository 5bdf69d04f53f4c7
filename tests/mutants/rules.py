"""The rules of twins, taken out one at a time (twins.md §1, those marked ◆ and more): the suite has to turn red."""

from dataclasses import dataclass

from tests.mutants.mutant import Change

_ADMIT, _STATE, _KEEPER = "router.twins.admit", "router.twins.state", "router.twins.keeper"
_SETTLE, _REGISTRY, _SIDES = "router.twins.settle", "router.twins.registry", "router.twins.sides"
_SCHEDULES = "tests/twins/test_schedules.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Change):
    """One of `tests` must fail; they are what pytest is given."""

    tests: tuple[str, ...]


RULES = (
    Rule(
        name="what may run something counts from its admission",
        module=_ADMIT,
        old="        twin.gen += 1  # ◆ at admission",
        new="        twin.gen += 0  # at admission",
        tests=("tests/twins/test_hot.py",),
    ),
    Rule(
        name="what may run something makes the twin hot",
        module=_ADMIT,
        old="        twin.hot = True\n        twin.ran_at",
        new="        twin.ran_at",
        tests=(_SCHEDULES,),
    ),
    Rule(
        name="writes that overlap are copied, never ordered",
        module=_ADMIT,
        old="        if not _meet(call, other):\n",
        new="        if True:\n",
        tests=(_SCHEDULES,),
    ),
    Rule(
        name="a settle in flight overlaps, too",
        module=_ADMIT,
        old="    for settling in twin.settling:\n",
        new="    for settling in ():\n",
        tests=("tests/twins/test_settle.py", "tests/twins/test_fill.py"),
    ),
    Rule(
        name="no read at the follower under an open write",
        module=_ADMIT,
        old="    if twin.open_mutations(ask.paths):\n        return seat",
        new="    if False:\n        return seat",
        tests=("tests/twins/test_admit.py",),
    ),
    Rule(
        name="the durable mark comes before the first byte",
        module=_ADMIT,
        old="mark = ask.mutates and twin.joined and not twin.row.dirty",
        new="mark = False",
        tests=(_SCHEDULES, "tests/twins/test_admit.py"),
    ),
    Rule(
        name="what ran until the probe may have written after the last look",
        module=_KEEPER,
        old="            twin.gen += 1  # ◆ what ran until now",
        new="            pass  # what ran until now",
        tests=("tests/twins/test_hot.py",),
    ),
    Rule(
        name="only a probe that finds nothing lets hot fall",
        module=_KEEPER,
        old="if twin.gen == gen and probe.quiet(probe.counted(running), baseline):",
        new="if twin.gen == gen:",
        tests=("tests/twins/test_hot.py",),
    ),
    Rule(
        name="orphans of a dead router have time to land",
        module=_REGISTRY,
        old="twin.unusable_until = self.clock.monotonic() + self.orphan_grace_seconds",
        new="twin.unusable_until = self.clock.monotonic()",
        tests=("tests/twins/test_registry.py", _SCHEDULES),
    ),
    Rule(
        name="a write whose answer was lost may land for a while",
        module=_STATE,
        old="return any_touching(paths, self.late)",
        new="return False",
        tests=("tests/twins/test_admit.py", "tests/twins/test_settle.py"),
    ),
    Rule(
        name="a dirty twin is trusted in nothing after a restart",
        module=_REGISTRY,
        old="                rejoin(twin)\n",
        new="                twin.clean_gen = twin.gen\n",
        tests=("tests/twins/test_registry.py", _SCHEDULES),
    ),
    Rule(
        name="handles are answered where they were made",
        module=_ADMIT,
        old="if ask.handle and (made := twin.handles.get(ask.handle)) is not None:",
        new="if (made := None) is not None:",
        tests=("tests/twins/test_admit.py",),
    ),
    Rule(
        name="a settle writes nothing over a newer write (compare and set)",
        module=_SETTLE,
        old="for path in plan.copy:\n            if twin.mutations != mutations:\n                return False\n",
        new="for path in plan.copy:\n",
        tests=("tests/twins/test_settle.py",),
    ),
    Rule(
        name="a path is equal only if the seat's stat stood still",
        module=_SETTLE,
        old="                if copied and before == after:\n",
        new="                if True:\n",
        tests=("tests/twins/test_fill.py",),
    ),
    Rule(
        name="a settle while processes run claims nothing",
        module=_SETTLE,
        old="            if not twin.hot:\n                twin.clean_gen = gen",
        new="            if True:\n                twin.clean_gen = gen",
        tests=("tests/twins/test_settle.py",),
    ),
    Rule(
        name="what the lane left running ends before a follower is called clean",
        module=_KEEPER,
        old="        if lane.ran:\n",
        new="        if False:\n",
        tests=("tests/twins/test_hot.py",),
    ),
    Rule(
        name="a process that ends by itself is noticed",
        module=_KEEPER,
        old="        elif twin.hot:\n            self._look_soon(twin)\n",
        new="",
        tests=("tests/twins/test_hot.py",),
    ),
    Rule(
        name="tokens of what is written are dropped",
        module=_ADMIT,
        old="    twin.drop_tokens(ask.paths)\n",
        new="",
        tests=("tests/twins/test_admit.py", "tests/twins/test_fill.py", _SCHEDULES),
    ),
)
