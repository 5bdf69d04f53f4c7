"""What a part of the benchmark found: rows of numbers, named ratios, counted facts. Values that go into JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.arithmetic import Spread

Value = Spread | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A count that must hold for the numbers to mean anything."""

    text: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows by name, each with a value for some of the columns. A column's name says its unit."""

    title: str
    columns: Sequence[str]
    rows: Mapping[str, Mapping[str, Value]]


@dataclass(slots=True, kw_only=True)
class Found:
    """What one part found."""

    part: str
    title: str
    method: str = ""
    tables: list[Table] = field(default_factory=list)
    ratios: dict[str, Spread] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # what was left out -> why

    def check(self, text: str, holds: bool) -> None:
        """Note a fact."""
        self.facts.append(Fact(text=text, holds=holds))

    @property
    def holds(self) -> bool:
        return all(fact.holds for fact in self.facts)


def number(value: float) -> Spread:
    """A single value as a spread."""
    return Spread(middle=value, low=value, high=value, n=1)


def shown(value: Value | None) -> str:
    """A value as text: three digits that count, quartiles in brackets where they say something."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, Spread):
        if value.n < 3:
            return digits(value.middle)
        return f"{digits(value.middle)} ({digits(value.low)}–{digits(value.high)})"
    return digits(value)


def digits(value: float) -> str:
    """Three digits that count, no exponent."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"


def as_json(found: Found) -> dict[str, Any]:
    """A part as plain values."""
    return {
        "title": found.title,
        "method": found.method,
        "tables": [
            {
                "title": table.title,
                "columns": list(table.columns),
                "rows": {name: {key: _plain(value) for key, value in row.items()} for name, row in table.rows.items()},
            }
            for table in found.tables
        ],
        "ratios": {name: _plain(value) for name, value in found.ratios.items()},
        "facts": [{"text": fact.text, "holds": fact.holds} for fact in found.facts],
        "skipped": found.skipped,
    }


def from_json(part: str, value: Mapping[str, Any]) -> Found:
    """The inverse of `as_json`."""
    return Found(
        part=part,
        title=value["title"],
        method=value["method"],
        tables=[
            Table(
                title=table["title"],
                columns=tuple(table["columns"]),
                rows={name: {key: _value(each) for key, each in row.items()} for name, row in table["rows"].items()},
            )
            for table in value["tables"]
        ],
        ratios={name: Spread(**each) for name, each in value["ratios"].items()},
        facts=[Fact(**fact) for fact in value["facts"]],
        skipped=dict(value["skipped"]),
    )


def _plain(value: Value) -> Any:
    if isinstance(value, Spread):
        return {"middle": value.middle, "low": value.low, "high": value.high, "n": value.n}
    return value


def _value(value: Any) -> Value:
    return Spread(**value) if isinstance(value, dict) else value
