"""Egress: a follower on which commands are repeated reaches no other machine; a seat does."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from crossfade.operation import Effect
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from router.twins.evidence import Evidence
from router.twins.state import Twin

log = logging.getLogger("crossfade.egress")
_MOST_KNOWN = 10_000  # sandboxes


class Network(Protocol):
    """What a provider offers about a sandbox's way out. Never raises; what takes long ends by itself."""

    async def reaches_out(self, sandbox: str) -> bool | None:
        """Whether it reaches other machines. None: it could not be learned."""

    async def let_out(self, sandbox: str, on: bool) -> Outcome:
        """Let it reach other machines from now on, or no longer."""


@dataclass(slots=True, eq=False)
class Egress:
    """By `mirror.shadow_egress`: where it is blocked, nothing is run on a follower that is not known to be shut in."""

    blocked: bool
    networks: Mapping[Origin, Network] = field(default_factory=dict)
    _shut_in: set[str] = field(default_factory=set)  # sandboxes that are, as their provider said

    def born_shut_in(self, origin: Origin) -> bool:
        """Whether a follower made there is to be made so."""
        return self.blocked and origin in self.networks

    async def why_not(self, twin: Twin, evidence: Evidence) -> str:
        """Why the evidence's commands are not repeated; empty when they may be, or it has none."""
        if not self.blocked or evidence.operations[0].kind.effect is not Effect.EXECUTE:
            return ""
        origin = evidence.answered_by.other
        there = twin.row.ids.get(origin)
        if there in self._shut_in:
            return ""
        network = self.networks.get(origin)
        # Asked and not assumed: a follower may have been made before this was so, or by other hands.
        if network is None or there is None or await network.reaches_out(there) is not False:
            return "execute not repeated (shadow_egress = blocked): the follower may reach other machines"
        if len(self._shut_in) >= _MOST_KNOWN:
            self._shut_in.clear()
        self._shut_in.add(there)
        return ""

    async def open(self, twin: Twin, origin: Origin) -> str:
        """Let the side out, since it is to hold the seat. Why that failed; empty when it is."""
        network, there = self.networks.get(origin), twin.row.ids.get(origin)
        if not self.blocked or network is None or there is None:
            return ""
        self._shut_in.discard(there)
        outcome = await network.let_out(there, True)
        return "" if outcome.ok else f"{origin}'s network could not be opened: {outcome.status} {outcome.message}"

    async def shut(self, twin: Twin, origin: Origin) -> None:
        """The side does not get the seat after all."""
        network, there = self.networks.get(origin), twin.row.ids.get(origin)
        if not self.blocked or network is None or there is None:
            return
        outcome = await network.let_out(there, False)
        if not outcome.ok:
            # Nothing is run on it then: it is asked before it is used.
            log.warning("follower's network not shut", extra={"sandbox": twin.id, "reason": outcome.message})
