"""Conditions: `[ ... ]` and `[[ ... ]]`."""

import re

from tree_sitter import Node

from policies.commands.classes import Class, Classed, NotUnderstood
from policies.commands.parsing import children
from policies.commands.words import text, word_of

_SIGNS = frozenset(("[", "]", "[[", "]]", "!", "=", "==", "!=", "&&", "||", "(", ")"))
_ABOUT_FILES = frozenset(("-e", "-f", "-d", "-r", "-w", "-x", "-s", "-L", "-h", "-p", "-S", "-b", "-c", "-z", "-n"))
# Shells evaluate what they compare as numbers, and `a[$(rm x)]` is one; -v does the same.
_ABOUT_NUMBERS = frozenset(["-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-t"])
_NUMBER = re.compile(r"-?\d+")
_DEEPEST = 16


def tested(node: Node) -> Classed:
    """A condition's class: read. Raises NotUnderstood where it may run something."""
    words: list[Node] = []
    numbers = _look(node, words, 0)
    for each in words:
        word = word_of(each)
        if word.splits or word.scripts or (numbers and not (word.known and _NUMBER.fullmatch(word.prefix))):
            raise NotUnderstood("a condition that is not looked into", text(node))
    return Classed(by=Class.READ, rule="a condition", word=text(node), anywhere=False)


def _look(node: Node, words: list[Node], depth: int) -> bool:
    """Collect its words; whether numbers are compared."""
    numbers = False
    for child in children(node):
        if child.type == "test_operator" or not child.is_named:
            sign = text(child)
            if sign not in _SIGNS and sign not in _ABOUT_FILES and sign not in _ABOUT_NUMBERS:
                raise NotUnderstood("a condition that is not looked into", sign)
            numbers = numbers or sign in _ABOUT_NUMBERS
        elif child.type.endswith("_expression"):
            if depth > _DEEPEST:
                raise NotUnderstood("a condition that is not looked into", text(node))
            numbers = _look(child, words, depth + 1) or numbers
        else:
            words.append(child)
    return numbers
