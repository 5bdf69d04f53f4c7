"""Pace of shadow work."""

import asyncio
import time
from functools import partial

from hypothesis import given
from hypothesis import strategies as some

from router.twins.pace import IN_TIME_SECONDS, LATE_SECONDS, Pace, next_limit


@given(some.integers(1, 500), some.floats(0, 10), some.integers(1, 500))
def test_limit_stays_within_one_and_most_and_moves_the_right_way(limit: int, late: float, most: int) -> None:
    limit = min(limit, most)
    after = next_limit(limit, late, most=most)
    assert 1 <= after <= most
    if late > LATE_SECONDS:
        assert after == max(1, limit // 2)
    elif late < IN_TIME_SECONDS:
        assert after > limit or after == most
    else:
        assert after == limit


async def test_turns_are_bounded_and_given_in_order() -> None:
    pace = Pace(most=2)
    running = most = 0
    order: list[int] = []

    async def work(number: int) -> None:
        nonlocal running, most
        async with pace:
            order.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(work(number))
    assert most == 2 and order == list(range(10)) and pace.running == 0 and pace.held == 8
    pace.stop()


async def test_turn_given_up_while_waiting_is_lost_to_nobody() -> None:
    pace = Pace(most=1)
    async with pace:
        waiting = [asyncio.get_running_loop().create_task(pace.__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
    await waiting[1]
    waiting[2].cancel()
    await asyncio.sleep(0)
    await pace.__aexit__()
    async with asyncio.timeout(5), pace:
        assert pace.running == 1
    pace.stop()


async def test_turn_that_is_not_used_goes_to_the_next() -> None:
    pace, came = Pace(most=1), []

    def later(name: str, used: bool) -> bool:
        came.append(name)
        return used

    assert pace.take(lambda: True)
    for name, used in (("a", False), ("b", True), ("c", True)):
        assert not pace.take(partial(later, name, used))
    pace.give()
    assert came == ["a", "b"] and pace.running == 1
    pace.give()
    assert came == ["a", "b", "c"]
    pace.stop()


async def test_full_loop_slows_shadow_work_and_a_free_one_lets_it_grow_again() -> None:
    pace = Pace(most=64)
    async with pace:
        for _ in range(8):
            time.sleep(0.1)  # what a full core looks like from inside
            await asyncio.sleep(0.001)
            await asyncio.sleep(0.06)
        slowed = pace.limit
        for _ in range(200):
            await asyncio.sleep(0.02)
            if pace.limit > slowed:
                break
        assert slowed < 64 and pace.limit > slowed
    pace.stop()
