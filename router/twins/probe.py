"""The process probe: whether anything runs in a sandbox that was not there when it was born (twins.md §1, hot)."""

import hashlib
from collections import Counter

# Prints the command line of every process but the probe itself, its children and kernel threads.
COMMAND = r"""me=$$
for d in /proc/[0-9]*; do
  p=${d#/proc/}
  [ "$p" = "$me" ] && continue
  read -r s 2>/dev/null <"$d/stat" || continue
  set -- ${s##*) }
  [ "$2" = "$me" ] && continue
  c=$(tr '\0\n' '  ' 2>/dev/null <"$d/cmdline")
  [ -n "$c" ] && printf '%s\n' "$c"
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


def processes(output: bytes) -> Counter[str]:
    """Digests of command lines, counted: they are kept on disk, and a command line may hold a password."""
    return Counter(hashlib.sha256(line).hexdigest()[:16] for line in output.splitlines() if line.strip())


def quiet(now: Counter[str], baseline: Counter[str]) -> bool:
    """Whether nothing runs beyond the baseline. A process that ended is no reason for doubt."""
    return not now - baseline
