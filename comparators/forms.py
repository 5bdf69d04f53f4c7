"""Forms of one text: what is left when two texts differ in nothing but how they were written down."""

import re
import unicodedata

_SPACES = re.compile(r"[ \t]+")
_SPACES_AT_END = re.compile(r"[ \t]+(?=\n|\Z)")


def without_byte_order_mark(text: str) -> str:
    """The mark at the head goes; anywhere else it is a character."""
    return text.removeprefix("\ufeff")


def unix_lines(text: str) -> str:
    """CRLF becomes LF; a lone CR moves the cursor and stays."""
    return text.replace("\r\n", "\n")


def single_spaces(text: str) -> str:
    """Runs of spaces and tabs become one space, at the end of a line none."""
    return _SPACES.sub(" ", _SPACES_AT_END.sub("", text))


def composed(text: str) -> str:
    """Unicode normal form C: an accent beside its letter becomes one character with it."""
    return unicodedata.normalize("NFC", text)


FORMS = (
    ("byte order mark", without_byte_order_mark),
    ("line ending", unix_lines),
    ("spaces", single_spaces),
    ("unicode form", composed),
)


def only_form(old: str, new: str) -> str:
    """The one form in which two unequal texts differ; empty when more is behind it than a form."""
    return next((name for name, form in FORMS if form(old) == form(new)), "")
