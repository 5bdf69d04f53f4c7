"""Values that programs stumble over, and damage to bytes and to JSON."""

import json
from random import Random
from typing import Any

TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff x",
    "﻿",
    "‮",
    "\r\n",
    "a\nb",
    "'",
    '"',
    "\\",
    "$(",
    "`",
    "%00",
    "%",
    "%zz",
    "..",
    "../../../..",
    "/",
    "//",
    "~",
    "-",
    "--help",
    "-rf",
    "{}",
    "[]",
    "null",
    "true",
    "NaN",
    "0",
    "-1",
    "1e309",
    "🌍" * 40,
    "x" * 300,
    "x" * 5_000,
    "/workspace/fuzz/" + "d/" * 200,
    "/workspace/fuzz/" + ("d" * 250 + "/") * 17,  # past PATH_MAX
    "[",
    "*",
    "?",
    "[a",
    "**",
    "a" * 70_000,
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    1_001,
    65_536,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    1e308,
    [],
    {},
    [[]],
    [None],
    [0],
    {"": None},
    {"a": {"b": []}},
    ["x"] * 300,
    [{}, {}],
)
# Written as they are: json.dumps would not write them, and some are no JSON at all.
RAW = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"01",
    b"1.",
    b"'x'",
    b"undefined",
    b'"\\ud800"',
    b'"\\u0000"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b"[" * 3_000,
    b'{"a":' * 3_000,
    b'"a\nb"',
    b"1" * 5_000,
    b"/**/1",
    b"",
)


def text(random: Random) -> str:
    """A text of the list, or a short one of random characters."""
    if random.random() < 0.7:
        return random.choice(TEXTS)
    return "".join(chr(random.choice((random.randrange(1, 128), random.randrange(160, 0xD7FF)))) for _ in range(6))


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes with one to four changes."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(6):
            case 0:
                changed[at : at + 1] = bytes((random.randrange(256),))
            case 1:
                del changed[at : at + random.randint(1, 8)]
            case 2:
                changed[at:at] = random.choice(
                    (b"\0", b"\r\n", b"\n", b"\r", b" ", b"\xff", b":", b"\t", b"%", b"\x80" * 9)
                )
            case 3:
                changed[at:at] = changed[at : at + random.randint(1, 40)]
            case 4:
                del changed[at:]
            case _:
                changed[at : at + 1] = bytes((changed[at] ^ (1 << random.randrange(8)),)) if at < len(changed) else b""
    return bytes(changed)


def damaged_json(random: Random, value: Any) -> bytes:
    """A JSON text that is wrong somewhere: a value, a name, or the writing itself."""
    if random.random() < 0.25:
        return damaged(random, json.dumps(value).encode())
    if random.random() < 0.1:
        return random.choice(
            (b"", b"null", b"[]", b'""', b"0", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"{} {}", *RAW)
        )
    raw: dict[str, bytes] = {}
    changed = _changed(random, value, raw)
    written = json.dumps(changed).encode()
    for mark, put in raw.items():
        written = written.replace(json.dumps(mark).encode(), put)
    return written


def _changed(random: Random, value: Any, raw: dict[str, bytes]) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = random.choice(list(value))
        changed = dict(value)
        match random.randrange(8):
            case 0:
                del changed[name]
            case 1:
                changed[text(random)] = changed.pop(name)
            case 2:
                changed[text(random)] = random.choice(VALUES)
            case _:
                changed[name] = _changed(random, value[name], raw)
        return changed
    if isinstance(value, list) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        return [*value[:at], _changed(random, value[at], raw), *value[at + 1 :]]
    if random.random() < 0.2:
        mark = f"raw-{random.getrandbits(32):08x}"
        raw[mark] = random.choice(RAW)
        return mark
    return random.choice(VALUES) if random.random() < 0.5 else text(random)
