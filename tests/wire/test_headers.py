"""What of a head is meant for one connection only, and stays there (RFC 9110 §7.6.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.headers import to_client, to_origin

HOPS = [
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade"),
]
NAMES = st.sampled_from([b"X-a", b"x-A", b"Accept", b"Set-Cookie", b"TE", b"Keep-Alive", b"Connection", b"Upgrade"])
HEADERS = st.lists(
    st.tuples(NAMES, st.sampled_from([b"1", b"x-a", b"close, Accept", b"", b"set-cookie ,"])), max_size=9
)


def spelled(name: str) -> list[bytes]:
    return [name.encode(), name.upper().encode(), name.title().encode()]


@pytest.mark.parametrize("name", HOPS)
def test_what_is_meant_for_one_connection_goes_nowhere(name: str) -> None:
    for each in spelled(name):
        headers = [(b"A", b"1"), (each, b"x"), (b"B", b"2")]

        assert to_origin(headers) == to_client(headers) == [(b"A", b"1"), (b"B", b"2")]


@pytest.mark.parametrize("name", ["host", "expect"])
def test_host_and_expect_are_told_to_no_origin_but_to_clients(name: str) -> None:
    for each in spelled(name):
        assert to_origin([(each, b"x")]) == []
        assert to_client([(each, b"x")]) == [(each, b"x")]


def test_what_the_connection_header_names_goes_with_it() -> None:
    headers = [
        *[(b"X-One", b"1"), (b"Connection", b"close, x-ONE ,X-Two"), (b"x-two", b"2"), (b"X-three", b"3")],
        *[(b"connection", b"X-Four"), (b"X-Four", b"4"), (b"X-Five", b"5")],
    ]

    assert to_origin(headers) == to_client(headers) == [(b"X-three", b"3"), (b"X-Five", b"5")]


def test_order_case_and_duplicates_stay() -> None:
    headers = [(b"Set-Cookie", b"a"), (b"x-B", b"1"), (b"set-cookie", b"b"), (b"X-b", b"2"), (b"Set-Cookie", b"a")]

    assert to_client(headers) == headers
    assert to_origin(headers) == headers


def test_what_is_to_be_dropped_is_dropped_in_any_spelling() -> None:
    headers = [(b"Content-Length", b"1"), (b"content-length", b"1"), (b"A", b"1")]

    assert to_client(headers, drop=(b"content-length",)) == [(b"A", b"1")]
    assert to_origin(headers, drop=(b"content-length",)) == [(b"A", b"1")]


def test_a_chunked_body_has_no_length() -> None:
    # Both at once is how requests are smuggled (RFC 9112 §6.3).
    headers = [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5"), (b"A", b"1")]

    assert to_origin(headers, chunked=True) == [(b"A", b"1")]
    assert to_origin([(b"Content-Length", b"5")]) == [(b"Content-Length", b"5")]


@given(HEADERS)
def test_passing_on_twice_is_passing_on_once_and_only_leaves_out(headers: list[tuple[bytes, bytes]]) -> None:
    for rule in (to_origin, to_client):
        once = rule(headers)
        rest = iter(headers)

        assert all(header in rest for header in once)  # a part of them, in their order
        assert rule(once) == once
