"""How far a simulated share may be off: the exact interval of Clopper and Pearson (Biometrika 26, 1934)."""

import math
from collections.abc import Callable

_HALVINGS = 50


def clopper_pearson(events: int, runs: int, *, confidence: float = 0.99) -> tuple[float, float]:
    """Between which shares the true one lies, with at least this confidence."""
    tail = (1 - confidence) / 2
    lower = _where(lambda share: 1 - _at_most(events - 1, runs, share), tail) if events else 0.0
    upper = 1 - _where(lambda share: _at_most(events, runs, 1 - share), tail) if events < runs else 1.0
    return lower, upper


def _where(rising: Callable[[float], float], level: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < level else (low, middle)
    return low


def _at_most(events: int, runs: int, share: float) -> float:
    """The chance of at most so many events."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(events >= runs)
    whole = math.lgamma(runs + 1)
    return min(
        1.0,
        math.fsum(
            math.exp(
                whole
                - math.lgamma(count + 1)
                - math.lgamma(runs - count + 1)
                + count * math.log(share)
                + (runs - count) * math.log1p(-share)
            )
            for count in range(events + 1)
        ),
    )
