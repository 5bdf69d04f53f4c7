"""Answers that are kept for a while: asked once by many, anew when they are old, never kept when they failed."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest

from router.preview import memory
from router.preview.memory import Remembered
from router.wire.limits import Bucket


@dataclass
class Asked:
    """A clock that the test moves, and questions that it counts and answers."""

    seconds: float = 100.0
    count: int = 0
    error: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def ask(self) -> int:
        self.count += 1
        count = self.count
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return count


@pytest.fixture
def asked() -> Asked:
    made = Asked()
    made.gate.set()
    return made


@pytest.fixture
def kept(asked: Asked) -> Remembered[str, int]:
    return Remembered(asked, lambda value: 10.0 * value)


async def test_a_value_is_kept_for_as_long_as_its_kind_says(asked: Asked, kept: Remembered[str, int]) -> None:
    got = []
    for seconds in (0, 9.9, 0.1, 19.9, 0.2):
        asked.seconds += seconds
        got.append(await kept.get("a", asked.ask))

    assert got == [1, 1, 2, 2, 3]


async def test_callers_at_once_share_one_question(asked: Asked, kept: Remembered[str, int]) -> None:
    asked.gate.clear()
    waiting = [asyncio.create_task(kept.get("a", asked.ask)) for _ in range(50)]
    await asyncio.sleep(0)
    asked.gate.set()

    assert await asyncio.gather(*waiting) == [1] * 50
    assert await kept.get("b", asked.ask) == 2


async def test_who_goes_away_takes_the_answer_from_nobody(asked: Asked, kept: Remembered[str, int]) -> None:
    asked.gate.clear()
    first, second = (asyncio.create_task(kept.get("a", asked.ask)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    asked.gate.set()

    assert await second == 1


async def test_an_error_reaches_all_who_wait_and_is_not_kept(asked: Asked, kept: Remembered[str, int]) -> None:
    asked.error = ValueError("no answer")
    asked.gate.clear()
    waiting = [asyncio.create_task(kept.get("a", asked.ask)) for _ in range(3)]
    await asyncio.sleep(0)
    asked.gate.set()
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    asked.error = None

    assert [str(error) for error in errors] == ["no answer"] * 3
    assert await kept.get("a", asked.ask) == 2


async def test_a_value_may_be_asked_for_anew(asked: Asked, kept: Remembered[str, int]) -> None:
    await kept.get("a", asked.ask)
    asked.seconds += 1

    assert await kept.get("a", asked.ask, asked_after=100.0) == 1
    assert await kept.get("a", asked.ask, asked_after=100.5) == 2
    assert kept.asked_at("a") == 101.0
    assert kept.asked_at("never") == float("-inf")


async def test_a_question_under_way_is_not_asked_twice_however_new_it_must_be(
    asked: Asked, kept: Remembered[str, int]
) -> None:
    asked.gate.clear()
    first = asyncio.create_task(kept.get("a", asked.ask))
    await asyncio.sleep(0)
    asked.seconds += 1
    second = asyncio.create_task(kept.get("a", asked.ask, asked_after=100.5))
    await asyncio.sleep(0)
    asked.gate.set()

    assert await asyncio.gather(first, second) == [1, 1]


async def test_it_holds_a_bounded_number(asked: Asked, kept: Remembered[str, int]) -> None:
    most = memory._MOST
    for number in range(most + 10):
        kept.kept[str(number)] = kept._ask(str(number), asked.ask, asked.seconds) if number < 1 else kept.kept["0"]
    await kept.get("newest", asked.ask)

    assert len(kept.kept) <= most
    assert "newest" in kept.kept


async def test_what_is_forgotten_is_asked_for_anew(asked: Asked, kept: Remembered[str, int]) -> None:
    await kept.get("a", asked.ask)
    kept.forget("a")
    kept.forget("never")

    assert await kept.get("a", asked.ask) == 2


def test_strangers_may_make_us_ask_so_often_and_no_more(asked: Asked) -> None:
    bucket = Bucket(asked, most=5, per_second=2)
    at_once = sum(bucket.take() for _ in range(100))
    later = []
    for seconds in (0.4, 0.1, 1.0, 1000.0):
        asked.seconds += seconds
        later.append(sum(bucket.take() for _ in range(100)))

    assert (at_once, later) == (5, [0, 1, 2, 5])
