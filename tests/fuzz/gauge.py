"""What a process holds: memory, descriptors, tasks."""

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HOOK = Path(__file__).with_name("hook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """At one moment. Bytes of memory are those of the process alone."""

    memory: int
    descriptors: int
    tasks: Counter[str] = field(default_factory=Counter)


def environment(counts: Path) -> dict[str, str]:
    """What a process needs to count its tasks into this file."""
    path = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "CROSSFADE_TEST_COUNTS": str(counts)}


async def held(pid: int, counts: Path) -> Held:
    """Asks the process with this pid."""
    counts.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR2)
    async with asyncio.timeout(20):
        while not counts.exists():
            await asyncio.sleep(0.02)
    tasks = Counter(line for line in counts.read_text().splitlines())
    status = Path(f"/proc/{pid}/status").read_text()
    memory = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:"))
    return Held(memory=memory, descriptors=len(os.listdir(f"/proc/{pid}/fd")), tasks=tasks)
