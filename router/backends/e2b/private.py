"""Private ports: E2B's edge lets in who shows the sandbox's traffic token, which only create and connect tell.

A sandbox is looked at through the router's own preview links, so its ports need not be open to everybody who knows an
address; the token stays here.
"""

import time
from dataclasses import dataclass, field

from crossfade.upstream import Purpose
from router.backends.e2b.control import Control
from router.backends.e2b.envd import Handle

_AGAIN_SECONDS = 10.0


@dataclass(slots=True)
class Private:
    """Knows the tokens of sandboxes whose ports are private. `on`: sandboxes are made so."""

    control: Control
    on: bool
    asked: dict[str, float] = field(default_factory=dict)  # sandbox -> monotonic: when its token was last asked for

    async def opened(self, handle: Handle, purpose: Purpose, *, anew: bool) -> Handle:
        """With the token that opens its ports, where it has one. Raises Failed.

        `anew`: the one that is known was refused. A sandbox that does not run is left alone: to connect would start it.
        """
        if not self.on or (handle.traffic_token and not anew):
            return handle
        now = time.monotonic()
        if now - self.asked.get(handle.id, -_AGAIN_SECONDS) < _AGAIN_SECONDS:
            return handle
        self.asked[handle.id] = now
        return await self.control.connected(handle.id, purpose)

    def forget(self, sandbox: str) -> None:
        """It is gone."""
        self.asked.pop(sandbox, None)
