"""`curl` and `wget`: what is asked of whom."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from policies.commands.classes import Class, Classed, NotUnderstood
from policies.commands.options import given
from policies.commands.rules import Rule
from policies.commands.words import Word

if TYPE_CHECKING:
    from policies.commands.reading import Reading

# Up to the path, so that nothing behind it can make another host of it.
_HERE = re.compile(r"(?:https?://)?(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)(?::\d{1,5})?(?:/.*)?", re.DOTALL)
_HERE_FOR_SURE = re.compile(r"(?:https?://)?(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)(?::\d{1,5})?/.*", re.DOTALL)
_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


def see(_reading: "Reading", rule: Rule, words: Sequence[Word], word: str, _stdin: str | None) -> Classed:
    """External, unless every address is this sandbox; then what the options make of it. Raises NotUnderstood."""
    elsewhere = next((each for each in words if _elsewhere(each)), None)
    if elsewhere is not None:
        return Classed(
            by=Class.EXTERNAL, rule=f"{rule.name}: an address elsewhere", word=elsewhere.prefix, anywhere=False
        )
    found = given(rule, words)
    if found.ended:
        return rule.answered(word)
    classed = rule.classed(word)
    addresses = [*found.operands, *(value for name in ("--url",) if (value := found.options.get(name)) is not None)]
    if not addresses or any(_here(each) is None for each in addresses):
        raise NotUnderstood(f"{rule.name}: an address that is not known", addresses[0].prefix if addresses else word)
    method = found.options.get("-X") or found.options.get("--request")
    if method is not None and method.literal.upper() not in _METHODS:
        raise NotUnderstood(f"{rule.name}: whoever listens here may do anything with it", method.literal)
    for by, option in found.raised:
        classed = classed.raised(by, f"{rule.name} {option}", option)
    return classed


def _here(word: Word) -> re.Match[str] | None:
    return _HERE.fullmatch(word.prefix) if word.known else _HERE_FOR_SURE.fullmatch(word.prefix)


def _elsewhere(word: Word) -> bool:
    """Whether it is written that another machine is asked."""
    address = re.match(r"(?:https?|ftp|sftp|scp)://[^/?#\s]+[/?#]", word.prefix + ("/" if word.known else ""))
    return address is not None and _HERE_FOR_SURE.fullmatch(address[0]) is None
