"""Words of the dashboard in the reader's language. The English text is the key; russian.toml has the other."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "ru")


def language_of(chosen: str, accepted: str) -> str:
    """The one chosen, else the browser's first that we know, else English."""
    if chosen in LANGUAGES:
        return chosen
    asked = (part.strip()[:2].lower() for part in accepted.split(","))
    return next((each for each in asked if each in LANGUAGES), "en")


def said(language: str, text: str, **values: object) -> str:
    """The text in that language, its {names} filled in. One without a translation stays English."""
    found = russian().get(text, text) if language == "ru" else text
    return found.format(**values) if values else found


def percent(share: float | None, language: str = "en") -> str:
    """A share of 1 as people read it: two digits that say something, never `0 %` for something there is."""
    if share is None:
        return "–"
    value = share * 100
    text = f"{value:.0f}" if value in (0, 100) or (abs(value) >= 10 and value == round(value)) else f"{value:.3g}"
    if value >= 99.95 and share < 1:
        text = f"{int(value * 100) / 100:g}"
    return f"{text.replace('.', ',') if language == 'ru' else text} %"


def count(number: float, language: str = "en") -> str:
    """A number with its thousands apart."""
    return f"{number:,.0f}".replace(",", " " if language == "ru" else ",")


def moment(at: float) -> str:
    """A moment, in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


@cache
def russian() -> Mapping[str, str]:
    """English to Russian."""
    return tomllib.loads((Path(__file__).parent / "russian.toml").read_text(encoding="utf-8"))
