"""Contents made to be expensive, through the real process: each is answered, never as a match, and holds up nobody."""

import json
import random
from collections.abc import Callable

import pytest
from PIL import Image

from crossfade.comparison import Pair
from crossfade.operation import Operation
from crossfade.outcome import done
from crossfade.results import ExecResult
from crossfade.stage import Origin
from router.compare.capture import digest_of
from router.compare.pairing import pair_of
from router.compare.worker import CompareWorker, WorkerSettings
from tests.comparators.content_examples import encoded, gzipped, zipped


def file(old: bytes, new: bytes) -> Pair:
    return pair_of(Operation(name="fs.download"), done(digest_of(old)), done(digest_of(new)), Origin.OLD)


def output(old: bytes, new: bytes) -> Pair:
    ran = [done(ExecResult(exit_code=0, output=each)) for each in (old, new)]
    return pair_of(Operation(name="process.exec"), *ran, Origin.OLD)


def shuffled(lines: int) -> tuple[bytes, bytes]:
    old = [b"%d" % (at % 7) for at in range(lines)]
    new = random.Random(1).sample(old, len(old))
    return b"\n".join(old), b"\n".join([*new, b"8"])


def _keys(side: str, count: int) -> bytes:
    return json.dumps({f"{side}{at}": at for at in range(count)}).encode()


PAIRS: dict[str, Callable[[], Pair]] = {
    "zeros packed a thousandfold": lambda: file(gzipped(bytes(60_000_000)), gzipped(bytes(60_000_001))),
    "many members": lambda: file(*(zipped({str(at): body for at in range(500)}) for body in (b"", b"x"))),
    "a picture of many pixels": lambda: file(*(encoded(Image.new("1", (16_000, 16_000), at)) for at in (0, 1))),
    "arrays in arrays": lambda: file(b"[" * 30_000 + b"]" * 30_000, b"[" * 30_000 + b" " + b"]" * 30_000),
    "a number of many digits": lambda: file(b"[" + b"1" * 60_000 + b"]", b"[" + b"1" * 59_999 + b"2]"),
    "many keys, none shared": lambda: output(*(_keys(side, 9_000) for side in "ab")),
    "many equal lines": lambda: output(*shuffled(1_900)),
    "carriage returns": lambda: output(b"\r" * 400_000 + b"a", b"\r" * 400_000 + b"b"),
    "half a screenshot, often": lambda: output(*(b'"screenshot": "' * 40_000 + end for end in (b"a", b"b"))),
}  # fmt: skip


@pytest.mark.parametrize("kind", PAIRS)
async def test_an_expensive_pair_differs_and_the_next_one_is_compared(kind: str) -> None:
    async with CompareWorker(WorkerSettings(seconds=8.0)) as worker:
        found = await worker.compare(PAIRS[kind]())
        after = await worker.compare(output(b"one\n", b"two\n"))

    assert not found.matched
    assert str(found.severity) in ("content", "contract")
    assert [each.path for each in after.differences] == ["output line"]
