"""Ours, looked at after every call: does the evidence ever exclude the truth, and does it find what is there?"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from bench.evidence.worlds import Call, World
from comparators.evidence.arms import Arms
from comparators.evidence.parity import Parity, parity
from comparators.evidence.share import ALPHA, Share
from comparators.evidence.units import Unit, Units

LIMIT = -math.log(ALPHA)
MARGIN = 0.01  # points of error rate, fixed before


class Seen(NamedTuple):
    """What happened in one run, at any look. Errors are false whenever they are true; the rest depends on the world."""

    missed: dict[str, bool]  # the truth was excluded, by each bound
    alarms: dict[str, bool]  # "new is worse", by each method
    cleared: dict[str, bool]  # "new is not worse by the margin", by each method


class Judges:
    """Our methods on one run. A look changes nothing between the units that are complete, so it is taken at each."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bad, self._pairs, self._rates = (Units(world.calls_per_sandbox) for _ in range(3))
        self._share, self._parity = Share(), Parity()
        self._arms = Arms((world.share, world.share))
        self._on_new: dict[str, bool] = {}
        self._true_rates = 0.0
        self.seen = Seen({}, {}, {})

    def look(self, call: Call) -> None:
        """Count a call, and look."""
        name = str(call.sandbox)
        self._on_new[name] = call.on_new
        self._mismatches(self._bad.add(name, float(call.new_failed)))
        self._of_pairs(self._pairs.add(name, parity(old_failed=call.old_failed, new_failed=call.new_failed)))
        self._of_arms(self._rates.add(name, float(call.new_failed if call.on_new else call.old_failed)))

    def _mismatches(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._share.add(unit.mean)
            # Drifting rates: the bound is of the average over the sandboxes seen.
            self._true_rates += self._world.rate_of(int(unit.sandbox)) + self._world.worse
            self._note(self.seen.missed, "mismatch", self._share.log_e(self._true_rates / self._share.units))

    def _of_pairs(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._parity.add(unit.mean)
            difference, truth = self._parity.difference, self._world.worse
            self._note(self.seen.missed, "pairs, lower", difference.log_e_above(truth))
            self._note(self.seen.missed, "pairs, upper", difference.log_e_below(truth))
            self._note(self.seen.alarms, "pairs: difference", difference.log_e_above(0.0))
            self._note(self.seen.alarms, "pairs: sign", self._parity.sign.log_e)
            self._note(self.seen.cleared, "pairs", difference.log_e_below(MARGIN))

    def _of_arms(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self._arms.add(unit.mean, on_new=self._on_new[unit.sandbox], share=self._world.share)
            truth = self._world.worse
            self._note(self.seen.missed, "arms, lower", self._arms.log_e_above(truth))
            self._note(self.seen.missed, "arms, upper", self._arms.log_e_below(truth))
            self._note(self.seen.alarms, "arms: difference", self._arms.log_e_above(0.0))
            self._note(self.seen.alarms, "arms: leaning", self._arms.leaning.log_e)
            self._note(self.seen.cleared, "arms", self._arms.log_e_below(MARGIN))

    @staticmethod
    def _note(kind: dict[str, bool], name: str, log_e: float) -> None:
        kind[name] = kind.get(name, False) or log_e >= LIMIT
