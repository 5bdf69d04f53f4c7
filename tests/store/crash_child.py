"""Saves and marks twins for ever and says so line by line, until it is killed."""

import asyncio
import sys

from crossfade.stage import Origin
from crossfade.twin import TwinRow
from router.store.database import open_database
from router.store.twins import SqlTwins


async def main() -> None:
    twins = SqlTwins(open_database(sys.argv[1]))
    for number in range(1_000_000):
        row = TwinRow(id=f"sb-{number}", routing_key=f"key-{number}", seat=Origin.NEW, handles={"session:s": "new"})
        await twins.save(row)
        await twins.mark_dirty(row.id, True)
        print(row.id, flush=True)


asyncio.run(main())
