"""`python -c CODE`: code that does nothing but run a shell command, seen through."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from policies.commands.classes import NOTHING, Class, Classed, NotUnderstood, together
from policies.commands.rules import Rule
from policies.commands.said import decoded
from policies.commands.words import Word

if TYPE_CHECKING:
    from policies.commands.reading import Reading

_LONGEST = 16_384  # characters of code
_MODULES = frozenset(("os", "sys", "subprocess", "base64"))
_RUN = frozenset(("run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"))
_HARMLESS = frozenset(("check", "capture_output", "text", "shell", "timeout", "universal_newlines"))
_METHODS = frozenset(("decode", "strip"))
_LETTERS = frozenset("uBEsIOq")


def see(reading: "Reading", rule: Rule, words: Sequence[Word], word: str, stdin: str | None) -> Classed:
    """The class of what the code runs; local at least, since modules are looked for in the sandbox's own files."""
    for place, each in enumerate(words):
        written = each.literal
        last = written[-1:]
        if written in rule.ends and len(words) == 1:
            return rule.answered(word)
        if not written.startswith("-") or written.startswith("--") or set(written[1:-1]) - _LETTERS:
            raise NotUnderstood("a program in a file", written)
        rest = words[place + 1 :]
        if last == "c" and rest:
            return _code(reading, rest[0].literal, rule)
        if last == "m" and rest:
            if rest[0].literal != "pip":
                raise NotUnderstood("a module that no rule knows", rest[0].literal)
            return reading.command(rest).seen_through(rule.name)
        if last not in _LETTERS:
            raise NotUnderstood(f"{rule.name}: an option that no rule lists", written)
    if stdin is None:
        raise NotUnderstood("code that is not written in the command", word)
    return _code(reading, stdin, rule)


def _code(reading: "Reading", code: str, rule: Rule, depth: int = 0) -> Classed:
    if len(code) > _LONGEST or depth > 4:
        raise NotUnderstood("code that is not looked into", code[:80])
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotUnderstood("code that cannot be parsed", code[:80]) from None
    found = NOTHING
    for statement in tree.body:
        match statement:
            case ast.Import(names=names) if all(each.name in _MODULES and not each.asname for each in names):
                continue
            case ast.Expr(value=value):
                found = together(found, _run(reading, value, rule, depth))
            case _:
                raise NotUnderstood("code that is not looked into", ast.unparse(statement)[:80])
    return found.seen_through(rule.name).raised(Class.LOCAL, rule.name, code[:80])


def _run(reading: "Reading", node: ast.expr, rule: Rule, depth: int) -> Classed:
    match node:
        case ast.Constant():
            return NOTHING
        case ast.Call(func=ast.Name(id="print"), args=args, keywords=[]):
            found = NOTHING
            for each in args:
                found = together(found, _run(reading, each, rule, depth))
            return found
        case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[], keywords=[]) if attr in _METHODS:
            return _run(reading, value, rule, depth)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="system"), args=[ast.Constant(value=str(text))]):
            return reading.script(text)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="subprocess"), attr=attr), args=[command], keywords=keys):
            if attr in _RUN and all(each.arg in _HARMLESS for each in keys):
                return _process(reading, command)
        case ast.Call(func=ast.Name(id="exec"), args=[code], keywords=[]):
            return _code(reading, _literal(code), rule, depth + 1)
        case _:
            pass
    raise NotUnderstood("code that is not looked into", ast.unparse(node)[:80])


def _process(reading: "Reading", command: ast.expr) -> Classed:
    """A script, or a list of words. A text without a shell is a program's name, and one word is a script too."""
    match command:
        case ast.Constant(value=str(text)):
            return reading.script(text)
        case ast.List(elts=[_, *_] as parts):
            return reading.command([Word(_literal(each)) for each in parts])
        case _:
            pass
    raise NotUnderstood("code that is not looked into", ast.unparse(command)[:80])


def _literal(node: ast.expr) -> str:
    """A text, also one that is wrapped in base64."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Call(func=ast.Attribute(value=value, attr="decode"), args=[] | [ast.Constant()], keywords=[]):
            return _literal(value)
        case ast.Call(
            func=ast.Attribute(value=module, attr="b64decode"), args=[ast.Constant(value=str() | bytes() as text)]
        ) if ast.unparse(module) in ("base64", "__import__('base64')"):
            written = decoded(text if isinstance(text, str) else text.decode("latin-1"))
            if written is not None:
                return written
        case _:
            pass
    raise NotUnderstood("code that is not looked into", ast.unparse(node)[:80])
