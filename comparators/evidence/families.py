"""Many questions at once: which of them may be called found.

Wang and Ramdas, "False discovery rate control with e-values", Journal of the Royal Statistical Society B 84 (2022).
Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24 (1982), for why ADVANCE needs no
correction: it asks that *every* metric is proven, so one wrong proof alone cannot advance a tool that harms.
"""

import math
from collections.abc import Hashable, Mapping
from typing import TypeVar

from comparators.evidence.share import ALPHA

Name = TypeVar("Name", bound=Hashable)


def e_bh(log_e: Mapping[Name, float], *, alpha: float = ALPHA) -> frozenset[Name]:
    """The names found so that at most alpha of them are false, on average, whatever their dependence.

    Values are logarithms of e-values at a time that may depend on all data. Wang and Ramdas 2022 (above).
    """
    ranked = sorted(log_e, key=lambda name: log_e[name], reverse=True)
    found = 0
    for rank, name in enumerate(ranked, start=1):
        if log_e[name] >= math.log(len(ranked) / (rank * alpha)):
            found = rank
    return frozenset(ranked[:found])


def each_of(family: int, *, alpha: float = ALPHA) -> float:
    """The alpha of each harm bound when any of `family` may roll back (Bonferroni 1936): alpha / family."""
    if family < 1:
        raise ValueError(f"a family has at least one member, not {family}")
    return alpha / family
