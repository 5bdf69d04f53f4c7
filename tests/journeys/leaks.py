"""Where a planted secret would be seen: in bytes however they are written, and in the text of a PDF."""

import base64
import re
import zlib
from urllib.parse import quote


def holds(data: bytes, secret: str) -> bool:
    """Whether the secret stands in there in one of its forms."""
    return any(form in data for form in forms(secret))


def forms(secret: str) -> list[bytes]:
    """As it is, percent-encoded where that differs, and in base64 at each of the three offsets."""
    raw = secret.encode()
    found = [raw, quote(secret, safe="").encode()]
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        # Only the digits that depend on nothing but the secret.
        start = -(-shift * 8 // 6)
        end = (shift + len(raw)) * 8 // 6
        found += [coded[start:end], coded[start:end].translate(bytes.maketrans(b"+/", b"-_"))]
    return found


def text_of(pdf: bytes) -> bytes:
    """What a PDF of WeasyPrint's says, read by each of its fonts, without spaces: lines may break anywhere."""
    streams = [_unpacked(found[1]) for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)]
    glyphs = b"".join(b"".join(re.findall(rb"<([0-9a-f]+)>", each)) for each in streams if b" Tf\n" in each)
    said = []
    for font in (each for each in streams if b"beginbfchar" in each):
        known = {glyph: bytes.fromhex(text.decode()).decode("utf-16-be") for glyph, text in _PAIR.findall(font)}
        said.append("".join(known.get(glyphs[at : at + 4], "\ufffd") for at in range(0, len(glyphs), 4)))
    return re.sub(r"\s", "", "\n".join(said)).encode(errors="replace")


_PAIR = re.compile(rb"<([0-9a-f]{4})> <([0-9a-f]{4,})>")


def _unpacked(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream
