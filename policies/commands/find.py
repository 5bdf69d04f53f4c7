"""`find`: its words are an expression, in which commands may stand."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from policies.commands.classes import Classed, NotUnderstood, together
from policies.commands.rules import Rule
from policies.commands.words import Word

if TYPE_CHECKING:
    from policies.commands.reading import Reading

_RUN = frozenset(("-exec", "-execdir", "-ok", "-okdir"))
_FOUND = "{}"


def see(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, _stdin: str | None) -> Classed:
    """Its class: read, what its actions make of it, or what the commands in it do. Raises NotUnderstood."""
    classed = rule.classed(word)
    rest = list(words)
    while rest:
        one = rest.pop(0)
        if not one.maybe_option:
            continue  # where it starts, or a sign of the expression
        name = one.literal
        if name in _RUN:
            command, rest = _command(rest, name)
            classed = together(classed, reading.command(command).seen_through(f"{rule.name} {name}"))
            continue
        takes = (rule.options or {}).get(name)
        if takes is None:
            raise NotUnderstood(f"{rule.name}: an option that no rule lists", name)
        if name in rule.raises:
            classed = classed.raised(rule.raises[name], f"{rule.name} {name}", name)
        if takes:
            if not rest or rest[0].splits:
                raise NotUnderstood("an option without its value", name)
            rest.pop(0)
    return classed


def _command(rest: list[Word], name: str) -> tuple[list[Word], list[Word]]:
    """The command of an action, up to `;` or `{} +`, and what comes after it."""
    command: list[Word] = []
    for place, word in enumerate(rest):
        if word.known and (word.prefix == ";" or (word.prefix == "+" and place and rest[place - 1].prefix == _FOUND)):
            if not command:
                break
            return [_each(each) for each in command], rest[place + 1 :]
        command.append(word)
    raise NotUnderstood("an action without its end", name)


def _each(word: Word) -> Word:
    """What is found begins as the place where the search starts does, and that is no option."""
    if _FOUND not in word.prefix:
        return word
    return Word(word.prefix.split(_FOUND)[0] or "./", known=False, scripts=word.scripts)
