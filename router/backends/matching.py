"""Name patterns of Go's filepath.Match, which Daytona uses, as regular expressions."""

import re

_CLASS = re.compile(r"(\^?)((?:(?:\\.|[^]\\-])(?:-(?:\\.|[^]\\-]))?)+)\]", re.DOTALL)


def glob_expression(pattern: str) -> re.Pattern[str] | None:
    """Go's filepath.Match as a regular expression; None for a malformed pattern."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        if sign == "*":
            parts.append("[^/]*")
        elif sign == "?":
            parts.append("[^/]")
        elif sign == "[":
            found = _CLASS.match(pattern, at)
            if found is None:
                return None
            parts.append(_class(found[2], negated=bool(found[1])))
            at = found.end()
        elif sign == "\\":
            if at == len(pattern):
                return None
            parts.append(re.escape(pattern[at]))
            at += 1
        else:
            parts.append(re.escape(sign))
    return re.compile("".join(parts), re.DOTALL)


def _class(members: str, *, negated: bool) -> str:
    held: list[str] = []
    for found in re.finditer(r"(\\.|[^\\])(?:-(\\.|[^\\]))?", members, re.DOTALL):
        low = found[1][-1]
        high = found[2][-1] if found[2] else low
        # A range that runs backwards holds nothing, and is no error in Go.
        if low <= high:
            held.append(f"{re.escape(low)}-{re.escape(high)}")
    if not held:
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{''.join(held)}]"
