"""The generation marker: whether a seat came back from a pause as it was left (twins.md P14).

A paused sandbox is resumed from a snapshot, and a provider may have an older one. A small file beside the roots holds a
number that only rises; what was last written is durable here. A seat whose file is older lost what came after it.
"""

import logging
import time
from dataclasses import dataclass
from posixpath import join

from crossfade.operation import Operation
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router.twins.registry import Registry
from router.twins.sides import Sides
from router.twins.state import Twin

log = logging.getLogger("crossfade.marker")
_NAME = ".crossfade-generation"
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Marker:
    """Writes and reads it on seats on new. `directory`: on the roots' file system and outside of them."""

    registry: Registry
    sides: Sides
    directory: str

    async def write(self, twin: Twin) -> None:
        """Before a pause, and now and then while files are changed. Where it fails, the last one stands."""
        if twin.seat is not Origin.NEW:
            return
        number = max(int(time.time() * 1000), twin.row.marker + 1)
        upload = Operation(name="fs.upload", arguments={"path": self._path}, body=str(number).encode())
        outcome = await self.sides.perform(twin, Origin.NEW, upload, Purpose.KEEPER, seconds=_SECONDS)
        if outcome.ok:
            # Second: a crash in between leaves a file that is newer than what we expect, which is no loss.
            await self.registry.change(twin, marker=number)

    async def check(self, twin: Twin) -> bool:
        """After a resume, before anything else. False: it is older than it was left, and its follower quarantined."""
        if twin.seat is not Origin.NEW or not twin.row.marker:
            return True
        found = await self._read(twin)
        if found is None or found >= twin.row.marker:
            return True
        behind = (twin.row.marker - found) / 1000
        reason = f"new came back {behind:.0f} s older than it was left" if found else "new came back without its marker"
        log.error("seat came back older than it was left", extra={"sandbox": twin.id, "marker": found})
        joined = twin.row.follower is FollowerState.JOINED
        # Old may hold later files than the seat: nothing is copied over them until somebody has looked.
        state = FollowerState.QUARANTINED if joined else twin.row.follower
        await self.registry.change(twin, follower=state, dirty=True, held=reason)
        twin.active = False
        return False

    @property
    def _path(self) -> str:
        return join(self.directory, _NAME)

    async def _read(self, twin: Twin) -> int | None:
        """The number found; 0: there is none. None: it could not be learned, so nothing is concluded."""
        download = Operation(name="fs.download", arguments={"path": self._path})
        outcome = await self.sides.perform(twin, Origin.NEW, download, Purpose.KEEPER, seconds=_SECONDS)
        if outcome.status == 404 and "no such file" in outcome.message:
            return 0
        if not outcome.ok or not isinstance(outcome.value, Content):
            return None
        text = b"".join([chunk async for chunk in outcome.value.stream])
        return int(text) if text.isdigit() else 0
