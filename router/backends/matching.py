"""Name patterns of Go's filepath.Match, which Daytona uses, as regular expressions."""

import re


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
            found = re.compile(r"(\^?)((?:(?:\\.|[^]\\-])(?:-(?:\\.|[^]\\-]))?)+)\]", re.DOTALL).match(pattern, at)
            if found is None:
                return None
            members = re.sub(
                r"\\?(.)", lambda one: one[1] if one[0] == "-" else re.escape(one[1]), found[2], flags=re.DOTALL
            )
            parts.append(f"[{found[1]}{members}]")
            at = found.end()
        elif sign == "\\":
            if at == len(pattern):
                return None
            parts.append(re.escape(pattern[at]))
            at += 1
        else:
            parts.append(re.escape(sign))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:  # a range that runs backwards matches nothing
        return None
