"""Redirections: what is written or read by a sign, and what a program is given to read."""

import re
from dataclasses import dataclass, field

from tree_sitter import Node

from policies.commands.classes import NOTHING, Class, Classed, NotUnderstood, together
from policies.commands.parsing import children
from policies.commands.words import Word, text, word_of

KINDS = frozenset(("file_redirect", "heredoc_redirect", "herestring_redirect"))
_RULE = "a redirection"
_NOWHERE = frozenset(("/dev/null", "/dev/stdout", "/dev/stderr"))
_DESCRIPTOR = re.compile(r"\d+|-")
_DELIMITER = re.compile(r"(['\"]?)([A-Za-z0-9_]+)\1")


@dataclass(slots=True)
class Redirected:
    """One redirection, read."""

    classed: Classed = NOTHING
    stdin: str | None = None  # what the program reads from now on, where that is known
    reads: bool = False  # it says what the program reads
    words: list[Word] = field(default_factory=list)  # that stand behind it and belong to the program
    targets: list[Word] = field(default_factory=list)
    scripts: list[Node] = field(default_factory=list)  # substitutions in a document
    then: list[Node] = field(default_factory=list)  # the rest of a pipe that stands on the document's first line


def read(node: Node, stdin: str | None) -> Redirected:
    """What a redirection does; `stdin` is what would be read without it. Raises NotUnderstood."""
    if node.type == "heredoc_redirect":
        return _document(node)
    if node.type == "herestring_redirect":
        words = [word_of(child) for child in children(node) if child.is_named and child.type != "file_descriptor"]
        if len(words) != 1:
            raise NotUnderstood("a redirection that is not looked into", text(node))
        said = words[0].prefix + "\n" if words[0].known else None
        return Redirected(_local(text(node)), said, True, targets=words)
    return _file(node, stdin)


def _file(node: Node, stdin: str | None) -> Redirected:
    sign, words = "", []
    for child in children(node):
        if not child.is_named:
            sign = child.type
        elif child.type != "file_descriptor":
            words.append(word_of(child))
    found = Redirected(stdin=stdin, targets=words[:1], words=words[1:])
    if sign in ("<", "<>", "<&"):
        found.stdin, found.reads = None, True
    if sign.endswith("&-") or (not words and sign in ("<&-", ">&-")):
        return found
    if not words:
        raise NotUnderstood("a redirection that is not looked into", text(node))
    target = words[0]
    if target.known and (target.prefix in _NOWHERE or (sign.endswith("&") and _DESCRIPTOR.fullmatch(target.prefix))):
        return found
    # Below /dev and /proc lie networks and processes, and a shell opens /dev/tcp/HOST/PORT by itself.
    if not target.prefix or target.splits or target.prefix.startswith(("/dev", "/proc", "/sys", "//", "/.")):
        raise NotUnderstood("a redirection to what is no plain file", text(node))
    found.classed = _local(text(node))
    return found


def _document(node: Node) -> Redirected:
    """`<<WORD`: the lines up to WORD are what the program reads."""
    found = Redirected(_local(text(node).partition("\n")[0]), None, True)
    sign, delimiter, plain, end, body = "", "", False, None, ""
    parts = children(node)
    for place, child in enumerate(parts):
        match child.type:
            case "<<" | "<<-":
                sign = child.type
            case "heredoc_start":
                named = _DELIMITER.fullmatch(text(child))
                if named is None:
                    raise NotUnderstood("a document whose end is not plain", text(child))
                delimiter, plain = named[2], bool(named[1])
            case "heredoc_body":
                body = text(child)
                found.scripts = [each for each in child.children if each.type == "command_substitution"]
                plain = plain or not any(mark in body for mark in "$`\\")
            case "heredoc_end":
                end = text(child)
            case "file_redirect":
                more = _file(child, None)
                found.classed = together(found.classed, more.classed)
                found.targets += more.targets
                found.words += more.words
            case "pipeline":
                found.then = [each for each in children(child) if each.is_named]
            case "file_descriptor":
                raise NotUnderstood("a redirection that is not looked into", text(child))
            case "&&" | "||" | ";":
                _only_then(parts[place + 1 :], text(node))
            case "command" | "list" | "test_command" if place and parts[place - 1].type in ("&&", "||"):
                found.scripts.append(child)
            case _ if child.is_named:
                found.words.append(word_of(child))
            case _:
                raise NotUnderstood("a redirection that is not looked into", child.type)
    lines = [line.lstrip("\t") if sign == "<<-" else line for line in body.split("\n")]
    if end is None or end.strip("\t") != delimiter or delimiter in lines:
        raise NotUnderstood("a document whose end is not plain", delimiter)
    if plain:
        found.stdin = "\n".join(lines)
    return found


def _only_then(rest: list[Node], written: str) -> None:
    if not rest or not rest[0].is_named:
        raise NotUnderstood("a redirection that is not looked into", written)


def _local(written: str) -> Classed:
    return Classed(by=Class.LOCAL, rule=_RULE, word=written)
