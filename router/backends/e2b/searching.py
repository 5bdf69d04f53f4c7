"""Searching files on envd: text in files, names by pattern, replacing text. By commands: envd has no such calls."""

import base64
import posixpath
import re
import shlex
import sys
from dataclasses import dataclass

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unsupported
from crossfade.results import Replaced, TextMatch
from crossfade.upstream import Purpose
from router.backends.e2b.commands import Commands
from router.backends.e2b.envd import Handle
from router.backends.e2b.files import Files
from router.backends.e2b.globs import find_pattern
from router.backends.matching import glob_expression

SEARCHES = ("fs.find", "fs.search", "fs.replace")
_REPLACE_LIMIT = 64 * 1024 * 1024
_REPLACING = ("pattern", "new_value")
# What Daytona's daemon finds: text in files without a NUL in their first 512 bytes, each read up to its first line of
# 64 KiB. $1 is the text, $2 the path. Prints two lines of base64: `path NUL number NUL` of such lines, then grep's own
# lines. In the C locale any byte is a letter: elsewhere a file with one odd byte counts as binary. No process is made
# per file, but for the few that are larger than a line may be. What awk is missing for is found, too.
_FIND = r"""export LC_ALL=C
declare -A big
while IFS= read -r -d '' f; do big[$f]=1; done < <(find -H "$2" -type f -size +63k -print0 2>/dev/null)
texts=()
while IFS= read -r -d '' f; do
  IFS= read -r -d '' -n 512 head 2>/dev/null <"$f" && [ ${#head} -lt 512 ] && continue
  texts+=("$f")
done < <(grep -rlaF --null -e "$1" -- "$2" 2>/dev/null)
[ ${#texts[@]} -gt 0 ] || exit 0
for f in "${texts[@]}"; do
  [ -z "${big[$f]}" ] || printf '%s\0%s\0' "$f" "$(awk 'length($0) >= 65536 { print FNR; exit }' "$f")"
done | base64 -w0
echo
printf '%s\0' "${texts[@]}" | xargs -0 grep -HnaF --null -e "$1" -- 2>/dev/null | base64 -w0
"""
_LINE = re.compile(rb"([^\0]+)\0(\d+):([^\n]*)\n")  # a name may hold a line end, a line a NUL


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """Operations on trees."""

    commands: Commands
    files: Files

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """Carry out one of SEARCHES. Raises ConnectError, Failed."""
        match operation.name:
            case "fs.find":
                return await self._find(handle, operation, purpose)
            case "fs.search":
                return await self._search(handle, operation, purpose)
            case "fs.replace":
                return await self._replace(handle, operation, purpose)
            case name:
                return unsupported(name, "e2b")

    async def _find(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path, pattern = str(operation.arguments["path"]), str(operation.arguments["pattern"])
        if not pattern:
            return refused(400, "BAD_REQUEST", "bad request: pattern is required")
        if "\n" in pattern:
            return done(())  # it is looked for line by line; to grep it would be two patterns
        where = self.commands.absolute(path)
        ended = await self.commands.run(handle, ["-c", _FIND, "find", pattern, where], purpose=purpose)
        cuts, _, lines = ended.output.partition(b"\n")
        limits = _limits(base64.b64decode(cuts))
        found = []
        for name, number, content in _LINE.findall(base64.b64decode(lines)):
            if int(number) < limits.get(name, sys.maxsize):
                text = content.removesuffix(b"\r").decode("utf-8", "replace")
                found.append(TextMatch(path=_as_asked(name, where, path), line=int(number), content=text))
        return done(tuple(sorted(found, key=lambda match: (_walk_order(match.path), match.line))))

    async def _search(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path, pattern = str(operation.arguments["path"]), str(operation.arguments["pattern"])
        name, expression = find_pattern(pattern), glob_expression(pattern)
        if name is None or expression is None:
            return done(())
        where = self.commands.absolute(path)
        ended = await self.commands.shell(
            handle,
            f"LC_ALL=C.UTF-8 find {shlex.quote(where)} -name {shlex.quote(name)} -print0 2>/dev/null | base64 -w0",
            purpose,
        )
        found = [_as_asked(each, where, path) for each in base64.b64decode(ended.output).split(b"\0") if each]
        # glibc also takes a letter of two bytes for two: find's answer holds all, and perhaps some more.
        found = [each for each in found if expression.fullmatch(each.rpartition("/")[2])]
        return done(tuple(sorted(found, key=_walk_order)))

    async def _replace(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        old, new = (str(arguments.get(name) or "").encode("utf-8", "surrogateescape") for name in _REPLACING)
        if not old:
            return refused(400, "BAD_REQUEST", "bad request: pattern is required")
        results = []
        for path in arguments["files"]:
            results.append(await self._replace_one(handle, str(path), old, new, purpose))
        return done(tuple(results))

    async def _replace_one(self, handle: Handle, path: str, old: bytes, new: bytes, purpose: Purpose) -> Replaced:
        got = await self.files.download(handle, Operation(name="fs.download", arguments={"path": path}), purpose)
        if not got.ok:
            return Replaced(path=path, success=False, error=got.message)
        if (got.value.size or 0) > _REPLACE_LIMIT:
            await got.value.stream.aclose()
            return Replaced(path=path, success=False, error=f"{path} is larger than {_REPLACE_LIMIT} bytes")
        data = b"".join([chunk async for chunk in got.value.stream])
        if old not in data:
            return Replaced(path=path, success=True)
        upload = Operation(name="fs.upload", arguments={"path": path}, body=data.replace(old, new))
        put = await self.files.upload(handle, upload, purpose)
        return Replaced(path=path, success=put.ok, error="" if put.ok else put.message)


def _limits(text: bytes) -> dict[bytes, int]:
    """By path the number of the first line that is too long; nothing for files that have none."""
    words = text.split(b"\0")
    return {name: int(number) for name, number in zip(words[::2], words[1::2], strict=False) if number}


def _as_asked(found: bytes, where: str, path: str) -> str:
    """A path found below `where` as the client would write it: below the path it gave."""
    text = found.decode("utf-8", "surrogateescape")
    return text if path.startswith("/") else posixpath.join(path, text[len(where) :].lstrip("/")).rstrip("/")


def _walk_order(path: str) -> list[bytes]:
    """The order of a walk through directories whose entries are sorted by name."""
    return path.encode("utf-8", "surrogateescape").split(b"/")
