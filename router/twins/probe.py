"""The process probe: whether anything runs in a sandbox that was not there when it was born (twins.md §1, hot)."""

import hashlib
from collections import Counter
from dataclasses import dataclass

from crossfade.results import ExecResult
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router.twins.settle import shell
from router.twins.sides import Sides
from router.twins.state import Twin

# Prints one line for itself and one for every process but its own children and kernel threads:
# start (clock ticks), controlling terminal (0: none), command line.
COMMAND = r"""me=$$
echo "ticks $(getconf CLK_TCK 2>/dev/null || echo 100)"
for d in /proc/[0-9]*; do
  p=${d#/proc/}
  read -r s 2>/dev/null <"$d/stat" || continue
  set -- ${s##*) }
  [ "$p" = "$me" ] && echo "probe ${20}" && continue
  [ "$2" = "$me" ] && continue
  c=$(tr '\0\n' '  ' 2>/dev/null <"$d/cmdline")
  [ -n "$c" ] && printf '%s %s %s\n' "${20:-?}" "${5:-?}" "$c"
done
:"""

# Ends every process that the evidence lane started on a follower, found by the mark that children inherit.
END_SHADOWS = r"""me=$$
for d in /proc/[0-9]*; do
  p=${d#/proc/}
  [ "$p" = "$me" ] && continue
  tr '\0' '\n' 2>/dev/null <"$d/environ" | grep -qx CROSSFADE_SHADOW=1 && kill -KILL "$p" 2>/dev/null
done
:"""

# Two clocks are compared by durations only: what a tick rounds away, and how far they may drift apart.
_ROUNDING_SECONDS = 0.05
_DRIFT = 0.002
_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process. `digest` stands for its command line; `seconds` is how long before the probe it started."""

    digest: str
    seconds: float | None  # None: not known
    terminal: bool


async def ask(sides: Sides, twin: Twin, origin: Origin | None = None) -> list[Process] | None:
    """What runs on a side, the twin's seat if none is named. None: it could not be learned."""
    outcome = await sides.perform(twin, origin or twin.seat, shell(COMMAND), Purpose.KEEPER, seconds=_SECONDS)
    return read(outcome.value.output) if outcome.ok and isinstance(outcome.value, ExecResult) else None


def read(output: bytes) -> list[Process] | None:
    """What runs. None: the output is not a whole probe's, so it says nothing."""
    first, _, rest = output.partition(b"\n")
    word, _, ticks = first.partition(b" ")
    if word != b"ticks" or not ticks.isdigit() or not int(ticks):
        return None
    lines = [line.split(b" ", 2) for line in rest.splitlines()]
    own = [line[1] for line in lines if line[0] == b"probe" and len(line) == 2 and line[1].isdigit()]
    if len(own) != 1:
        return None
    started = int(own[0])
    return [
        Process(
            digest=hashlib.sha256(line[2]).hexdigest()[:16],  # kept on disk, and a command line may hold a password
            seconds=(started - int(line[0])) / int(ticks) if line[0].isdigit() else None,
            terminal=line[1] != b"0",
        )
        for line in lines
        if len(line) == 3
    ]


def counted(processes: list[Process]) -> Counter[str]:
    """Processes by command line."""
    return Counter(process.digest for process in processes)


def born(processes: list[Process], *, since_first_run: float) -> Counter[str]:
    """Those that started before anything could be run: `since_first_run` seconds before the probe's answer came.

    No clock is set against another. A process is `seconds` older than the probe, by one clock of the sandbox; the probe
    started before its answer came; so the process started at least `seconds` before that answer, and where this is more
    than `since_first_run`, no call had been admitted yet. A pause of the sandbox makes processes look younger, which
    errs on the safe side. A process with a terminal is left out: what is typed there may make it any other.
    """
    least = since_first_run * (1 + _DRIFT) + _ROUNDING_SECONDS
    return Counter(
        process.digest
        for process in processes
        if process.seconds is not None and process.seconds > least and not process.terminal
    )


def quiet(now: Counter[str], baseline: Counter[str]) -> bool:
    """Whether nothing runs beyond the baseline. A process that ended is no reason for doubt."""
    return not now - baseline
