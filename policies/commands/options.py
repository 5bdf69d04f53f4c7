"""A program's words against its rule: options, values, operands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.commands.classes import Class, NotUnderstood
from policies.commands.rules import Rule
from policies.commands.words import Word


@dataclass(slots=True)
class Given:
    """What a program was given."""

    options: dict[str, Word | None] = field(default_factory=dict)  # the last value of each
    raised: list[tuple[Class, str]] = field(default_factory=list)
    operands: list[Word] = field(default_factory=list)
    scripts: list[Word] = field(default_factory=list)  # values that are programs in a language of their own
    ended: bool = False  # an option after which it only answers

    def has(self, *names: str) -> bool:
        return any(name in self.options for name in names)


def given(rule: Rule, words: Sequence[Word], *, to_first_operand: bool = False) -> Given:
    """Options and operands. Raises NotUnderstood for an option that the rule does not list, or may be one.

    `to_first_operand`: what follows the first operand belongs to another program; all of it is in `operands`.
    """
    found = Given()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.maybe_option or (word.known and word.prefix == "-"):
            found.operands.append(word)
            if to_first_operand and len(found.operands) > rule.skip:
                found.operands += rest
                break
            continue
        if rule.options is None and not word.known:
            continue
        written = word.prefix if word.prefix.startswith("--") and "=" in word.prefix else word.literal
        if written == "--":
            found.operands += rest
            break
        if written in rule.ends:
            # With more words some programs answer and then go on; only `command -v` wants names.
            if found.operands or (rest and rule.sees != "rest"):
                raise NotUnderstood(f"{rule.name}: more than a question", written)
            found.ended = True
            return found
        if written.startswith("--"):
            _long(rule, found, written, word, rest)
        else:
            _short(rule, found, written, rest)
    return found


def _long(rule: Rule, found: Given, written: str, word: Word, rest: list[Word]) -> None:
    name, equals, value = written.partition("=")
    takes = _listed(rule, name, written)
    if equals:
        _note(rule, found, name, Word(value, word.known, word.splits, word.scripts))
    else:
        _note(rule, found, name, _next(rest, written) if takes == ":" else None)


def _short(rule: Rule, found: Given, written: str, rest: list[Word]) -> None:
    if written[1:].isdigit() and rule.options is not None and "-#" in rule.options:
        return
    for place, letter in enumerate(written[1:], 2):
        name = f"-{letter}"
        takes = _listed(rule, name, written)
        if not takes:
            _note(rule, found, name, None)
            continue
        # The rest of the word is the value, or else the next word.
        attached = Word(written[place:]) if written[place:] else None
        _note(rule, found, name, _next(rest, written) if takes == ":" and attached is None else attached)
        return


def _listed(rule: Rule, name: str, written: str) -> str:
    """How it takes a value: not, ":" in the same word or the next, "?" in the same word."""
    if rule.options is None:
        return ""
    if name not in rule.options:
        raise NotUnderstood(f"{rule.name}: an option that no rule lists", written)
    return rule.options[name]


def _next(rest: list[Word], written: str) -> Word:
    if not rest:
        raise NotUnderstood("an option without its value", written)
    word = rest.pop(0)
    if word.splits:
        raise NotUnderstood("a word that is not known before the command runs", written)
    return word


def _note(rule: Rule, found: Given, name: str, value: Word | None) -> None:
    found.options[name] = value
    if name in rule.raises:
        found.raised.append((rule.raises[name], name))
    if name in rule.script_in and value is not None:
        found.scripts.append(value)


def check(rule: Rule, found: Given) -> None:
    """Raises NotUnderstood where operands are not what the rule asks for."""
    operands = found.operands
    if rule.script is not None:
        scripts = found.scripts
        if not scripts and not found.has(*rule.script_in):
            scripts, operands = operands[:1], operands[1:]
        for each in scripts:
            _must(rule, rule.script.fullmatch(each.literal) is not None, each)
    if rule.operands is not None:
        _must(rule, len(operands) <= rule.operands and not any(each.splits for each in operands), *operands[-1:])
    if rule.operand is not None:
        for each in operands:
            _must(rule, rule.operand.fullmatch(each.literal) is not None, each)


def _must(rule: Rule, met: bool, *words: Word) -> None:
    if not met:
        raise NotUnderstood(f"{rule.name}: a word that its rule does not allow", words[0].prefix if words else "")
