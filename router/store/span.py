"""A window of whole hours, as the tables by the hour are read."""

import math
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, and_

from router.store.fold import HOUR

_EVER = 1 << 53  # Unix seconds: later than any


class Span(NamedTuple):
    """Hours from `first` to before `end`, by their beginnings in Unix seconds."""

    first: int
    end: int = _EVER

    @classmethod
    def of(cls, since: float, until: float = math.inf) -> "Span":
        """Every hour of which a part lies between the two: hours are not split."""
        return cls(int(since // HOUR) * HOUR, _EVER if math.isinf(until) else math.ceil(until / HOUR) * HOUR)

    def holds(self, column: "Column[Any] | ColumnElement[Any]") -> ColumnElement[bool]:
        """Whether the moment in the column lies in it."""
        return and_(column >= self.first, column < self.end)
