"""Two outcomes of one operation as a pair, old first, secrets of the call masked."""

from collections.abc import Collection, Mapping

from comparators import plain, secrets_of
from crossfade.comparison import Pair
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin

NO_NAMES: Mapping[Origin, Mapping[str, str]] = {}


def pair_of(
    operation: Operation,
    answer: Outcome,
    other: Outcome,
    answered_by: Origin,
    *,
    secrets: Collection[str] = (),
    names: Mapping[Origin, Mapping[str, str]] = NO_NAMES,
) -> Pair:
    """The pair to compare. `secrets` are values known beyond the call's own; `names` are each side's own names
    (host, home, sandbox id, preview host) with the placeholder both share."""
    old, new = (answer, other) if answered_by is Origin.OLD else (other, answer)
    hidden = (*secrets_of(operation.arguments), *secrets)
    return Pair(
        operation=operation.name,
        old=plain(operation.name, old, secrets=hidden, names=names.get(Origin.OLD, {})),
        new=plain(operation.name, new, secrets=hidden, names=names.get(Origin.NEW, {})),
    )
