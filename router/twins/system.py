"""What was changed outside the roots since a side got the seat: it is not copied, so it holds the seat (P19)."""

import base64
import binascii
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from crossfade.results import ExecResult
from crossfade.upstream import Purpose
from router.twins.settle import shell
from router.twins.sides import Sides
from router.twins.state import Twin

# What every boot, login or interpreter writes, and no command depends on.
ORDINARY = (
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/var/run", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt/lists"),
    *("/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/mtab", "/etc/machine-id", "/etc/ld.so.cache"),
    *("*/.cache", "*/__pycache__", "*/.bash_history", "*/.python_history", "*/.viminfo", "*/.lesshst", "*/.wget-hsts"),
)
_SECONDS = 20.0
_MOST_BYTES = 16_384  # of names: a few say enough


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemChanges:
    """Looks for them below `where` (nowhere if empty), what matches a pattern of `ordinary` left out."""

    sides: Sides
    roots: tuple[str, ...]
    where: tuple[str, ...] = ("/",)
    ordinary: tuple[str, ...] = field(default=ORDINARY)

    async def why_not(self, twin: Twin) -> str:
        """Why the seat may not leave its side; empty when nothing was changed there."""
        if not self.where:
            return ""
        since = twin.row.seat_since or twin.row.created_at
        text = command(self.sides.clock.now() - since, self.where, (*self.roots, *self.ordinary))
        outcome = await self.sides.perform(twin, twin.seat, shell(text), Purpose.KEEPER, seconds=_SECONDS)
        if not outcome.ok or not isinstance(outcome.value, ExecResult):
            return f"{twin.seat} could not be searched for system changes: {outcome.status} {outcome.message}"[:200]
        try:
            found = read(outcome.value.output)
        except ValueError as error:
            return f"{twin.seat} could not be searched for system changes: {error}"
        if not found:
            return ""
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return f"system changes outside the roots: {', '.join(found[:3])}{more}"


def command(age: float, where: Sequence[str], ordinary: Sequence[str]) -> str:
    """A shell command that prints what was changed in the last `age` seconds of the sandbox's own clock.

    Two clocks are compared by durations only. By ctime: installers and archives keep times of their own choice, and
    only the change time cannot be set back (twins.md P21). Needs GNU find.
    """
    pruned = " -o ".join(f"-path {shlex.quote(each)}" for each in ordinary)
    places = " ".join(map(shlex.quote, where))
    return (
        # Another find than GNU's says so by failing here, instead of finding nothing below.
        "find / -maxdepth 0 -newerct @0 >/dev/null 2>&1 || exit 1; "
        f"since=$(( $(date +%s) - {max(0, int(age)) + 1} )); "
        f'{{ find {places} -xdev \\( {pruned} \\) -prune -o \\( -type f -o -type l \\) -newerct "@$since" -print0; '
        f'echo "end $?"; }} 2>/dev/null | tail -c {_MOST_BYTES} | base64 -w0'
    )


def read(output: bytes) -> list[str]:
    """The paths, sorted. Raises ValueError where the output is not a whole search's."""
    try:
        raw = base64.b64decode(output.strip(), validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
    names, found, _ = raw.rpartition(b"end ")
    if not found:
        raise ValueError("find said nothing")
    return sorted(name.decode("utf-8", "surrogateescape") for name in names.split(b"\0") if name)
