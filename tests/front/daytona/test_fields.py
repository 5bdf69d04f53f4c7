"""Fields of requests that cannot be meant, and those that can."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.front.daytona.errors import BadRequest
from router.front.daytona.fields import cwd_of, parsed, timeout_of

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    "body",
    [
        b"1" * 5_000,
        b'{"a": NaN}',
        b"-Infinity",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 90_000,
        b"",
    ],
    ids=["digits", "NaN", "infinity", "surrogate in UTF-8", "mark", "UTF-16", "deep", "empty"],
)
def test_what_is_no_json_is_a_bad_request_and_no_defect(body: bytes) -> None:
    with pytest.raises(BadRequest, match="body"):
        parsed(body, "body")


def test_half_a_surrogate_pair_becomes_the_replacement_sign() -> None:
    assert parsed(b'{"\\ud800 a": ["\\udfff", "\\ud83c\\udf0d"]}', "body") == {"\ufffd a": ["\ufffd", "\U0001f30d"]}


@given(anything)
def test_every_json_value_is_read_as_it_was_written(value: object) -> None:
    assert parsed(json.dumps(value).encode(), "body") == value
    assert parsed(json.dumps(value, ensure_ascii=False).encode(), "body") == value


@pytest.mark.parametrize("cwd", [7, ["/workspace"], {"a": 1}, "/work\0space"])
def test_a_directory_that_is_no_path_is_refused(cwd: object) -> None:
    with pytest.raises(BadRequest, match="cwd"):
        cwd_of({"cwd": cwd})


def test_no_directory_is_the_sandboxes_own() -> None:
    assert [cwd_of(fields) for fields in ({}, {"cwd": None}, {"cwd": ""}, {"cwd": "/a"})] == [None, None, None, "/a"]


@pytest.mark.parametrize("timeout", [-1, 2**32, 10**400, 0.5, True, "1"])
def test_a_time_limit_past_daytonas_own_range_is_refused(timeout: object) -> None:
    with pytest.raises(BadRequest, match="timeout"):
        timeout_of({"timeout": timeout})
