"""Screenshots inside printed JSON (the browser's answers): compared as pictures, apart from the text around them."""

import base64
import binascii
import re

from comparators.finding import Finding
from comparators.pictures import compare_pictures, is_picture
from crossfade.comparison import Change, Severity

_SCREENSHOT = re.compile(rb'"screenshot(?:_base64)?"\s*:\s*"(?:data:image/[a-z]{1,8};base64,)?([A-Za-z0-9+/=]*)"')


def compare_screenshots(old: bytes, new: bytes) -> tuple[Finding, ...]:
    """Findings in the screenshots of two outputs, in the order they stand there; a text without any has none.

    What is no picture on either side is left to the text. A picture that cannot be judged by its look differs.
    """
    if b'"screenshot' not in old or b'"screenshot' not in new:
        return ()
    pairs = zip(_SCREENSHOT.findall(old), _SCREENSHOT.findall(new), strict=False)
    found = (_finding(_decoded(one), _decoded(other)) for one, other in pairs if one != other)
    return tuple(each for each in found if each is not None)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _finding(old: bytes, new: bytes) -> Finding | None:
    if not is_picture(old) and not is_picture(new):
        return None
    if not is_picture(old) or not is_picture(new):
        return Finding(place="screenshot", change=Change.TYPE, severity=Severity.CONTENT)
    seen = compare_pictures(old, new)
    if seen is None:
        seen = (Change.VALUE, Severity.CONTENT, f"{len(old)} bytes, not judged", f"{len(new)} bytes, not judged")
    change, severity, here, there = seen
    return Finding(place="screenshot", change=change, severity=severity, old=here, new=there)
