"""Every text of the dashboard is there in Russian, and no other."""

import re
from pathlib import Path

import pytest

import router.dashboard
from crossfade.evidence import Word
from router.dashboard import words
from router.dashboard.pages import ramps
from router.dashboard.pages.differences import SAYINGS, STATES
from router.dashboard.pages.look import LIMITS
from router.dashboard.pages.now import ALARMS
from router.dashboard.pages.sandboxes import ACTS
from router.dashboard.users import Role

HERE = Path(router.dashboard.__file__).parent


def used() -> set[str]:
    pages = "".join(each.read_text(encoding="utf-8") for each in (HERE / "templates").glob("*.html"))
    code = "".join(each.read_text(encoding="utf-8") for each in HERE.rglob("*.py"))
    literal = {text for pair in re.findall(r"\bt\((?:\"([^\"]+)\"|'([^']+)')", pages) for text in pair if text}
    named = set(re.findall(r'\("/[a-z]*", "(\w+)"\)', pages)) | {"as the system", "light", "dark"}
    shown = set(re.findall(r'(?:problem|title)="([^"]+)"', code)) | set(
        re.findall(r'refuse\(visit, \d+, "([^"]+)"', code)
    )
    shown |= set(re.findall(r'"title": "([^"]+)"', code))
    shown |= set(re.findall(r'NotSignedIn\("([^"]+)"', code))
    coded = {*Word, *Role, *ALARMS.values(), *LIMITS.values(), "active", "passive"}
    coded |= {*SAYINGS, *SAYINGS.values(), *STATES}
    coded |= {each.label for each in ACTS.values()} | {each.says for each in ACTS.values()}
    acts = ramps.ACTS.values()
    coded |= {*ramps.STATES, *ramps.SAID, *(each.label for each in acts), *(each.says for each in acts)}
    return {str(each) for each in literal | named | shown | coded}


def test_every_text_has_a_translation_and_no_translation_is_left_over() -> None:
    known = set(words.russian())

    assert used() - known == set()
    assert known - used() == set()


@pytest.mark.parametrize(("english", "russian"), words.russian().items(), ids=list(words.russian()))
def test_a_translation_has_the_same_blanks_to_fill_in(english: str, russian: str) -> None:
    assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", russian))
    assert russian.strip() == russian != ""


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("ru", "en", "ru"),
        ("", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("", "de-DE,ru;q=0.5", "ru"),
        ("", "de", "en"),
        ("fr", "", "en"),
    ],
)
def test_the_choice_comes_before_the_browser_and_english_is_the_rest(chosen: str, accepted: str, language: str) -> None:
    assert words.language_of(chosen, accepted) == language


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0, "0 %"), (1, "100 %"), (0.5, "50 %"), (1 / 3, "33.3 %"), (0.0004, "0.04 %"), (0.99999, "99.99 %")],
)
def test_a_share_never_says_nothing_of_something_or_everything_of_less(share: float | None, text: str) -> None:
    assert words.percent(share) == text
    assert words.percent(share, "ru") == text.replace(".", ",")
