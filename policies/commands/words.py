"""Words of a command: what is written, as far as it can be known before a shell has expanded it."""

import re
from dataclasses import dataclass

from tree_sitter import Node

from policies.commands.classes import NotUnderstood

_GLOB = frozenset("*?[")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_IN_QUOTES = re.compile(r'\\([$`"\\])')
_EXPANSION = re.compile(r"\s*\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_BRACES = re.compile(r"\{.*(?:,|\.\.)", re.DOTALL)
_NUMBERS_ONLY = re.compile(r"\s*\$\(\([0-9 +*/%-]*\)\)")


@dataclass(frozen=True, slots=True)
class Word:
    """One word. Expansions make it unknown from where they stand; what is written before them is its prefix."""

    prefix: str
    known: bool = True  # the prefix is the whole word
    splits: bool = False  # it may become several words, or none
    scripts: tuple[Node, ...] = ()  # substitutions: scripts that run when it is expanded

    @property
    def literal(self) -> str:
        """The whole word. Raises NotUnderstood when that is not known."""
        if not self.known:
            raise NotUnderstood("a word that is not known before the command runs", self.prefix)
        return self.prefix

    @property
    def maybe_option(self) -> bool:
        """Whether a program may take it, or what it becomes, for an option."""
        return self.splits or self.prefix.startswith("-") or not (self.known or self.prefix)


def word_of(node: Node) -> Word:
    """The word at a node. Raises NotUnderstood for what is no plain word."""
    word = _piece(node, quoted=False)
    written = text(node)
    if "{" in word.prefix and node.type not in ("string", "raw_string") and _BRACES.search(written):
        # Brace expansion keeps what stands before the brace, and makes several words.
        return Word(word.prefix.split("{")[0], known=False, splits=word.splits, scripts=word.scripts)
    return word


def text(node: Node) -> str:
    """What is written at a node."""
    return (node.text or b"").decode("utf-8", "surrogateescape")


def _piece(node: Node, *, quoted: bool) -> Word:
    match node.type:
        case "word" | "number" | "extglob_pattern" | "regex":
            return _bare(text(node))
        case "raw_string":
            return Word(text(node)[1:-1])
        case "string":
            return _joined(node, quoted=True)
        case "string_content":
            return Word(_IN_QUOTES.sub(r"\1", text(node).replace("\\\n", "")))
        case "concatenation":
            return _joined(node, quoted=False)
        case "simple_expansion":
            return Word("", known=False, splits=not quoted)
        case "expansion" if _EXPANSION.fullmatch(text(node)):
            return Word("", known=False, splits=not quoted)
        case "command_substitution":
            return Word("", known=False, splits=not quoted, scripts=(node,))
        case "process_substitution":
            return Word("/dev/fd/", known=False, scripts=(node,))
        case "arithmetic_expansion" if _NUMBERS_ONLY.fullmatch(text(node)):
            return Word("", known=False)
    raise NotUnderstood("a word of a kind that is not looked into", text(node))


def _bare(written: str) -> Word:
    if any(sign in written for sign in "()`\"'"):
        raise NotUnderstood("a word of a kind that is not looked into", written)  # zsh runs code in patterns
    for place, sign in enumerate(written):
        if sign in _GLOB and (place == 0 or written[place - 1] != "\\"):
            return Word(_ESCAPED.sub(r"\1", written[:place]), known=False)
    if written.startswith("~"):
        return Word("~", known=False)
    return Word(_ESCAPED.sub(r"\1", written))


def _joined(node: Node, *, quoted: bool) -> Word:
    """The pieces in their order. Inside quotes, what the parser leaves between them is text too."""
    source, start = node.text or b"", node.start_byte
    prefix, known, splits = "", True, False
    scripts: list[Node] = []
    at = start
    for child in node.children:
        between = source[at - start : child.start_byte - start].decode("utf-8", "surrogateescape")
        if not quoted and (between or child.type == "$"):
            raise NotUnderstood("a word of a kind that is not looked into", text(node))
        at = child.end_byte
        # Inside quotes blanks belong to the text, and the parser counts those before a sign to that sign.
        if child.type == '"':
            piece = Word(between + text(child)[:-1])
        elif not child.is_named:
            piece = Word(between + text(child)) if quoted else _bare(text(child))
        else:
            piece = _piece(child, quoted=quoted)
            if quoted:
                written = text(child)
                blanks = "" if child.type == "string_content" else written[: len(written) - len(written.lstrip())]
                piece = Word(between + blanks + piece.prefix, piece.known, piece.splits, piece.scripts)
        if not known and text(child).startswith("["):
            # zsh takes it for a subscript, and a subscript for arithmetic, in which it runs substitutions.
            raise NotUnderstood("a word of a kind that is not looked into", text(node))
        prefix += piece.prefix if known else ""
        known, splits = known and piece.known, splits or piece.splits
        scripts += piece.scripts
    return Word(prefix, known, splits, tuple(scripts))
