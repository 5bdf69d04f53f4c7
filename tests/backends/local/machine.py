"""Looking at the machine's processes from outside."""

import os
import re
import select
from pathlib import Path

from router.backends.local.sandboxes import MARK, environment_of

PATIENCE = 20


def marked(directory: Path) -> list[int]:
    """Machine-wide pids of processes that belong to sandboxes below a directory."""
    wanted = re.compile(rb"%s=.*%s" % (MARK.encode(), re.escape(os.fsencode(directory))))
    found = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [int(entry.name) for entry in found if any(wanted.match(line) for line in environment_of(entry))]


def gone(pids: list[int]) -> bool:
    """Wait for processes to end."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended = select.select([fd], [], [], PATIENCE)[0]
        os.close(fd)
        if not ended:
            return False
    return True


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
