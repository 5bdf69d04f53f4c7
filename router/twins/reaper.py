"""Creates that were lost: what they made after all is found by its nonce and removed (twins.md P16, P17)."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.operation import Operation
from crossfade.ports import Backend
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.wire.headers import call_id

log = logging.getLogger("crossfade.birth")
NONCE = "crossfade_nonce"
# A create that nobody waits for any more may be carried out late: it is looked for more than once.
LOOKS_SECONDS = (1.0, 10.0, 60.0, 300.0, 900.0)
_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Reaper:
    """Removes sandboxes that a create of ours made and nobody owns."""

    backends: Mapping[Origin, Backend]
    looks_seconds: Sequence[float] = LOOKS_SECONDS

    def watch(self, origin: Origin, nonce: str) -> None:
        """A create with this nonce was not answered: remove what it makes."""
        if nonce:
            tasks.spawn(self._watch(origin, nonce), name=f"reap {nonce}")

    async def _watch(self, origin: Origin, nonce: str) -> None:
        call_id.set("")
        for seconds in self.looks_seconds:
            await asyncio.sleep(seconds)
            await self._look(origin, nonce)

    async def _look(self, origin: Origin, nonce: str) -> None:
        backend = self.backends[origin]
        wanted = Operation(name="sandbox.list", arguments={"labels": {NONCE: nonce}})
        try:
            async with asyncio.timeout(_SECONDS):
                listed = await backend.perform(wanted, Purpose.KEEPER)
                for info in listed.value if listed.ok else ():
                    # Looked at again here: a provider that knows no such filter lists everybody's.
                    if isinstance(info, SandboxInfo) and info.labels.get(NONCE) == nonce:
                        gone = await backend.perform(Operation(name="sandbox.delete", sandbox=info.id), Purpose.KEEPER)
                        log.warning(
                            "what a lost create made is removed",
                            extra={"origin": str(origin), "sandbox": info.id, "status": gone.status},
                        )
        except TimeoutError:
            log.warning("a lost create cannot be looked for yet", extra={"origin": str(origin)})
