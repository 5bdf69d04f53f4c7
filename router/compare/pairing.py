"""Two outcomes of one operation as a pair, old first, secrets of the call masked."""

from collections.abc import Collection, Mapping

from comparators import plain, secrets_of
from crossfade.comparison import Pair
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from router.compare.names import NO_NAMES


def pair_of(
    operation: Operation,
    answer: Outcome,
    other: Outcome,
    answered_by: Origin,
    *,
    secrets: Collection[str] = (),
    names: Mapping[str, str] = NO_NAMES,
) -> Pair:
    """The pair to compare. `secrets` are values known beyond the call's own; `names` are what the sides call
    themselves (host, sandbox id, preview host), each with its placeholder."""
    old, new = _sides(answer, other, answered_by)
    hidden = (*secrets_of(operation.arguments), *secrets)
    return Pair(
        operation=operation.name,
        old=plain(operation.name, old, secrets=hidden, names=names),
        new=plain(operation.name, new, secrets=hidden, names=names),
    )


def bare_pair(operation: Operation, answer: Outcome, other: Outcome, answered_by: Origin) -> Pair:
    """The same, nothing masked and no names: to find agreement with, never to be kept or shown."""
    old, new = _sides(answer, other, answered_by)
    return Pair(operation=operation.name, old=plain(operation.name, old), new=plain(operation.name, new))


def _sides(answer: Outcome, other: Outcome, answered_by: Origin) -> tuple[Outcome, Outcome]:
    return (answer, other) if answered_by is Origin.OLD else (other, answer)
