"""The report's words in the reader's language. The English text is the key; russian.toml has the other."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from crossfade.said import Said
from reports import words

LANGUAGES = ("en", "ru")
_UNITS = (" ms", " µs", " s")


@dataclass(frozen=True, slots=True)
class Language:
    """Says texts, numbers and times."""

    code: str = "en"
    table: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, text: str, /, **values: object) -> str:
        """The text, its {names} filled in. One without a translation stays English."""
        found = self.table.get(text, text)
        return found.format(**values) if values else found

    def told(self, said: Said) -> str:
        """A sentence made elsewhere."""
        return said.told(self.table)

    def number(self, text: str) -> str:
        """A number in English writing, with this language's marks."""
        if not self.table:
            return text
        return text.replace(",", "\0").replace(".", self.table["."]).replace("\0", self.table[","])

    def percent(self, share: float) -> str:
        """A share in per cent; what is not all is never rounded to 100 %, nor what is not nothing to 0 %."""
        return self.number(words.percent(share))

    def count(self, number: float) -> str:
        """A count with its thousands set apart."""
        return self.number(words.count(number))

    def amount(self, number: float, digits: int = 2) -> str:
        """A number with so many digits behind the mark."""
        return self.number(f"{number:,.{digits}f}")

    def duration(self, seconds: float) -> str:
        """A duration to three figures, in the unit that suits it."""
        text = words.duration(seconds)
        unit = next(each for each in _UNITS if text.endswith(each))
        return self.number(text.removesuffix(unit)) + " " + self(unit.strip())

    def moment(self, at: float) -> str:
        """A moment in UTC, to the minute."""
        return words.moment(at)

    def day(self, at: float) -> str:
        """A day in UTC."""
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"

    def stages(self, shares: Mapping[str, float] | None) -> str:
        """What a flag asks for: `live 50 % · shadow 50 %`. Stages are names of a flag's values, alike everywhere."""
        return self("no flag") if shares is None else self.number(words.stages(shares))

    def listed(self, names: list[str]) -> str:
        """Names in a row: a, b and c."""
        return names[0] if len(names) == 1 else self("{names} and {last}", names=", ".join(names[:-1]), last=names[-1])


ENGLISH = Language()


def language(code: str) -> Language:
    """The language of a code. ValueError for one that is not there."""
    if code not in LANGUAGES:
        raise ValueError(f"no language '{code}'; there are {' and '.join(LANGUAGES)}")
    return Language("ru", russian()) if code == "ru" else ENGLISH


@cache
def russian() -> Mapping[str, str]:
    """English to Russian."""
    return tomllib.loads((Path(__file__).parent / "russian.toml").read_text(encoding="utf-8"))
