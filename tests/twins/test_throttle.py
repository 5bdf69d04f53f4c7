"""The throttle of filling: no more passes than it allows, and copies are whole."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.twins.throttle import BURST_SECONDS, Throttle
from tests.twins.stand import ROOT, Stand, tree


class _Clock:
    at = 100.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> float:
        return self.at


@given(st.floats(1e3, 1e9), st.lists(st.tuples(st.integers(0, 1 << 20), st.floats(0, 3)), max_size=60))
def test_over_any_time_no_more_passes_than_the_pace_and_one_burst(rate: float, chunks: list[tuple[int, float]]) -> None:
    clock = _Clock()
    throttle, passed, began = Throttle(clock, rate), 0, clock.at
    for count, idle in chunks:
        clock.at += idle
        clock.at += throttle.reserve(count)
        passed += count
        assert passed <= rate * (clock.at - began + BURST_SECONDS) * (1 + 1e-9) + 1.0


def test_without_a_pace_nothing_waits() -> None:
    assert Throttle(_Clock()).reserve(1 << 40) == 0.0


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_older_than_the_router_is_copied_whole_at_its_pace(stand: Stand) -> None:
    await stand.old.sh(f"head -c 3000000 /dev/urandom > {ROOT}/large")
    stand.twin.row = replace(stand.twin.row, bypass=True)
    settler = replace(stand.settler, pace=Throttle(stand.clock, 2e6))
    began = time.monotonic()
    await settler.everything(stand.twin)
    seconds = time.monotonic() - began

    assert seconds >= 3e6 / 2e6 - BURST_SECONDS - 0.2
    assert await tree(stand.old) == await tree(stand.new)
