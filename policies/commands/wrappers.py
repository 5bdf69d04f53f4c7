"""Programs that run other programs, seen through: shells, prefixes such as `timeout 5`, xargs, typed keys."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from policies.commands import curl, find, pycode
from policies.commands.classes import Classed, NotUnderstood, together
from policies.commands.options import Given, given
from policies.commands.rules import Rule
from policies.commands.words import Word

if TYPE_CHECKING:
    from policies.commands.reading import Reading

See = Callable[["Reading", Rule, Sequence[Word], str, str | None], Classed]
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=.*", re.DOTALL)
_ENTER = frozenset(("enter", "kpenter", "c-m", "c-j", "^m", "^j"))
_CLEARING = frozenset(("c-c", "c-u", "c-l"))  # what was typed before goes
_KEY = re.compile(
    r"(?!c-[cul]$)(?:[cms]-.+|\^.|0x[0-9a-f]+|up|down|left|right|[bd]space|b?tab|escape|home|end|ic|dc|insert|delete"
    r"|p(?:age)?(?:up|dn|down)|npage|ppage|kp.+|f\d+|any|none|paste.*)"
)


def around(rule: Rule, word: str, inner: Classed, found: Given | None = None) -> Classed:
    """What is run, and what runs it."""
    own = rule.classed(word)
    for by, option in found.raised if found is not None else ():
        own = own.raised(by, f"{rule.name} {option}", option)
    return together(inner.seen_through(rule.name), own)


def _rest(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, stdin: str | None) -> Classed:
    """`timeout 5 COMMAND`, `env A=b COMMAND`."""
    found = given(rule, words, to_first_operand=True)
    rest = found.operands[rule.skip :]
    while rest and (assigned := _ASSIGNMENT.fullmatch(rest[0].prefix)):
        reading.assign(assigned[1])
        rest = rest[1:]
    if found.ended:
        return rule.answered(word)
    if not rest:
        return rule.classed(word)
    return around(rule, word, reading.command(rest, stdin), found)


def _shell(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, stdin: str | None) -> Classed:
    """`sh -c SCRIPT`, or a script on what it reads."""
    found = given(rule, words, to_first_operand=True)
    if found.ended:
        return rule.answered(word)
    if found.has("-c"):
        if not found.operands:
            raise NotUnderstood("a shell without its script", word)
        return around(rule, word, reading.script(found.operands[0].literal), found)
    if found.operands and not found.has("-s"):
        raise NotUnderstood("a script in a file", found.operands[0].prefix)
    return _stdin(reading, rule, (), word, stdin)


def _stdin(reading: "Reading", rule: Rule, _words: Sequence[Word], word: str, stdin: str | None) -> Classed:
    if stdin is None:
        raise NotUnderstood("a script that is not written in the command", word)
    return around(rule, word, reading.script(stdin))


def _eval(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, _stdin: str | None) -> Classed:
    """`eval WORDS`: a script made of its words."""
    return around(rule, word, reading.script(" ".join(each.literal for each in words)))


def _joined(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, _stdin: str | None) -> Classed:
    """Options, then a script, or a program and its words: `tmux new-session -d SCRIPT`."""
    found = given(rule, words, to_first_operand=True)
    written = [each.literal for each in found.operands]
    _no_semicolon(words)
    if not written:
        return rule.classed(word)
    # One word is given to a shell, several are a program and its words.
    inner = reading.script(written[0]) if len(written) == 1 else reading.command(found.operands)
    return around(rule, word, inner, found)


def _keys(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, _stdin: str | None) -> Classed:
    """`tmux send-keys -t PANE TEXT Enter`: what is typed is a script, if a shell reads it."""
    found = given(rule, words, to_first_operand=True)
    _no_semicolon(words)
    typed, enter = "", False
    for each in found.operands:
        key = each.literal.lower()  # tmux knows its keys by small and by capital letters
        enter = key in _ENTER
        if enter:
            typed += "\n"
        elif key == "space":
            typed += " "
        elif _KEY.fullmatch(key):
            raise NotUnderstood("a key whose effect is not known", each.literal)
        elif key not in _CLEARING:
            typed += each.literal
    if not typed.strip():
        return rule.classed(word)
    if not enter:
        raise NotUnderstood("keys without Enter: what they become is not known", typed)
    return around(rule, word, reading.script(typed), found)


def _no_semicolon(words: Sequence[Word]) -> None:
    """tmux takes a semicolon at a word's end for the end of its own command."""
    for each in words:
        if each.prefix.endswith(";"):
            raise NotUnderstood("a semicolon that tmux takes for its own", each.prefix)


def _xargs(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, _stdin: str | None) -> Classed:
    """`xargs COMMAND`: words that are read come behind, or where the replacement stands."""
    found = given(rule, words, to_first_operand=True)
    if found.ended or not found.operands:
        return rule.classed(word)
    mark = next((found.options[name] for name in ("-I", "-i", "--replace") if name in found.options), None)
    if found.has("-I", "-i", "--replace"):
        sign = mark.literal if mark is not None else "{}"
        rest = [_replaced(each, sign) for each in found.operands]
    else:
        rest = [*found.operands, Word("", known=False, splits=True)]
    return around(rule, word, reading.command(rest), found)


def _replaced(word: Word, sign: str) -> Word:
    if sign not in word.prefix:
        return word
    return Word(word.prefix.split(sign)[0], known=False, scripts=word.scripts)


SEEN: Mapping[str, See] = {
    "rest": _rest,
    "shell": _shell,
    "stdin": _stdin,
    "eval": _eval,
    "joined": _joined,
    "keys": _keys,
    "xargs": _xargs,
    "find": find.see,
    "curl": curl.see,
    "python": pycode.see,
}
