"""Parsing: a shell script's tree, or the reason why there is none."""

import re
import time
from functools import cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from policies.commands.classes import NotUnderstood

LONGEST = 65_536  # bytes of a script
_MOST_NODES = 4_000
_SECONDS = 0.025  # of this thread's time; a script of LONGEST bytes takes a tenth of it
_STRANGE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# What tree-sitter-bash 0.25.1 may crash on, by a look beyond a table of 256 characters (its issue 337).
_CRASHES = re.compile(r"\{[0-9]*(?:\.\.[0-9]*)?[^\x00-\xff]")
_BLANK = b" \t\n"
_ONE_LINE = frozenset(
    (
        *("command", "pipeline", "list", "redirected_statement", "file_redirect", "herestring_redirect"),
        *("variable_assignment", "variable_assignments", "declaration_command", "negated_command", "command_name"),
    )
)
PASSED_OVER = "something that the parser passes over"


@cache
def _language() -> Language:
    return Language(tree_sitter_bash.language())


def parse(script: str) -> Node:
    """The script's tree. Raises NotUnderstood for what is too long, too slow to parse, or no script."""
    if len(script) > LONGEST or len(source := script.encode("utf-8", "replace")) > LONGEST:
        raise NotUnderstood(f"longer than {LONGEST} bytes")
    if found := _STRANGE.search(script):
        # A shell and the parser differ in what these are: carriage returns are no blanks for a shell.
        raise NotUnderstood("a control character", repr(found[0]))
    if found := _CRASHES.search(script):
        raise NotUnderstood("a brace before a letter that is not ASCII", found[0])
    until = time.thread_time() + _SECONDS
    try:
        # By a callback, since a parse of bytes cannot be stopped.
        tree = Parser(_language()).parse(
            lambda offset, _: source[offset : offset + LONGEST],
            progress_callback=lambda *_: time.thread_time() > until,
        )
    except ValueError:
        raise NotUnderstood("too tangled to parse") from None
    root = tree.root_node
    if root.has_error:
        raise NotUnderstood("not a script that can be parsed")
    if root.descendant_count > _MOST_NODES:
        raise NotUnderstood(f"more than {_MOST_NODES} parts")
    return root


def children(node: Node) -> list[Node]:
    """The node's children, comments left out. Raises NotUnderstood where something between them was passed over."""
    source, start = node.text or b"", node.start_byte
    at = start
    found = node.children
    one_line = node.type in _ONE_LINE
    for child in found:
        _check_gap(source[at - start : child.start_byte - start], one_line=one_line and child is not found[0])
        # A pipe or a list goes on behind its sign, on the next line too.
        one_line = node.type in _ONE_LINE and child.type not in ("|", "|&", "&&", "||")
        at = child.end_byte
    _check_gap(source[at - start :], one_line=False)
    return [child for child in found if child.type != "comment"]


def _check_gap(gap: bytes, *, one_line: bool) -> None:
    """Only blanks may stand between parts. A line that goes on after a word is no gap: the shell joins both words.

    In what is one command a line's end is none either: the parser is known to take two commands for one, as in
    `a | b`, a new line, `c > d`.
    """
    joined = gap.replace(b"\\\n", b"")
    if joined.strip(_BLANK) or (joined != gap and gap[:1] not in (b" ", b"\t")) or (one_line and b"\n" in joined):
        raise NotUnderstood(PASSED_OVER, gap.decode("utf-8", "replace"))
