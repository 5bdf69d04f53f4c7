"""Removing trees, however deep."""

import os
import shutil
import subprocess


def remove_tree(name: str, directory: int) -> None:
    """Remove what is at `name` below an open directory, links never followed. Raises OSError."""
    try:
        shutil.rmtree(name, dir_fd=directory)
    except RecursionError:
        # A thousand levels are more than Python's own walk bears; rm keeps no stack of them.
        here = f"/proc/self/fd/{directory}"
        done = subprocess.run(
            ["rm", "-rf", "--", f"./{name}"], cwd=here, pass_fds=(directory,), capture_output=True, check=False
        )
        if done.returncode:
            raise OSError(done.stderr.decode("utf-8", "replace").strip() or "rm failed") from None


def remove_quietly(path: os.PathLike[str]) -> None:
    """Remove a tree of ours as far as that is possible."""
    try:
        shutil.rmtree(path, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", os.fspath(path)], capture_output=True, check=False)
