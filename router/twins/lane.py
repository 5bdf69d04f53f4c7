"""One twin's evidence lane: what waits in it, and what its follower has seen."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from crossfade.operation import Operation
from router.twins.direct import Shadow
from router.twins.evidence import Evidence
from router.twins.handles import Handles, changed


@dataclass(slots=True, eq=False)
class Gap:
    """Calls that the follower is not sent, at their place in the lane: what waits before them is compared as before."""

    changes: bool = False  # files may have changed
    handles: set[str] = field(default_factory=set)  # are not alike any more
    processes: bool = False  # something was left running

    def widen(self, operations: Sequence[Operation], *, changes: bool) -> None:
        """These operations are not sent either."""
        self.changes = self.changes or changes
        self.handles |= changed(operations)
        self.processes = self.processes or any(operation.arguments.get("run_async") for operation in operations)


@dataclass(slots=True, eq=False)
class Lane:
    """One twin's lane. `synced`: the follower has seen every mutation before the lane's head."""

    waiting: deque[Evidence | Gap] = field(default_factory=deque)
    calls: int = 0  # evidence that waits
    synced: bool = False
    running: bool = False
    task: "asyncio.Task[None] | None" = None
    direct: tuple[Shadow, Evidence] | None = None  # asked by callbacks, under way
    sent: bool = False  # the other side was sent something of the call at the lane's head
    settling: bool = False
    unborn: bool = False  # the follower is being made
    handles: Handles = field(default_factory=Handles)
    tainted: bool = True  # processes and handles of ours may be on the follower: until it is known better
    ran: bool = True  # something may have been left running there since that was last ended
    processes_equal: bool = True  # everything that was left running on the seat was started on the follower too

    @property
    def held(self) -> bool:
        return self.settling or self.unborn

    def newborn(self) -> None:
        """Both sides are as they are born, and the other is being made."""
        self.synced = self.unborn = True
        self.tainted = self.ran = False

    def gap(self) -> Gap:
        """The gap at the lane's end; gaps beside each other are one, so that they are no more than evidence is."""
        if not self.waiting or not isinstance(self.waiting[-1], Gap):
            self.waiting.append(Gap())
        gap = self.waiting[-1]
        assert isinstance(gap, Gap)
        return gap

    def pass_over(self, gap: Gap) -> None:
        """The gap is at the lane's head."""
        self.synced = self.synced and not gap.changes
        self.processes_equal = self.processes_equal and not gap.processes
        for handle in gap.handles:
            self.handles.lose(handle)
