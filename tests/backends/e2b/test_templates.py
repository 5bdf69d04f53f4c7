"""Which template stands for a snapshot or an image."""

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate
from router.backends.e2b.templates import template_for
from tests.backends.e2b.test_requests import Scripted, adapter

KNOWN = {"image:python:3.12": "py", "small": "s"}


@pytest.mark.parametrize("recipe", ["FROM python:3.12\n", "# ours\n\n  from   python:3.12", "FROM python:3.12"])
def test_a_plain_image_is_found_by_its_name(recipe: str) -> None:
    assert template_for({"image": recipe}, KNOWN) == ("py", "image:python:3.12")


def test_an_image_is_no_snapshot_of_that_name() -> None:
    assert template_for({"image": "FROM small"}, KNOWN) == ("", "image:small")
    assert template_for({"snapshot": "small"}, KNOWN) == ("s", "small")
    assert template_for({"snapshot": "image:python:3.12"}, {}) == ("", "image:python:3.12")


def test_an_image_with_more_in_it_is_another_one() -> None:
    built = "FROM python:3.12\nRUN pip install numpy\n"
    template, key = template_for({"image": built}, KNOWN)
    others = {
        template_for({"image": "FROM python:3.12\nRUN pip install pandas\n"}, KNOWN)[1],
        template_for({"image": built, "image_files": ["a"]}, KNOWN)[1],
        template_for({"image": built, "image_files": ["b", "a"]}, KNOWN)[1],
        template_for({"image": "FROM python:3.12", "image_files": ["a"]}, KNOWN)[1],
        template_for({"image": "FROM --platform=linux/amd64 python:3.12"}, KNOWN)[1],
    }

    assert template == ""
    assert key.startswith("image:sha256:")
    assert len({key, *others}) == 6
    assert template_for({"image": built, "image_files": []}, {key: "numpy"}) == ("numpy", key)
    assert template_for({"image": "# words\n" + built}, {key: "numpy"}) == ("numpy", key)


@pytest.mark.parametrize("asked", [{"image": "FROM node"}, {"snapshot": "large"}, {}])
def test_a_star_stands_for_all_others(asked: dict[str, str]) -> None:
    assert template_for(asked, {**KNOWN, "*": "any"})[0] == "any"


async def test_an_unknown_image_is_refused_by_the_key_to_set_and_before_anything_is_sent() -> None:
    upstream = Scripted({})
    outcome = await adapter(upstream).perform(
        Operation(name="sandbox.create", arguments={"image": "FROM python:3.12\n"})
    )

    assert (outcome.fate, outcome.status) == (Fate.FAILED, 400)
    assert outcome.message == "'image:python:3.12' has no template; add it to origins.new.templates"
    assert upstream.sent == []
