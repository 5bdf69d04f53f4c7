"""Searching files of embedded sandboxes: text in files, names by pattern, replacing text."""

import asyncio
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done
from crossfade.results import Replaced, TextMatch
from router.backends.local.refusals import bad_request, required_path
from router.backends.local.sandboxes import LocalSandbox
from router.backends.local.tree import Entry, Tree
from router.backends.matching import glob_expression

LINE_LIMIT = 64 * 1024  # Daytona stops reading a file at a line that has as many bytes, silently
SNIFFED = 512


async def perform(sandbox: LocalSandbox, operation: Operation) -> Outcome:
    """fs.find, fs.search or fs.replace, in a thread. Raises Refusal."""
    return await asyncio.to_thread(_KINDS[operation.name], sandbox.tree, operation.arguments)


def find(tree: Tree, arguments: Mapping[str, Any]) -> Outcome:
    path, pattern = required_path(arguments.get("path")), str(arguments.get("pattern") or "")
    if not pattern:
        raise bad_request("pattern is required")
    found = [
        TextMatch(path=shown, line=number, content=line.decode("utf-8", "replace"))
        for shown, entry in walk(tree, path)
        if entry.kind == "file"
        for number, line in lines_of(tree, entry.path)
        if os.fsencode(pattern) in line
    ]
    return done(tuple(found))


def search(tree: Tree, arguments: Mapping[str, Any]) -> Outcome:
    path, pattern = required_path(arguments.get("path")), str(arguments.get("pattern") or "")
    expression = glob_expression(pattern)
    if expression is None:
        return done(())
    return done(tuple(shown for shown, _ in walk(tree, path) if expression.fullmatch(posixpath.basename(shown))))


def replace(tree: Tree, arguments: Mapping[str, Any]) -> Outcome:
    pattern, new_value = str(arguments.get("pattern") or ""), str(arguments.get("new_value") or "")
    if not pattern:
        raise bad_request("pattern is required")
    files = [str(path) for path in arguments.get("files") or ()]
    return done(tuple(replaced(tree, path, os.fsencode(pattern), os.fsencode(new_value)) for path in files))


def replaced(tree: Tree, path: str, pattern: bytes, new_value: bytes) -> Replaced:
    try:
        with tree.open_read(path) as file:
            content = file.read()
        if pattern in content:
            with tree.open_write(path) as target:
                target.write(content.replace(pattern, new_value))
    except OSError as error:
        return Replaced(path=path, success=False, error=f"{path}: {(error.strerror or str(error)).lower()}")
    return Replaced(path=path, success=True)


def walk(tree: Tree, path: str) -> Iterator[tuple[str, Entry]]:
    """Every file and directory from the path on, itself first, in the order of names; links are not followed."""
    waiting = [path]
    while waiting:
        shown = waiting.pop()
        try:
            entry = tree.lstat(shown)
            children = tree.list(shown) if entry.kind == "dir" else []
        except OSError:  # absent, removed meanwhile, or not ours to read
            continue
        yield shown, entry
        waiting.extend(posixpath.join(shown, child.name) for child in reversed(children))


def lines_of(tree: Tree, path: str) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of a text file, up to the first overlong one; nothing of a binary one."""
    try:
        with tree.open_read(path) as file:
            content = file.read()
    except OSError:
        return
    if b"\0" in content[:SNIFFED]:
        return
    for number, line in enumerate(content.split(b"\n"), 1):
        if len(line) >= LINE_LIMIT:
            return
        yield number, line.removesuffix(b"\r")


_KINDS: Mapping[str, Callable[[Tree, Mapping[str, Any]], Outcome]] = {
    "fs.find": find,
    "fs.search": search,
    "fs.replace": replace,
}
