"""Processor time of a process and its children, from /proc."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and of all its living descendants."""
    stats = _stats()
    total, waiting = 0.0, [pid]
    while waiting:
        parent = waiting.pop()
        if parent in stats:
            total += stats[parent][1]
        waiting += [child for child, (of, _) in stats.items() if of == parent]
    return total


def _stats() -> dict[int, tuple[int, float]]:
    """pid -> (parent, seconds)."""
    found = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                # The name, in brackets, may hold blanks: fields are counted from behind it.
                fields = (directory / "stat").read_text().rpartition(") ")[2].split()
            except OSError:
                continue  # ended meanwhile
            found[int(directory.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICK)
    return found
