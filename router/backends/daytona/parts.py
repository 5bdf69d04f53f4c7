"""Parts of a multipart answer that is held whole."""

import re
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `name` is "file" or "error"; `spelled` is its file name before escapes are undone."""

    name: str
    filename: str
    spelled: str
    content: bytes


def split_parts(content_type: bytes, body: bytes) -> list[Part]:
    """The parts of a multipart body. Raises ValueError when it is cut short or has no boundary."""
    found = re.search(rb'boundary=(?:"([^"]+)"|([^;\s]+))', content_type)
    if not found:
        raise ValueError("multipart answer names no boundary")
    delimiter = b"--" + (found[1] or found[2])
    parts: list[Part] = []
    position = 0 if body.startswith(delimiter) else body.index(b"\r\n" + delimiter) + 2
    while True:
        position += len(delimiter)
        if body[position : position + 2] == b"--":
            return parts
        head_end = body.index(b"\r\n\r\n", position)
        head = body[position:head_end]
        start = head_end + 4
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        # The announced length first: content may hold the delimiter.
        end = start + int(length[1]) if length else body.index(b"\r\n" + delimiter, start)
        if body[end : end + 2 + len(delimiter)] != b"\r\n" + delimiter:
            end = body.index(b"\r\n" + delimiter, start)
        parts.append(_part(head.decode("utf-8", "surrogateescape"), body[start:end]))
        position = end + 2


def _part(head: str, content: bytes) -> Part:
    name = re.search(r'[;\s]name="([^"]*)"', head)
    extended = re.search(r"filename\*=UTF-8''([^;\s]+)", head, re.IGNORECASE)
    plain = re.search(r'[;\s]filename="((?:[^"\\]|\\.)*)"', head)
    escaped = plain[1] if plain else ""
    if extended:
        filename = unquote(extended[1], errors="surrogateescape")
    else:
        filename = re.sub(r"\\(.)", r"\1", escaped).replace("%0D", "\r").replace("%0A", "\n")
    return Part(name=name[1] if name else "", filename=filename, spelled=escaped, content=content)
