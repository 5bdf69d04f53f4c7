"""Answers to be read by two parsers, made from a seed: valid ones, nearly valid ones, and mutated bytes."""

import random
from collections.abc import Callable
from dataclasses import dataclass

REQUESTED_UPGRADE = [(b"Connection", b"upgrade"), (b"Upgrade", b"x")]
_CHARS = b"abcdefghijklmnopqrstuvwxyzABCXYZ0123456789 :;,=/\t\"'()<>@"
_ODD = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x01",
    b"\x7f",
    b"\xff",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"0",
    b"f",
    b"-",
    b"+",
    b"H",
]


@dataclass(frozen=True)
class Case:
    """Bytes, and how they are asked for and end."""

    data: bytes
    head_only: bool
    upgrade: bool
    eof: bool


def make(seed: int) -> Case:
    """The case of this seed, always the same."""
    chance = random.Random(seed)
    upgrade, head_only = chance.random() < 0.06, chance.random() < 0.06
    data = _answer(chance, upgrade)
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        data = chance.choice(_MUTATIONS)(chance, data)
    return Case(data, head_only, upgrade, eof=chance.random() < 0.5)


def pieces(seed: int, data: bytes) -> list[bytes]:
    """The same bytes, cut at random."""
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(len(data) + 1), min(len(data), chance.randint(0, 6))))
    found = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [piece for piece in found if piece]


def _answer(chance: random.Random, upgrade: bool) -> bytes:
    parts = [_head(chance, chance.choice((100, 102, 103, 199)), []) for _ in range(chance.choice((0, 0, 0, 0, 1, 2)))]
    if upgrade and chance.random() < 0.7:
        return b"".join(parts) + _head(chance, 101, list(REQUESTED_UPGRADE)) + chance.randbytes(chance.randint(0, 20))
    status = chance.choice((200, 200, 200, 201, 204, 206, 301, 304, 404, 413, 500, 599, 999))
    kind = chance.choice(("length", "length", "chunked", "chunked", "eof", "none"))
    body = bytes(chance.choices(_CHARS, k=chance.choice((0, 1, 5, 40, 300))))
    headers = [_header(chance) for _ in range(chance.choice((0, 1, 3, 8)))]
    if chance.random() < 0.08:
        headers.append(_framing(chance))
    if kind == "length":
        headers.append((chance.choice((b"Content-Length", b"content-length")), b"%d" % len(body)))
    elif kind == "chunked":
        headers.append((b"Transfer-Encoding", chance.choice((b"chunked", b"chunked", b"Chunked"))))
        body = _chunks(chance, body)
    elif kind == "none":
        body = b""
        headers.append((b"Content-Length", b"0"))
    chance.shuffle(headers)
    parts += [_head(chance, status, headers), b"" if status in (204, 304) and chance.random() < 0.8 else body]
    if chance.random() < 0.06:
        parts.append(chance.choice((b"\r\n", b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny")))
    return b"".join(parts)


def _head(chance: random.Random, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    reason = chance.choice((b" OK", b" ", b"", b" Not  Found", b" \xe4 b", b" a\tb "))
    version = b"1.0" if chance.random() < (0.02 if status < 200 else 0.2) else b"1.1"
    lines = [b"HTTP/%b %d%b\r\n" % (version, status, reason)]
    for name, value in headers:
        before, after = chance.choice((b"", b" ", b" ", b"\t", b"  ")), chance.choice((b"", b"", b"", b" ", b"\t "))
        lines.append(b"%b:%b%b%b\r\n" % (name, before, value, after))
    return b"".join(lines) + b"\r\n"


def _header(chance: random.Random) -> tuple[bytes, bytes]:
    return chance.choice((
        (b"Connection", chance.choice((b"close", b"keep-alive", b"x-y", b"Close, x", b"keep-alive, x"))),
        (b"X-" + bytes(chance.choices(b"abcXYZ-_.!", k=chance.randint(1, 9))), _value(chance)),
        (b"Set-Cookie", b"a=b; Path=/"),
        (b"Empty", b""),
        (b"High", b"\xc3\xa4"),
    ))  # fmt: skip


def _value(chance: random.Random) -> bytes:
    return bytes(chance.choices(_CHARS, k=9)).strip()


def _framing(chance: random.Random) -> tuple[bytes, bytes]:
    return chance.choice((
        (b"Content-Length", b"%d" % chance.choice((0, 3, 5))),
        (b"Transfer-Encoding", chance.choice((b"chunked", b"gzip", b"identity", b"gzip, chunked"))),
    ))  # fmt: skip


def _chunks(chance: random.Random, body: bytes) -> bytes:
    parts = []
    while body:
        size = chance.randint(1, len(body))
        digits = chance.choice((b"%x", b"%X", b"00%x")) % size
        parts.append(
            digits + chance.choice((b"", b"", b"", b";a", b";a=b", b';a="b"')) + b"\r\n" + body[:size] + b"\r\n"
        )
        body = body[size:]
    trailers = chance.choice((b"", b"", b"", b"X-Sum: 1\r\n", b"A: b\r\nC:\r\n"))
    return b"".join(parts) + chance.choice((b"0", b"0", b"00", b"0;x=y")) + b"\r\n" + trailers + b"\r\n"


def _insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(_ODD) + data[at:]


def _delete(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + data[at + chance.choice((1, 1, 2, 5)) :]


def _replace(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(_ODD) + data[at + 1 :]


def _repeat_line(chance: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = chance.randrange(len(lines))
    return b"\r\n".join([*lines[: at + 1], *lines[at:]])


def _truncate(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _bare_line_end(chance: random.Random, data: bytes) -> bytes:
    at = data.find(b"\r\n", chance.randint(0, len(data)))
    return data if at < 0 else data[:at] + chance.choice((b"\n", b"\r", b"\r\n ", b"\r\n\t")) + data[at + 2 :]


def _swap_case(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + data[at : at + 8].swapcase() + data[at + 8 :]


_MUTATIONS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _insert, _insert, _delete, _replace, _repeat_line, _truncate, _bare_line_end, _swap_case,
)  # fmt: skip
