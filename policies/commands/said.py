"""What a command says, where that is written in it: `echo ls | sh` runs ls, also where it is wrapped in base64."""

import base64
import binascii
from collections.abc import Sequence

from tree_sitter import Node

from policies.commands.classes import NotUnderstood
from policies.commands.parsing import children
from policies.commands.words import Word, word_of


def by(node: Node, stdin: str | None) -> str | None:
    """What a command at the node writes, given what it reads. None: not known."""
    if node.type != "command":
        return None
    try:
        parts = children(node)
        if parts[0].type != "command_name" or any(part.type.endswith(("redirect", "assignment")) for part in parts):
            return None
        words = [word_of(parts[0].children[0]), *(word_of(part) for part in parts[1:])]
        return _said([word.literal for word in words], words, stdin)
    except NotUnderstood:
        return None


def _said(written: Sequence[str], words: Sequence[Word], stdin: str | None) -> str | None:
    match list(written):
        # A shell's own echo may take a backslash for more than that.
        case ["echo", "-n", *rest] if not _changed(rest):
            return " ".join(rest)
        case ["echo", *rest] if not _changed(rest):
            return " ".join(rest) + "\n"
        case ["printf", "%s", one]:
            return one
        case ["printf", "%s\\n", one]:
            return one + "\n"
        case ["printf", one] if not _changed([one]) and "%" not in one:
            return one
        case ["cat"] | ["cat", "-"]:
            return stdin
        case ["base64", "-d" | "--decode" | "-D"] if stdin is not None:
            return decoded(stdin)
    return None


def _changed(rest: Sequence[str]) -> bool:
    return any("\\" in each for each in rest) or (bool(rest) and rest[0].startswith("-"))


def decoded(written: str) -> str | None:
    """Base64 undone. None: it is none, or no text."""
    try:
        return base64.b64decode("".join(written.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
