"""Name patterns of Go's filepath.Match, which Daytona uses, as patterns of find -name."""


def find_pattern(pattern: str) -> str | None:
    """The same pattern for `find -name`; None for one that is malformed or can match no name."""
    reader = _Reader(pattern)
    parts: list[str] = []
    while reader.more:
        sign = reader.take()
        match sign:
            case "*" | "?":
                parts.append(sign)
            case "[":
                members = _class(reader)
                if members is None:
                    return None
                parts.append(members)
            case "\\":
                if not reader.more:
                    return None
                parts.append(_literal(reader.take()))
            case _:
                parts.append(_literal(sign))
    return "".join(parts)


class _Reader:
    """A pattern, read sign by sign."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._text)

    def next_is(self, sign: str) -> bool:
        return self._text.startswith(sign, self._at)

    def take(self) -> str:
        self._at += 1
        return self._text[self._at - 1]


def _class(reader: _Reader) -> str | None:
    """A bracket expression whose opening bracket is read. None: malformed, or nothing can be in it."""
    negated = reader.next_is("^")
    if negated:
        reader.take()
    members: list[str] = []
    count = 0
    while not (count and reader.next_is("]")):
        low = _member(reader)
        high = low
        if low is not None and reader.next_is("-"):
            reader.take()
            high = _member(reader)
        if low is None or high is None or not reader.more:
            return None
        count += 1
        if low == high:
            members.append(_inside(low))
        elif low < high:
            members.append(f"{_inside(low)}-{_inside(high)}")
        # A range that runs backwards holds nothing, and is no error in Go.
    reader.take()
    if not members:
        return "?" if negated else None
    return f"[{'!' if negated else ''}{''.join(members)}]"


def _member(reader: _Reader) -> str | None:
    """One member of a class, its escape undone."""
    if not reader.more or reader.next_is("-") or reader.next_is("]"):
        return None
    sign = reader.take()
    if sign != "\\":
        return sign
    return reader.take() if reader.more else None


def _inside(sign: str) -> str:
    # The shell's classes know [:alpha:], a leading ! and a - that Go's do not.
    return sign if sign.isalnum() else f"\\{sign}"


def _literal(sign: str) -> str:
    return f"\\{sign}" if sign in "*?[]\\" else sign
