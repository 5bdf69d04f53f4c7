"""comparators/pictures.py and screenshots.py: judged by what is seen."""

import random

import pytest
from comparison_examples import pair
from content_examples import Named, answer, drawn, encoded, with_block
from PIL import Image

from comparators import compare
from comparators.pictures import PIXELS, compare_pictures, look, map_of_blocks
from comparators.screenshots import compare_screenshots
from crossfade import Change, Severity, done
from crossfade.results import ExecResult

CONTENT, COSMETIC = Severity.CONTENT, Severity.COSMETIC


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_block_of_pixels_is_seen_wherever_it_is(seed: int) -> None:
    chance = random.Random(seed)
    page = drawn((400, 300))
    left, top = chance.randrange(392), chance.randrange(292)
    changed = with_block(page, (left, top, left + 8, top + 8))

    found = compare_pictures(encoded(page), encoded(changed))

    assert found is not None
    assert found[:2] == (Change.VALUE, CONTENT)
    rows = found[2].split()[-1].split("/")
    assert rows[top // 30][left // 40] == "#"


def test_the_trace_of_an_encoder_is_cosmetic() -> None:
    page = Image.linear_gradient("L").convert("RGB")
    once = encoded(page, "JPEG", quality=95)

    assert compare_pictures(once, encoded(page, "JPEG", quality=90))[:2] == (Change.VALUE, COSMETIC)  # type: ignore[index]


@pytest.mark.parametrize(
    "unjudged",
    [
        encoded(Image.new("I;16", (4, 4), 300)),
        encoded(drawn(), "GIF", save_all=True, append_images=[with_block(drawn(), (0, 0, 8, 8))]),
        encoded(Image.new("1", (PIXELS // 1000 + 1, 1000))),
        encoded(drawn())[:200],
        b"",
    ],
    ids=("sixteen bits", "animation", "too many pixels", "cut off", "empty"),
)
def test_what_could_hide_a_difference_is_not_judged_by_its_look(unjudged: bytes) -> None:
    assert compare_pictures(unjudged, encoded(drawn())) is None
    assert compare_pictures(encoded(drawn()), unjudged) is None


def test_a_change_of_transparency_alone_is_seen() -> None:
    page = drawn().convert("RGBA")
    clear = page.copy()
    clear.putalpha(0)

    assert "#" in map_of_blocks(page, clear)


def test_a_picture_turned_by_its_metadata_is_another_picture() -> None:
    page = drawn((100, 100))
    turned = page.getexif()
    turned[0x0112] = 6

    assert compare_pictures(encoded(page, "JPEG"), encoded(page, "JPEG", exif=turned))[1] is CONTENT  # type: ignore[index]


def test_the_look_of_a_picture_survives_its_size_and_not_another_content() -> None:
    page, flipped = drawn((400, 300)), drawn((400, 300)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    assert (look(page) ^ look(page.resize((200, 150)))).bit_count() <= 4
    assert (look(page) ^ look(flipped)).bit_count() >= 24


def named(old: bytes, new: bytes) -> Named:
    ran = [done(ExecResult(exit_code=0, output=output)) for output in (old, new)]
    return {(each.path, each.change, each.severity) for each in compare(pair("process.exec", *ran)).differences}


def test_a_screenshot_is_taken_out_of_its_answer_and_compared_as_a_picture() -> None:
    page, changed = encoded(drawn()), encoded(with_block(drawn(), (40, 40, 48, 48)))
    line = ("output line", Change.VALUE, COSMETIC)

    assert named(answer(page), answer(changed)) == {line, ("screenshot", Change.VALUE, CONTENT)}
    assert named(answer(page), answer(encoded(drawn(), compress_level=0))) == {
        line,
        ("screenshot", Change.VALUE, COSMETIC),
    }
    assert named(answer(page), answer(b"no picture")) == {line, ("screenshot", Change.TYPE, CONTENT)}


def test_the_text_around_a_screenshot_is_compared_as_well() -> None:
    page = encoded(drawn())

    assert named(answer(page, title="a"), answer(page, title="b")) == {("output line", Change.VALUE, CONTENT)}


def test_a_screenshot_that_cannot_be_judged_differs() -> None:
    page = encoded(drawn())
    (found,) = compare_screenshots(answer(page), answer(page[:-200]))

    assert (found.change, found.severity) == (Change.VALUE, CONTENT)
