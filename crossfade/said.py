"""Sentences that can be said in several languages: a template in English, and what goes into its places."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

Part = Union["Said", str, int, float, Sequence[str]]
_DECIMAL = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence or a part of one. `str()` is English; a table of templates says it in another language.

    An int is a count, a float a share of 1, a sequence names of tools; text is looked up in the table, too.
    """

    template: str
    parts: Mapping[str, Part] = field(default_factory=dict)

    def __init__(self, template: str, /, **parts: Part) -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return self.told({})

    def told(self, table: Mapping[str, str]) -> str:
        """By the table, template for template; what it lacks is said in English."""
        filled = {name: _told(part, table) for name, part in self.parts.items()}
        return table.get(self.template, self.template).format(**filled)


def _told(part: Part, table: Mapping[str, str]) -> str:
    if isinstance(part, Said):
        return part.told(table)
    if isinstance(part, int):
        return f"{part:,}".replace(",", table.get(",", ","))
    if isinstance(part, float):
        return percent(part).replace(".", table.get(".", "."))
    if isinstance(part, str):
        return part.replace(".", table.get(".", ".")) if _DECIMAL.fullmatch(part) else table.get(part, part)
    return ", ".join(part)


def percent(share: float) -> str:
    """A share as a sentence says it: two digits."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"
