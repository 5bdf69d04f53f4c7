"""Handshakes and frames that are wrong somewhere (RFC 6455)."""

from random import Random

from tests.fuzz.http import Line

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
GOOD: tuple[Line, ...] = ((b"Sec-WebSocket-Key", KEY), (b"Sec-WebSocket-Version", b"13"))
UPGRADE: tuple[Line, ...] = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))
HANDSHAKES: tuple[tuple[Line, ...], ...] = (
    ((b"Sec-WebSocket-Version", b"13"),),
    ((b"Sec-WebSocket-Key", KEY),),
    ((b"Sec-WebSocket-Key", b"short"), (b"Sec-WebSocket-Version", b"13")),
    ((b"Sec-WebSocket-Key", b"\xff" * 24), (b"Sec-WebSocket-Version", b"13")),
    (*GOOD, (b"Sec-WebSocket-Key", KEY)),
    ((b"Sec-WebSocket-Key", KEY), (b"Sec-WebSocket-Version", b"8")),
    (*GOOD, (b"Sec-WebSocket-Extensions", b'permessage-deflate; x="')),
    (*GOOD, (b"Sec-WebSocket-Extensions", b"permessage-deflate; server_max_window_bits=99")),
    (*GOOD, (b"Sec-WebSocket-Protocol", b"a,,b, a b;c\xff")),
    (*GOOD, (b"Sec-WebSocket-Protocol", b"X-Daytona-Pty-Envs~!!!!")),
    (*GOOD, (b"Sec-WebSocket-Protocol", b"X-Daytona-Pty-Envs~WzFd")),
    (*GOOD, (b"Sec-WebSocket-Protocol", b"X-Daytona-Pty-Envs~eyIgIjoxfQ")),
    (*GOOD, (b"Sec-WebSocket-Protocol", b"X-Daytona-SDK-Version~9.9.\xff")),
    (*GOOD, (b"Origin", b"null"), (b"Content-Length", b"5")),
    (*GOOD, (b"Transfer-Encoding", b"chunked")),
)
CLOSES = (b"", b"\x03", b"\x03\xe8", b"\x03\xed", b"\x03\xee", b"\0\0", b"\xff\xff", b"\x03\xe8\xff", b"\x0f\xa0ok")


def frame(head: int, payload: bytes, *, mask: bytes | None = b"\1\2\3\4", length: bytes | None = None) -> bytes:
    """A frame with this first byte; `length` replaces the length as it should be written."""
    size = len(payload)
    if length is None and size < 126:
        length = bytes((size,))
    said = length or (b"\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x7f" + size.to_bytes(8, "big"))
    if mask is None:
        return bytes((head,)) + said + payload
    hidden = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes((head,)) + bytes((said[0] | 0x80,)) + said[1:] + mask + hidden


FATAL = (2, 3, 4, 5, 7, 8, 11, 12, 13)  # kinds that end the connection wherever they stand first
KINDS = 18


def frames(random: Random) -> tuple[bytes, bool]:
    """One to six frames, most of them wrong, and whether the first must end it. What is typed has no meaning."""
    kinds = [random.randrange(KINDS) for _ in range(random.randint(1, 6))]
    return b"".join(_frame(random, kind) for kind in kinds), kinds[0] in FATAL


def _frame(random: Random, kind: int) -> bytes:
    match kind:
        case 0:
            return frame(0x82, b"#" * random.choice((0, 1, 125, 126, 65_535, 65_536, 65_537)))
        case 1:
            return frame(0x81, b"# text")
        case 2:
            return frame(0x81, random.choice((b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80")))
        case 3:
            return frame(0x80 | random.choice((3, 4, 7, 0xB, 0xF)), b"x")
        case 4:
            return frame(0xC2 | random.choice((0, 0x10, 0x20)), b"\x00\xff")
        case 5:
            return frame(0x82, b"# unmasked", mask=None)
        case 6:
            return frame(0x02, b"# begun") + random.choice((b"", frame(0x80, b"# ended"), frame(0x82, b"# another")))
        case 7:
            return frame(0x80, b"# goes on from nothing")
        case 8:
            return frame(0x09, b"a ping in pieces")
        case 9:
            return frame(0x89, b"p" * random.choice((0, 125, 126)))
        case 10:
            return frame(0x8A, b"no one asked")
        case 11:
            return frame(0x88, random.choice(CLOSES))
        case 12:
            return frame(0x82, b"x", length=b"\x7f" + (2**63 + 1).to_bytes(8, "big"))
        case 13:
            return frame(0x82, b"x", length=b"\x7f" + (2**40).to_bytes(8, "big"))
        case 14:
            return frame(0x82, b"#", length=b"\x7e\x00\x01")
        case 15:
            return frame(0x82, b"# cut short")[: random.randint(1, 8)]
        case 16:
            return frame(0x02, b"#") + frame(0x00, b"#") * 400
        case _:
            return bytes(random.randrange(128, 256) for _ in range(random.randint(1, 40)))
