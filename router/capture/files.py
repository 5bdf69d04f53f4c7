"""The files of captures: written one after the other, never more than their caps."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

PARTS = 8  # files into which the cap is divided: what goes is the oldest of them
_SWEEP_SECONDS = 60.0
_DAY = 86_400.0


class Files:
    """Appends lines. Used by one thread; a failing disk raises OSError."""

    def __init__(self, directory: Path, *, keep_bytes: int, keep_days: float) -> None:
        self._directory = directory
        self._part = max(1, keep_bytes // PARTS)
        self._keep_bytes, self._keep_seconds = keep_bytes, keep_days * _DAY
        self._file: BinaryIO | None = None
        self._path = directory
        self._written = 0
        self._swept = 0.0

    def add(self, line: bytes) -> bool:
        """Write it. False: it is larger than a file may be."""
        if len(line) > self._part:
            return False
        if self._file is None or self._written + len(line) > self._part:
            self._next()
        assert self._file is not None
        self._file.write(line)
        self._written += len(line)
        if time.monotonic() - self._swept > _SWEEP_SECONDS:
            self._sweep(0)
        return True

    def flush(self) -> None:
        """What was written can be read."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Done with it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next(self) -> None:
        self.close()
        self._sweep(self._part)
        self._path = self._directory / f"calls-{time.time_ns() // 1_000:017d}-{os.getpid()}.jsonl"  # sorts by time
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file, self._written = os.fdopen(handle, "wb"), 0

    def _sweep(self, room: int) -> None:
        """Delete what is too old, then the oldest until there is room for so many bytes more."""
        self._swept = time.monotonic()
        found = [(path, path.stat()) for path in files_in(self._directory)]
        total = sum(stat.st_size for _, stat in found)
        for path, stat in found:
            old = stat.st_mtime < time.time() - self._keep_seconds
            if (old or total + room > self._keep_bytes) and not (self._file and path == self._path):
                path.unlink(missing_ok=True)
                total -= stat.st_size


def files_in(directory: Path) -> Sequence[Path]:
    """A directory's captures, oldest first."""
    return sorted(directory.glob("calls-*.jsonl"))
