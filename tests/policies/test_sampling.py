"""Which calls are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.sampling import sampled

shares = st.floats(0, 1)


@given(st.text(), shares)
def test_a_call_is_in_or_out_for_good(call: str, share: float) -> None:
    assert sampled(call, share) is sampled(call, share)


@given(st.text(), shares, shares)
def test_a_larger_share_keeps_all_that_a_smaller_had(call: str, one: float, other: float) -> None:
    assert sampled(call, min(one, other)) <= sampled(call, max(one, other))


@given(st.text())
def test_all_is_all_and_none_is_none(call: str) -> None:
    assert sampled(call, 1.0)
    assert not sampled(call, 0.0)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_share_of_20_000_calls_is_met_within_a_point(share: float) -> None:
    found = sum(sampled(f"call-{number}", share) for number in range(20_000)) / 20_000

    assert found == pytest.approx(share, abs=0.01)
