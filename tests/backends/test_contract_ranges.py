"""What every backend does when a part of a file is asked for, or the file only if it has changed."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import pytest

from crossfade.results import Content
from tests.backends.asking import Asking, refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")
DATA = b"0123456789"


async def read(content: Content) -> bytes:
    return b"".join([chunk async for chunk in content.stream])


@pytest.mark.parametrize(
    ("wanted", "data", "part"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=0-99", DATA, "bytes 0-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
    ],
)
async def test_a_range_is_the_bytes_it_names(box: Asking, wanted: str, data: bytes, part: str) -> None:
    await box.put("/workspace/f", DATA)

    outcome = await box.ask("fs.download", path="/workspace/f", range=wanted)

    assert (outcome.status, outcome.value.part, outcome.value.size) == (206, part, len(data))
    assert await read(outcome.value) == data


@pytest.mark.parametrize(("wanted", "told"), [("bytes=10-", "bytes */10"), ("bytes=4-2", None), ("lines=1-2", None)])
async def test_a_range_that_is_not_there_is_416(box: Asking, wanted: str, told: str | None) -> None:
    await box.put("/workspace/f", DATA)

    outcome = await box.ask("fs.download", path="/workspace/f", range=wanted)

    assert refusal(outcome) == (416, "RANGE_NOT_SATISFIABLE")
    assert outcome.value == told


async def test_several_ranges_and_one_of_an_empty_file_are_the_whole(box: Asking) -> None:
    await box.put("/workspace/f", DATA)
    await box.put("/workspace/empty", b"")

    several = await box.ask("fs.download", path="/workspace/f", range="bytes=0-1,4-5")
    empty = await box.ask("fs.download", path="/workspace/empty", range="bytes=0-1")

    assert [several.status, empty.status] == [200, 200]
    assert [await read(several.value), await read(empty.value)] == [DATA, b""]


async def test_a_part_is_given_only_if_the_file_is_the_one_that_is_meant(box: Asking) -> None:
    await box.put("/workspace/f", DATA)
    whole = await box.ask("fs.download", path="/workspace/f")
    assert await read(whole.value) == DATA
    asked = {"path": "/workspace/f", "range": "bytes=0-3"}

    same = await box.ask("fs.download", **asked, if_range=whole.value.modified)
    await box.sh("touch -d @1700000000 f")
    changed = await box.ask("fs.download", **asked, if_range=whole.value.modified)
    tagged = await box.ask("fs.download", **asked, if_range='"a-tag"')

    assert [await read(each.value) for each in (same, changed, tagged)] == [b"0123", DATA, DATA]
    assert changed.value.modified == "Tue, 14 Nov 2023 22:13:20 GMT"


async def test_what_cannot_be_downloaded_cannot_be_in_part(box: Asking) -> None:
    assert refusal(await box.ask("fs.download", path="/workspace/absent", range="bytes=0-1"))[0] == 404
    assert refusal(await box.ask("fs.download", path="/workspace", range="bytes=0-1"))[0] == 400


def moved(text: str, seconds: int) -> str:
    return format_datetime(parsedate_to_datetime(text) + timedelta(seconds=seconds), usegmt=True)


async def test_a_file_is_sent_only_if_it_has_changed(box: Asking) -> None:
    await box.put("/workspace/f", DATA)
    whole = await box.ask("fs.download", path="/workspace/f")
    assert await read(whole.value) == DATA
    at = whole.value.modified
    asked = {
        "same": {"if-modified-since": at},
        "later": {"if-modified-since": moved(at, 60)},
        "any": {"if-none-match": "*"},
        "earlier": {"if-modified-since": moved(at, -60)},
        "tagged": {"if-none-match": '"tag"', "if-modified-since": at},
        "no date": {"if-modified-since": "yesterday"},
        "unmodified": {"if-unmodified-since": at},
        "whatever": {"if-match": "*", "if-unmodified-since": moved(at, -60)},
        "modified": {"if-unmodified-since": moved(at, -60)},
        "other": {"if-match": '"tag"'},
    }
    found = {}
    for name, conditions in asked.items():
        outcome = await box.ask("fs.download", path="/workspace/f", conditions=conditions)
        assert (outcome.status == 200) == isinstance(outcome.value, Content)
        if isinstance(outcome.value, Content):
            assert await read(outcome.value) == DATA
        found[name] = outcome.status

    unchanged, sent = dict.fromkeys(["same", "later", "any"], 304), ["earlier", "tagged", "no date", "unmodified"]
    assert found == {**unchanged, **dict.fromkeys([*sent, "whatever"], 200), "modified": 412, "other": 412}


async def test_a_condition_comes_before_a_range_and_after_the_question_whether_there_is_a_file(box: Asking) -> None:
    await box.put("/workspace/f", DATA)
    never = {"if-modified-since": format_datetime(datetime(2099, 1, 1, tzinfo=UTC), usegmt=True)}
    long_ago = {"if-modified-since": format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)}

    part = await box.ask("fs.download", path="/workspace/f", range="bytes=2-4", conditions=long_ago)
    none = await box.ask("fs.download", path="/workspace/f", range="bytes=2-4", conditions=never)
    gone = await box.ask("fs.download", path="/workspace/none", conditions=never)

    assert [part.status, none.status, gone.status] == [206, 304, 404]
    assert await read(part.value) == b"234"
    assert refusal(gone)[0] == 404
