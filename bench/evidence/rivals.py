"""What others would have said of the same calls: Diffy's rule, Kayenta's judge, Flagger's threshold, a z-test.

Written from their sources and documents, for the one metric at hand: the share of calls that fail (or differ).
"""

import math
from collections.abc import Sequence
from typing import Protocol

from bench.evidence.worlds import Call, World

Z95, Z99 = 1.6449, 2.3263  # one-sided 95 %; two-sided 98 %
WARM_UP = 100  # calls before anyone looks at a rate


class Rival(Protocol):
    """Says after a call whether it would now call new worse."""

    name: str

    def alarmed(self, call: Call) -> bool: ...


def diffy_differs(raw: int, noise: int, calls: int) -> bool:
    """JoinedDifferences: raw > noise, relative difference over 20 %, absolute over 0.03 %."""
    return raw > noise and 100 * (raw - noise) / (raw + noise) > 20 and 100 * (raw - noise) / calls > 0.03


class Diffy:
    """The rule for one field, new and a second old held against old on each call."""

    name = "Diffy's rule, every call"

    def __init__(self, world: World) -> None:
        self._raw = self._noise = self._calls = 0

    def alarmed(self, call: Call) -> bool:
        self._raw += call.new_failed
        self._noise += call.old_failed  # the control's differences: a second old's, on the same call
        self._calls += 1
        return self._calls >= WARM_UP and self.differs

    @property
    def differs(self) -> bool:
        return diffy_differs(self._raw, self._noise, self._calls)


class DiffyOnce(Diffy):
    """The same, looked at once, at the end."""

    name = "Diffy's rule, once"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._end = world.calls

    def alarmed(self, call: Call) -> bool:
        super().alarmed(call)
        return self._calls == self._end and self.differs


class Flagger:
    """Success of the canary's last 60 calls under the threshold, five times: rolled back."""

    name = "Flagger's threshold"
    window, most_failed = 60, 5

    def __init__(self, world: World) -> None:
        self._least = 1 - world.base - 0.01  # one point under what old does
        self._calls = self._failed = self._checks = 0

    def alarmed(self, call: Call) -> bool:
        if call.on_new:
            self._calls += 1
            self._failed += call.new_failed
            if self._calls == self.window:
                self._checks += 1 - self._failed / self._calls < self._least
                self._calls = self._failed = 0
        return self._checks >= self.most_failed


class PeekedTest:
    """A one-sided z-test of the arms' calls at 5 %, looked at after every call."""

    name = "z-test, every call"

    def __init__(self, world: World) -> None:
        self._calls, self._failed = [0, 0], [0, 0]

    def alarmed(self, call: Call) -> bool:
        self._calls[call.on_new] += 1
        self._failed[call.on_new] += call.new_failed if call.on_new else call.old_failed
        (old, new), (old_failed, new_failed) = self._calls, self._failed
        if min(old, new) < WARM_UP // 2:
            return False
        pooled = (old_failed + new_failed) / (old + new)
        error = math.sqrt(pooled * (1 - pooled) * (1 / old + 1 / new))
        return error > 0 and (new_failed / new - old_failed / old) / error > Z95


class Kayenta:
    """Mann-Whitney with the 98 % interval of the Hodges-Lehmann shift, over error rates of sandboxes, every 200 calls.

    High if the interval's lower end is over a quarter of the shift, and the mean did rise.
    """

    name = "Kayenta's judge"
    every = 200

    def __init__(self, world: World) -> None:
        self._rates: dict[int, list[int]] = {}
        self._arm: dict[int, bool] = {}
        self._full = world.calls_per_sandbox
        self._calls = 0

    def alarmed(self, call: Call) -> bool:
        self._calls += 1
        failed = self._rates.setdefault(call.sandbox, [0, 0])
        failed[0] += call.new_failed if call.on_new else call.old_failed
        failed[1] += 1
        self._arm[call.sandbox] = call.on_new
        return self._calls % self.every == 0 and self._high()

    def _high(self) -> bool:
        old, new = ([f / n for name, (f, n) in self._rates.items() if self._arm[name] is arm] for arm in (False, True))
        return high(old, new)


def high(old: Sequence[float], new: Sequence[float]) -> bool:
    """Kayenta's classification of two samples."""
    pairs = len(old) * len(new)
    spread = Z99 * math.sqrt(pairs * (len(old) + len(new) + 1) / 12)
    rank = round(pairs / 2 - spread)
    if rank < 1 or max(*old, *new) == min(*old, *new):
        return False
    shifts = sorted(theirs - ours for theirs in new for ours in old)
    shift = shifts[pairs // 2]
    return shifts[rank - 1] > 0.25 * abs(shift) and sum(new) / len(new) > sum(old) / len(old)


RIVALS = (PeekedTest, Diffy, DiffyOnce, Kayenta, Flagger)
