"""Paths as twins know them: absolute, lexically normal."""

import posixpath
from collections.abc import Iterable


def normal(path: str, work_dir: str = "/workspace") -> str:
    """The absolute, lexically normal form; relative paths start at the work dir. Symlinks are not followed."""
    joined = posixpath.normpath(posixpath.join(work_dir, path))
    # POSIX lets two leading slashes mean something else; no sandbox does.
    return "/" + joined.lstrip("/")


def touching(one: str, other: str) -> bool:
    """Whether a change of one path may be seen through the other: the same, or one above the other."""
    if one == other or one == "/" or other == "/":
        return True
    return other.startswith(one + "/") or one.startswith(other + "/")


def any_touching(paths: Iterable[str], others: Iterable[str]) -> bool:
    """Whether any two of them touch."""
    others = tuple(others)
    return any(touching(path, other) for path in paths for other in others)


def inside(path: str, roots: Iterable[str]) -> bool:
    """Whether the path lies at or below one of the roots."""
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)
