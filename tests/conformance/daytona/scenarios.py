"""Every operation a SUNA-like client uses, errors included, driven through one genuine Daytona SDK.

Runs inside an environment that holds that SDK (scripts/sdk_env.sh), against DAYTONA_API_URL with DAYTONA_API_KEY.
Prints one JSON line per scenario: {"name": ..., "result": ...}, ids, addresses and times replaced, so that the runs of
one SDK against two servers can be held together. Arguments are names of scenarios; none: all that this SDK can do.
"""

import asyncio
import contextlib
import importlib
import io
import json
import os
import re
import sys

import noting
from world import BLOCKING, SCENARIOS, Absent, World, said, sdk

AREAS = (
    *("sandboxes", "commands", "sessions", "terminals", "processes", "interpreter"),
    *("files", "transfers", "git", "exact", "hard", "code", "lifecycle", "gone", "alone", "desktop", "strangers"),
)
for area in AREAS:
    importlib.import_module(f"scenarios_{area}")

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{16,40}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:?\d\d)?")
_ADDRESS = re.compile(r"(?:https?|wss?)://[^\s'\"/]+")


def placed(value, ids):
    """With everything that differs from run to run replaced."""
    if isinstance(value, str):
        for each in ids:
            value = value.replace(each, "<sandbox>")
        return _ADDRESS.sub("<url>", _TIME.sub("<time>", _UUID.sub("<id>", value)))
    if isinstance(value, dict):
        return {name: placed(each, ids) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [placed(each, ids) for each in value]
    return value


def offered():
    """Every public method of this SDK's classes."""
    classes = noting.there(sdk, blocking=BLOCKING)
    return sorted(f"{short}.{name}" for short, cls in classes.items() for name in noting.public(cls))


async def main(names):
    world = World()
    out = sys.stdout
    chosen = [each for each in SCENARIOS if not names or each.__name__ in names]
    try:
        await world.start()
        for each in chosen:
            # SDK 0.115 prints to stdout of its own accord.
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    async with asyncio.timeout(
                        150
                    ):  # a watchdog: on a busy machine a sandbox alone takes half a minute
                        result = await each(world)
                except Absent:
                    continue
                except Exception as error:
                    result = {"broken": said(error)}
            line = {"name": each.__name__, "result": placed(result, [world.sandbox.id])}
            print(json.dumps(line), file=out, flush=True)
        print(
            json.dumps({"called": {name: sorted(how) for name, how in noting.CALLED.items()}, "there": offered()}),
            file=out,
            flush=True,
        )
    finally:
        if world.sandbox is not None:
            await world.close()


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main(sys.argv[1:]))
    sys.stdout.flush()
    # Threads that read terminals of the blocking classes may wait for ever; everything is said.
    os._exit(0)
