"""Requests as bytes: written well, and damaged in the ways that HTTP allows to be misunderstood."""

from collections.abc import Sequence
from random import Random
from urllib.parse import quote, urlencode

from tests.fuzz import corpus, nasty
from tests.fuzz.corpus import Good

Line = tuple[bytes, bytes]
TARGETS = (
    b"*",
    b"/",
    b"//",
    b"",
    b"/%",
    b"/%zz",
    b"/%00",
    b"/%c0%af",
    b"/\xff",
    b"http://other/api/sandbox",
    b"router:80",
    b"/api/../api/sandbox",
    b"/api//sandbox",
    b"/api/sandbox/",
    b"/api/sandbox/%2e%2e/x/start",
    b"/api/sandbox?labels=%FF",
    b"/api/sandbox#x",
    b"/toolbox/",
    b"/toolbox",
    b"/toolbox//files",
    b"/toolbox/%00/files",
    b"/toolbox/%ff%fe/files?path=/",
    b"/toolbox/a%2fb/files?path=/",
    b"/api/toolbox/x/toolbox/",
    b"/toolbox/" + b"x" * 3_000 + b"/files",
    b"/api/sandbox/" + "\u00e9".encode() + b"/start",
    b"/" + b"a" * 80_000,
    b"/?" + b"a=b&" * 9_000,
)
METHODS = (
    b"get",
    b"GETT",
    b"HEAD",
    b"OPTIONS",
    b"PATCH",
    b"PUT",
    b"TRACE",
    b"CONNECT",
    b"PRI",
    b"",
    b"G\0T",
    b"POST",
    b"X" * 300,
)
VERSIONS = (
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/1.2",
    b"HTTP/2.0",
    b"HTTP/9.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"",
    b"HTTP/1",
    b"SIP/2.0",
)
LINES: tuple[Sequence[Line], ...] = (
    ((b"Host", b"another"),),
    ((b"Content-Length", b"-1"),),
    ((b"Content-Length", b"+5"),),
    ((b"Content-Length", b"0x10"),),
    ((b"Content-Length", b"5, 5"),),
    ((b"Content-Length", b"99999999999999999999999"),),
    ((b"Content-Length", b"5"), (b"Content-Length", b"6")),
    ((b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")),
    ((b"Transfer-Encoding", b"gzip, chunked"),),
    ((b"Transfer-Encoding", b"chunked, identity"),),
    ((b"Transfer-Encoding", b"xchunked"),),
    ((b"Transfer-Encoding ", b"chunked"),),
    ((b"Expect", b"100-continue"),),
    ((b"Expect", b"nonsense"),),
    ((b"Connection", b"Upgrade"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAMAAABkAAQAAP__")),
    ((b"Connection", b"close, keep-alive, Authorization"),),
    ((b"Connection", b"content-length"),),
    ((b"Upgrade", b"websocket"),),
    ((b"Authorization", b"Bearer \xff\xfe"),),
    ((b"Authorization", b""),),
    ((b"X-Daytona-SDK-Version", b"\xff.1"),),
    ((b"X-Crossfade-Tool", b"\xf0\x9f"),),
    ((b"X-Crossfade-Tool", b"no-such-tool"),),
    ((b"baggage", b"crossfade.tool=%ff;;=,,=;" * 40),),
    ((b"traceparent", b"00-zz-zz-zz"),),
    ((b"X-Crossfade-Via", b"x"),),
    ((b"X-Crossfade-Purpose", b"mirror"),),
    ((b"Content-Encoding", b"gzip"),),
    ((b"Content-Type", b"application/json; charset=utf-16"),),
    ((b"Accept-Encoding", b"gzip;q=x, *;q=9"),),
    ((b"Range", b"bytes=9-1,-,x"),),
    ((b"X-Folded", b"a\r\n b"),),
    ((b"X-Bare", b"a\nb: c"),),
    ((b"X-Nul", b"a\0b"),),
    ((b"", b"x"),),
    ((b"Bad Name", b"x"),),
    ((b"X-Long", b"v" * 70_000),),
    tuple((b"X-%d" % number, b"v") for number in range(300)),
)
CHUNKED = (
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"zz\r\nhello\r\n0\r\n\r\n",
    b"-1\r\n\r\n",
    b"5\r\nhelloX",
    b"ffffffffffffffffff\r\n",
    b"5\nhello\n0\n\n",
    b"05\r\nhello\r\n00\r\n\r\n",
    b"2;" + b"x" * 20_000 + b"\r\n{}\r\n0\r\n\r\n",
    b"1\r\n{\r\n" * 900 + b"0\r\n\r\n",
    b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"7fffffff\r\nabc",
)


def target_of(good: Good, sandbox: str, command: str = "none") -> bytes:
    """Path and query, encoded."""
    path = good.path.replace("{s}", sandbox).replace("{c}", command)
    query = urlencode(good.query, quote_via=quote, errors="surrogatepass")
    return (path + ("?" + query if query else "")).encode()


def lines_of(random: Random, key: str) -> list[Line]:
    """The header lines that every good request has."""
    version = random.choice(corpus.VERSIONS[:3]) if random.random() < 0.8 else random.choice(corpus.VERSIONS)
    return [
        (b"Host", b"router"),
        (b"Authorization", f"Bearer {key}".encode()),
        (b"X-Daytona-SDK-Version", version.encode()),
    ]


def written(
    method: bytes, target: bytes, lines: Sequence[Line], body: bytes = b"", version: bytes = b"HTTP/1.1"
) -> bytes:
    """A request's bytes."""
    head = b"%b %b %b\r\n" % (method, target, version)
    return head + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body


def damaged_query(random: Random, good: Good) -> Good:
    """The same request, its query wrong somewhere."""
    query = list(good.query)
    # What is written or removed stays where the test's files are: only reading may go astray.
    at = random.randrange(len(query) + 1)
    if at == len(query):
        query.insert(0, (nasty.text(random), nasty.text(random)))
    elif random.random() < 0.2:
        del query[at]
    else:
        name, value = query[at]
        # Searches too: of the machine's /proc they would never end.
        inside = (good.method != "GET" or "pattern" in dict(good.query)) and value.startswith("/")
        query[at] = (name, f"{corpus.AT}/{nasty.text(random).replace('..', '.')}" if inside else nasty.text(random))
    return Good(method=good.method, path=good.path, query=tuple(query), body=good.body)


def damaged_request(random: Random, method: bytes, target: bytes, lines: list[Line], body: bytes) -> bytes:
    """A request that is wrong in its line, its header lines, its framing or its bytes."""
    if body:
        lines = [*lines, (b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))]
    match random.randrange(9):
        case 0:
            return written(method, random.choice(TARGETS), lines, body)
        case 1:
            return written(random.choice(METHODS), target, lines, body)
        case 2:
            return written(method, target, lines, body, random.choice(VERSIONS))
        case 3 | 4:
            more = list(random.choice(LINES))
            kept = [line for line in lines if random.random() < 0.5 or line[0] not in [name for name, _ in more]]
            return written(method, target, [*kept, *more] if random.random() < 0.5 else [*more, *kept], body)
        case 5:
            bare = [line for line in lines if line[0] != b"Content-Length"]
            return written(b"POST", target, [*bare, (b"Transfer-Encoding", b"chunked")], random.choice(CHUNKED))
        case 6:
            return b"".join(written(method, target, lines, body) for _ in range(3)) + nasty.damaged(
                random, written(method, target, lines)
            )
        case 7:
            return nasty.damaged(random, written(method, target, lines, body))
        case _:
            return random.choice(
                (
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                    b"\r\n" * 50,
                    b"\0" * 400,
                    b"GET /api/config\r\n\r\n",
                    random.randbytes(200),
                    written(method, target, lines, body).replace(b"\r\n", b"\n"),
                    written(method, target, lines, body).replace(b"\r\n", b"\r"),
                )
            )
