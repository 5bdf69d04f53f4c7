"""The kinds of difference of a comparison, named as the record of its call keeps them."""

from dataclasses import replace

from comparators import signatures
from crossfade.comparison import Comparison


def kinds(operation: str, comparison: Comparison) -> tuple[str, ...]:
    """Names in order, worst first; of what was not looked at in full one that nobody can explain away."""
    # By the operation that was called: whoever reads the record looks names up by that.
    return signatures(replace(comparison, operation=operation))
