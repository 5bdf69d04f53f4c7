"""Output of commands compared by line: which lines changed, are gone, are new, or moved."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from crossfade.comparison import Change, Severity

# Past this many lines on either side of the part that differs, or this many pairs of equal lines in it, lines are
# compared side by side: difflib is quadratic.
PAIRED_LINES = 2_000
PAIRED_MATCHES = 1_000_000
_NOISY_BYTES = 512 * 1024  # long texts: of lines that only one side has, to be told from noise in another order
_BLOCK = 500  # long texts: pairs of lines looked at in one go, so that the first real difference ends the search
Line = TypeVar("Line", str, bytes)
_MONTHS = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())

# What two runs of one command cannot agree on. Lines that differ in nothing else differ cosmetically; never equal.
# A pattern is tried only where one of its marks is: finding a word is ten times cheaper than trying a pattern.
_VOLATILE: tuple[tuple[tuple[bytes, ...], re.Pattern[bytes], bytes], ...] = tuple(
    (marks, re.compile(pattern), word)
    for marks, pattern, word in (
        ((b"screenshot",), rb'("screenshot(?:_base64)?"\s*:\s*")[^"]*(")', rb"\1<screenshot>\2"),
        (
            (b":",),
            rb"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?: ?(?:Z\b|UTC\b|[+-]\d\d:?\d\d))?",
            b"<time>",
        ),
        (
            _MONTHS,
            rb"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?\d{1,2}[ /]"
            rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ /]\d{4}"
            rb"[ :]\d\d:\d\d:\d\d(?: (?:GMT|UTC|[+-]\d{4}))?",
            b"<time>",
        ),
        (
            _MONTHS,
            rb"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} +"
            rb"(?:\d\d:\d\d(?::\d\d)?(?: [AP]M)?(?: [A-Z]{3,4})?(?: \d{4})?|\d{4}\b)",
            b"<time>",
        ),
        ((b":",), rb"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b", b"<time>"),
        ((b"1",), rb"\b1[6-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?\b", b"<time>"),
        (
            (b"s", b"S"),
            # The first digit stands before the look behind it, which lets the search skip all that is no digit.
            rb"(?i)\d(?<!\w\d)\d*(?:m\d+[.,]\d+s\b|(?:\.\d+)? ?(?:ns|us|\xc2\xb5s|ms|s|secs?|seconds?)\b)",
            b"<duration>",
        ),
        (
            (b"-",),
            rb"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            b"<uuid>",
        ),
        ((b"0x",), rb"\b0x[0-9a-fA-F]{6,16}\b", b"<address>"),
        ((b"/tmp/",), rb"(/tmp/(?:tmp|pip|npm|go-build)[._\-]?)[A-Za-z0-9_]{6,}", rb"\1<random>"),
        ((b"d", b"D"), rb"(?i)\b(p?pid[ =:#]{1,3})\d+\b", rb"\1<pid>"),
        ((b"/",), rb"(?m)(^|\s)\d+/([A-Za-z][\w.\-]*:?[ \t]*)$", rb"\1<pid>/\2"),  # netstat -p
        ((b":",), rb"(127\.0\.0\.1|localhost|0\.0\.0\.0|\[::1?\]):[3-6]\d{4}\b", rb"\1:<port>"),
        ((b"@",), rb"(?m)^(\w[\w.\-]*@)[\w.\-]+(?=:[^\s]*[#$])", rb"\1<host>"),  # prompts
        # ls -l: links, owner and group; directories also their size.
        (
            (b"d",),
            rb"(?m)^(d[rwxsStT\-]{9}[.+@]? +)\d+ +\S+ +\S+ +\d+(?= )",
            rb"\1<directory>",
        ),
        ((b"-",), rb"(?m)^([\-lbcps][rwxsStT\-]{9}[.+@]? +)\d+ +\S+ +\S+(?= +\d+ )", rb"\1<owner>"),
        # A progress bar: what was drawn over on its line.
        ((b"\r",), rb"(?m)^[^\n]*\r(?=[^\r\n])", b""),
        ((b"ag: ", b"AG: "), rb"(?mi)^(etag: ).*$", rb"\1<tag>"),  # made of the time a file was written
        ((b"total ",), rb"(?m)^total \d+$", b"total <blocks>"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """One kind of change between two texts, with the first lines that show it."""

    change: Change
    severity: Severity
    old: str = ""
    new: str = ""


def compare_text(old: bytes, new: bytes) -> tuple[LineChange, ...]:
    """What differs, at most once per kind of change; empty for equal texts. Swapping the texts swaps the answer."""
    if old == new:
        return ()
    # Shared lines go first: most of two long outputs is equal, and the patterns for noise are not cheap.
    apart_old, apart_new = _differing_part(old.split(b"\n"), new.split(b"\n"))
    if max(len(apart_old), len(apart_new)) > PAIRED_LINES:
        return tuple(_changes_of_long(apart_old, apart_new))
    steady_old, steady_new = (without_volatile(_joined(part)) for part in (apart_old, apart_new))
    if steady_old == steady_new:
        shown = _first_difference(_lines(_joined(apart_old)), _lines(_joined(apart_new))) or ("", "")
        return (LineChange(change=Change.VALUE, severity=Severity.COSMETIC, old=shown[0], new=shown[1]),)
    if steady_new < steady_old:
        # difflib depends on which text comes first: one order for both directions keeps the answer symmetric.
        return tuple(_flipped(change) for change in _changes(_lines(steady_new), _lines(steady_old)))
    return tuple(_changes(_lines(steady_old), _lines(steady_new)))


def without_volatile(text: bytes) -> bytes:
    """The text with times, durations, random names and the like replaced by words."""
    for marks, pattern, word in _VOLATILE:
        if any(mark in text for mark in marks):
            text = pattern.sub(word, text)
    return text


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[LineChange]:
    old, new = _differing_part(old, new)
    if sorted(old) == sorted(new):
        # The order of a directory or of parallel jobs is chance, and nothing here can tell it from a sort gone wrong.
        shown = _first_difference(old, new) or ("", "")
        yield LineChange(change=Change.ORDER, severity=Severity.COSMETIC, old=shown[0], new=shown[1])
        return
    found: dict[Change, LineChange] = {}
    for change, shown_old, shown_new in _edits(old, new):
        severity = Severity.CONTENT
        found.setdefault(change, LineChange(change=change, severity=severity, old=shown_old, new=shown_new))
    yield from found.values()


def _changes_of_long(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[LineChange]:
    """The same for texts too long to pair lines up: side by side, and no further than the first real difference."""
    apart = _value_apart(old, new)
    if len(old) == len(new) and (apart is None or _moved(old, new)):
        change = Change.VALUE if apart is None else Change.ORDER
        one, other = _first_difference(old, new) or (b"", b"")
        yield LineChange(change=change, severity=Severity.COSMETIC, old=_shown(one), new=_shown(other))
        return
    if apart is not None:
        yield LineChange(change=Change.VALUE, severity=Severity.CONTENT, old=apart[0], new=apart[1])
    shared = min(len(old), len(new))
    if len(old) > shared:
        yield LineChange(change=Change.MISSING, severity=Severity.CONTENT, old=_shown(old[shared]))
    if len(new) > shared:
        yield LineChange(change=Change.EXTRA, severity=Severity.CONTENT, new=_shown(new[shared]))


def _moved(old: Sequence[bytes], new: Sequence[bytes]) -> bool:
    """Whether these are the same lines in another order, noise set aside where little enough is left to look for it."""
    counted_old, counted_new = Counter(old), Counter(new)
    rest_old = list((counted_old - counted_new).elements())
    rest_new = list((counted_new - counted_old).elements())
    if max(sum(map(len, rest_old)), sum(map(len, rest_new))) > _NOISY_BYTES:
        return False
    return sorted(_steady_lines(rest_old)) == sorted(_steady_lines(rest_new))


def _steady_lines(lines: Sequence[bytes]) -> list[str]:
    return _lines(without_volatile(_joined(lines)))


def _value_apart(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[str, str] | None:
    """The first two lines side by side that differ in more than noise."""
    apart = [(one, other) for one, other in zip(old, new, strict=False) if one != other]
    for start in range(0, len(apart), _BLOCK):
        block = apart[start : start + _BLOCK]
        steady_old, steady_new = (_steady_lines([pair[side] for pair in block]) for side in (0, 1))
        if steady_old != steady_new:
            return _first_difference(steady_old, steady_new)
    return None


def _differing_part(old: Sequence[Line], new: Sequence[Line]) -> tuple[Sequence[Line], Sequence[Line]]:
    shorter = min(len(old), len(new))
    start = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = shorter - start
    end = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    return old[start : len(old) - end], new[start : len(new) - end]


def _edits(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Change, str, str]]:
    if len(old) == len(new) or not old or not new or _too_alike(old, new):
        yield from _side_by_side(old, new)
        return
    for tag, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            yield from _side_by_side(old[old_from:old_to], new[new_from:new_to])


def _too_alike(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether difflib would be at it for seconds: it looks at every pair of equal lines, again and again."""
    counted = Counter(new)
    return sum(counted[line] for line in old) > PAIRED_MATCHES


def _side_by_side(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Change, str, str]]:
    shared = min(len(old), len(new))
    yield from ((Change.VALUE, one, other) for one, other in zip(old, new, strict=False) if one != other)
    yield from ((Change.MISSING, line, "") for line in old[shared:])
    yield from ((Change.EXTRA, "", line) for line in new[shared:])


def _first_difference(old: Sequence[Line], new: Sequence[Line]) -> tuple[Line, Line] | None:
    return next(((one, other) for one, other in zip(old, new, strict=False) if one != other), None)


def _shown(line: bytes) -> str:
    return line.decode(errors="replace")


def _lines(text: bytes) -> list[str]:
    lines = text.decode(errors="replace").split("\n")
    # What follows the final newline is not a line; without one, the last line is.
    return lines[:-1] if lines[-1] == "" else lines


_OPPOSITE = {Change.MISSING: Change.EXTRA, Change.EXTRA: Change.MISSING}


def _flipped(change: LineChange) -> LineChange:
    return LineChange(
        change=_OPPOSITE.get(change.change, change.change), severity=change.severity, old=change.new, new=change.old
    )
