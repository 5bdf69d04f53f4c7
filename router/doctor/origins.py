"""Both origins, tried on the user's own account."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from crossfade.ports import Backend
from crossfade.stage import Origin
from router.doctor import conformance, connection, parity
from router.doctor.connection import Unreached
from router.doctor.finding import Finding, problem
from router.doctor.scratch import NotMade, scratch
from router.settings import Settings


async def examine(
    settings: Settings, backends: Mapping[Origin, Backend], sides: Sequence[Origin], snapshot: str
) -> AsyncIterator[Finding]:
    """Everything that is found. A scratch sandbox is made on each side and removed. Raises Unreached at the end."""
    urls = {Origin.OLD: settings.old.url, Origin.NEW: settings.new.url or f"https://api.{settings.new.domain}"}
    ca_files = {Origin.OLD: settings.old.ca_file, Origin.NEW: settings.new.ca_file}
    facts: dict[Origin, parity.Facts] = {}
    unreached: Unreached | None = None
    for origin in sides:
        side = str(origin)
        try:
            async for found in connection.examine(side, urls[origin], ca_files[origin], backends[origin]):
                yield found
        except Unreached as error:
            yield error.finding
            unreached = error
            continue
        try:
            async with contextlib.AsyncExitStack() as stack:
                box = await stack.enter_async_context(scratch(backends[origin], snapshot))
                facts[origin] = await parity.facts(box)
                for found in parity.alone(side, facts[origin]):
                    yield found
                async for found in conformance.examine(side, box, settings.mirror.roots[0]):
                    yield found
        except NotMade as error:
            yield problem(side, f"no sandbox could be tried: {error}", "check the account's quota and templates")
    if len(facts) == len(Origin):
        for found in parity.compared(facts[Origin.OLD], facts[Origin.NEW]):
            yield found
    if unreached is not None:
        raise unreached
