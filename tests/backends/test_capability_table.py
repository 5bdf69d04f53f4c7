"""The table of capabilities: whole, explained, and the same as the page in the documents."""

from pathlib import Path

import pytest

from router.backends.capabilities import Support, declared
from router.front.daytona.capabilities import PROVIDERS, markdown


def test_the_page_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "capabilities.md"
    assert page.read_text(encoding="utf-8") == markdown(), (
        "run: crossfade capabilities --markdown > docs/capabilities.md"
    )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_not_native_says_how_or_why_not(provider: str) -> None:
    for name, each in PROVIDERS[provider].items():
        assert each.support is Support.NATIVE or each.note, name


def test_a_declaration_is_whole_and_of_operations() -> None:
    with pytest.raises(ValueError, match="nothing is declared of"):
        declared(native=["fs.*"])
    with pytest.raises(ValueError, match=r"'fs\.nothing' is no operation"):
        declared(native=["fs.nothing"])
