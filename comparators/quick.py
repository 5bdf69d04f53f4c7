"""Agreement found without taking outcomes apart: most answers of two healthy sides agree, and each is looked at."""

from collections.abc import Sequence

from comparators.normalise import owner_number, parent
from comparators.rules import UNCOMPARED
from crossfade.outcome import Outcome
from crossfade.results import ContentDigest, ExecResult, FileInfo

_PERMISSIONS = 0o777


def surely_agree(operation: str, old: Outcome, new: Outcome) -> bool:
    """Whether two outcomes agree beyond doubt: whenever it says so, `agree` does. False says nothing."""
    if old.fate is not new.fate or old.status != new.status or not 200 <= old.status < 300 or operation in UNCOMPARED:
        return False
    one, other = old.value, new.value
    if one is None and other is None:
        return True
    if isinstance(one, ContentDigest) and isinstance(other, ContentDigest):
        return one.sha256 == other.sha256 and one.size == other.size
    if isinstance(one, FileInfo):
        return _alike(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other)) and _same_places(one, other)
    if isinstance(one, ExecResult) and isinstance(other, ExecResult):
        return one.exit_code == other.exit_code and one.output == other.output
    return isinstance(one, str) and isinstance(other, str) and one == other


def _same_places(one: Sequence[FileInfo], other: Sequence[FileInfo]) -> bool:
    """Whether the entries, alike one by one, surely lie in the same directories below the one listed."""
    same = all(here.path == there.path for here, there in zip(one, other, strict=True))
    return same or (_flat(one) and _flat(other))


def _flat(files: Sequence[FileInfo]) -> bool:
    """Whether all of them lie in one directory, as far as their paths tell."""
    return len({parent(file.path) for file in files} - {None}) <= 1


def _alike(one: object, other: object) -> bool:
    """As rules.FILE has it: neither path nor time, permissions only, a directory's size not at all."""
    if type(one) is not FileInfo or type(other) is not FileInfo:
        return False
    return (
        one.name == other.name
        and one.is_dir == other.is_dir
        and (one.is_dir or one.size == other.size)
        and not (one.mode ^ other.mode) & _PERMISSIONS
        and (one.owner == other.owner or owner_number(one.owner) == owner_number(other.owner))
        and (one.group == other.group or owner_number(one.group) == owner_number(other.group))
    )
