"""The commit point of a seat move: fence, equal trees, one durable row, release (twins.md §1, "Seat move")."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping

from crossfade.errors import Unreachable
from router.twins.registry import Registry
from router.twins.settle import SettleFailed, Settler
from router.twins.state import Twin

log = logging.getLogger("crossfade.moves")
_AGAIN_SECONDS = 0.02


class NotMoved(Exception):
    """The seat stays where it is; the text says why."""


async def move(
    registry: Registry,
    settler: Settler,
    twin: Twin,
    *,
    seconds: float,
    disturbed: Callable[[], str],
    baseline: Mapping[str, int] | None = None,
) -> None:
    """Give the seat to the follower. New calls wait at the fence meanwhile, `seconds` at most.

    `disturbed` says why the move is off, empty where nothing is: it is asked when the trees are equal, and the seat is
    given in the same step. `baseline`: the processes of the side that gets it. Raises NotMoved.
    """
    if twin.fence is not None:
        raise NotMoved("its calls are held already: the sandbox is being paused and resumed")
    twin.fence = asyncio.Event()
    try:
        async with asyncio.timeout(seconds):
            # Calls in flight end by themselves; the fence keeps new ones out, so this is a short wait.
            while any(call.mutates for call in twin.open.values()):  # noqa: ASYNC110 - no event without hot-path cost
                await asyncio.sleep(0.005)
            while not (await settler.everything(twin)).clean:
                if why := disturbed():
                    raise NotMoved(why)
                await asyncio.sleep(_AGAIN_SECONDS)  # another settle of it was under way
            # Clean on disk first: then a call that no fence held any more waits for a mark of its own, which the store
            # writes after the row of the move. So nothing is changed on the new seat before the move is durable.
            await registry.mark_clean(twin)
        if why := disturbed():
            raise NotMoved(why)
        await _give(registry, twin, baseline)
    except (TimeoutError, SettleFailed) as error:
        raise NotMoved(str(error) or f"the trees were not equal within {seconds:g} s") from None
    except Unreachable as error:
        raise NotMoved(f"the move could not be written: {error}") from None
    finally:
        twin.fence.set()
        twin.fence = None


async def _give(registry: Registry, twin: Twin, baseline: Mapping[str, int] | None) -> None:
    """The commit point: one row. Raises Unreachable, with the seat where it was, while nobody has used the new one."""
    row, mutations = twin.row, twin.mutations
    given = {"seat": row.seat.other, "epoch": row.epoch + 1, "seat_since": registry.clock.now()}
    try:
        await registry.change(twin, **given, held="", baseline=baseline)
    except Unreachable:
        if twin.mutations == mutations:
            twin.row = row
            raise
        # It has the call's changes now: there it stays, and the row is written when the store allows.
        log.exception("seat moved, and its row is not written", extra={"sandbox": twin.id})
    twin.tokens.clear()
    twin.baseline = None if baseline is None else Counter(baseline)
    if twin.mutations == mutations:
        twin.ran_at = math.inf  # else a call that no fence held any more runs something there already
    log.info("seat moved", extra={"sandbox": twin.id, "seat": str(twin.seat), "epoch": twin.row.epoch})
