"""Saves and marks twins, or writes records, for ever and says so line by line, until it is killed."""

import asyncio
import sys

from crossfade.stage import Origin
from crossfade.twin import TwinRow
from router.store.database import open_database
from router.store.records import SqlRecords
from router.store.twins import SqlTwins
from tests.store.store_examples import record


async def save() -> None:
    twins = SqlTwins(open_database(sys.argv[1]))
    for number in range(1_000_000):
        row = TwinRow(id=f"sb-{number}", routing_key=f"key-{number}", seat=Origin.NEW, handles={"session:s": "new"})
        await twins.save(row)
        await twins.mark_dirty(row.id, True)
        print(row.id, flush=True)


def write() -> None:
    records = SqlRecords(open_database(sys.argv[1]), commit_seconds=0.01)
    for number in range(1_000_000):
        for _ in range(10):
            records.add(record(sandbox=f"sb-{number}"))
        if records.flush():
            print(f"sb-{number}", flush=True)


if sys.argv[2] == "twins":
    asyncio.run(save())
else:
    write()
