"""Processor time and memory of a process and its children, from /proc."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    parents = _parents()
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        if parent in parents:
            found.append(parent)
        waiting += [child for child, of in parents.items() if of == parent]
    return found


def cpu_seconds(pid: int) -> float:
    """Time on a processor, kernel included, of the process, its descendants and those that ended and were waited for.

    Living threads are counted in nanoseconds. A thread that ends takes its time with it; a process that ends leaves
    its own to its parent, in ticks of 10 ms.
    """
    return sum(_threads(each) + _ended_children(each) for each in family(pid))


def cpu_by_thread(pid: int) -> dict[int, float]:
    """Seconds on a processor of each living thread of a process and its descendants, by thread id."""
    found: dict[int, float] = {}
    for each in family(pid):
        for task in _entries(Path(f"/proc/{each}/task")):
            found[int(task.name)] = _scheduled(task)
    return found


def rss_bytes(pid: int) -> int:
    """Resident memory of the process and its descendants; shared pages count once for each."""
    return sum(_rss(each) for each in family(pid))


def open_files(pid: int) -> int:
    """Open descriptors of the process itself."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _threads(pid: int) -> float:
    return sum(_scheduled(task) for task in _entries(Path(f"/proc/{pid}/task")))


def _scheduled(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0  # ended meanwhile


def _ended_children(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / _TICK if fields else 0.0


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _parents() -> dict[int, int]:
    """pid -> parent."""
    found = {}
    for directory in _entries(Path("/proc")):
        if directory.name.isdigit() and (fields := _stat(int(directory.name))):
            found[int(directory.name)] = int(fields[1])
    return found


def _stat(pid: int) -> list[str]:
    """Fields from the state on; none when it ended meanwhile."""
    try:
        # The name, in brackets, may hold blanks: fields are counted from behind it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []
