"""What a replay showed, by signature."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from router.capture.replay import Driven

COSMETIC = " (cosmetic)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of difference: in how many calls it was captured, and in how many it showed now."""

    signature: str
    captured: int
    now: int

    @property
    def state(self) -> str:
        """gone, still or new."""
        return "gone" if not self.now else "still" if self.captured else "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The sum of a replay, in calls. `differing`: by more than how something is written."""

    driven: int
    compared: int
    differing: int
    skipped: dict[str, int]
    rows: tuple[Row, ...]


def tally(driven: Sequence[Driven]) -> Tally:
    """Sum it up; rows that still show first, the most frequent before the others."""
    done = [each for each in driven if not each.skipped]
    now = Counter(name for each in done for name in each.signatures)
    calls = {each.call.id: each.call for each in done if each.comparison is not None}
    before = Counter(name for call in calls.values() for name in call.signatures)
    rows = [Row(signature=name, captured=before[name], now=now[name]) for name in before.keys() | now.keys()]
    return Tally(
        driven=len(done),
        compared=sum(each.comparison is not None for each in done),
        differing=sum(any(not name.endswith(COSMETIC) for name in each.signatures) for each in done),
        skipped=dict(Counter(each.skipped for each in driven if each.skipped)),
        rows=tuple(sorted(rows, key=lambda row: (row.now == 0, -row.now, -row.captured, row.signature))),
    )
