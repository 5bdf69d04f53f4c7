"""Request heads: what is written, what is left out, and what cannot be written at all."""

import pytest

from router.wire.http1.messages import Unsendable, content_length, expects_continue, is_chunked, request_head


def test_a_head_keeps_names_order_and_duplicates() -> None:
    headers = [(b"X-b", b"1"), (b"x-A", b"2"), (b"X-b", b"3"), (b"Empty", b""), (b"Cookie", b"a=b; c=\xe4")]

    head = request_head(b"GET", b"/a%2f/../b?c=%41|d", headers, host=b"h:1")

    assert head == (
        b"GET /a%2f/../b?c=%41|d HTTP/1.1\r\nHost: h:1\r\n"
        b"X-b: 1\r\nx-A: 2\r\nX-b: 3\r\nEmpty: \r\nCookie: a=b; c=\xe4\r\n\r\n"
    )


def test_what_is_meant_for_one_connection_is_left_out_with_what_it_names() -> None:
    headers = [
        *[(b"Connection", b"x-hop, Close"), (b"X-Hop", b"1"), (b"KEEP-ALIVE", b"2"), (b"te", b"3")],
        *[(b"Proxy-Authorization", b"4"), (b"Transfer-Encoding", b"chunked"), (b"Upgrade", b"h2c"), (b"X-Stay", b"5")],
    ]

    assert request_head(b"GET", b"/", headers, host=b"h") == b"GET / HTTP/1.1\r\nHost: h\r\nX-Stay: 5\r\n\r\n"


def test_a_given_host_stands_where_it_was_given() -> None:
    head = request_head(b"GET", b"/", [(b"A", b"b"), (b"host", b"other")], host=b"h")

    assert head == b"GET / HTTP/1.1\r\nA: b\r\nhost: other\r\n\r\n"


def test_framing_is_said_once_whatever_the_headers_say() -> None:
    headers = [(b"content-LENGTH", b"3"), (b"A", b"b")]

    assert request_head(b"PUT", b"/", headers, host=b"h", length=4).endswith(b"h\r\nA: b\r\nContent-Length: 4\r\n\r\n")
    chunked = request_head(b"PUT", b"/", headers, host=b"h", chunked=True)
    assert chunked.endswith(b"h\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n") and is_chunked(chunked)
    assert request_head(b"PUT", b"/", headers, host=b"h").endswith(b"h\r\nA: b\r\n\r\n")


def test_an_upgrade_is_asked_for() -> None:
    head = request_head(b"GET", b"/", [(b"Connection", b"close")], host=b"h", upgrade=b"websocket")

    assert head == b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("broken", [b"a\r\nX-Forged: 1", b"a\nX: 1", b"a\rb", b"a\0b", b"\r\n\r\nGET / HTTP/1.1"])
def test_a_line_break_cannot_be_smuggled_in(broken: bytes) -> None:
    for how in (
        {"headers": [(b"A", broken)]},
        {"headers": [], "host": broken},
        {"headers": [], "upgrade": broken},
        {"headers": [(broken, b"a")]},
        {"headers": [], "method": broken},
        {"headers": [], "target": b"/" + broken},
    ):
        with pytest.raises(Unsendable):
            request_head(**{"method": b"GET", "target": b"/", "host": b"h", **how})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [b"", b"A B", b"A:", b"A\xe4", b" A", b"A\t"])
def test_what_is_no_header_name_is_not_written(name: bytes) -> None:
    for _ in range(2):
        with pytest.raises(Unsendable):
            request_head(b"GET", b"/", [(name, b"a")], host=b"h")


@pytest.mark.parametrize("target", [b"", b"/a b", b"/a\tb", b"/\x7f"])
def test_what_is_no_target_is_not_written(target: bytes) -> None:
    with pytest.raises(Unsendable):
        request_head(b"GET", target, [], host=b"h")


def test_two_hosts_are_not_written() -> None:
    with pytest.raises(Unsendable, match="Host"):
        request_head(b"GET", b"/", [(b"Host", b"a"), (b"HOST", b"b")], host=b"h")


def test_announced_lengths_must_agree() -> None:
    assert content_length([(b"A", b"1")]) is None
    assert content_length([(b"Content-Length", b"12"), (b"content-length", b"12")]) == 12
    for values in ([b"1", b"2"], [b"-1"], [b"1, 1"], [b""], ["²".encode()]):
        with pytest.raises(Unsendable):
            content_length([(b"Content-Length", value) for value in values])


def test_an_expectation_is_seen_and_sent() -> None:
    headers = [(b"expect", b"100-Continue")]

    assert expects_continue(headers) and not expects_continue([(b"Expect", b"other")])
    assert b"expect: 100-Continue\r\n" in request_head(b"PUT", b"/", headers, host=b"h")


@pytest.mark.parametrize(
    ("line", "chunked"),
    [
        (b"Transfer-Encoding: chunked", True),
        (b"transfer-encoding:chunked ", True),
        (b"X-Transfer-Encoding: chunked", False),
        (b"A: Transfer-Encoding: chunked", False),
        (b"Transfer-Encoding: gzip", False),
    ],
)
def test_a_head_says_whether_its_body_comes_in_chunks(line: bytes, chunked: bool) -> None:
    assert is_chunked(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n") is chunked


def test_more_names_than_the_table_holds_are_still_sorted_right() -> None:
    for number in range(3000):
        request_head(b"GET", b"/", [(b"X-%d" % number, b"a")], host=b"h")

    assert b"KeeP-aLive" not in request_head(b"GET", b"/", [(b"KeeP-aLive", b"a"), (b"X-9999", b"b")], host=b"h")
