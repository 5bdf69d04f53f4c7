"""What all scenarios share: the SDK of this environment, one client, one sandbox, and how results are told.

Runs inside an SDK's environment, not in the project's own.
"""

import asyncio
import contextlib
import json
import os
import warnings
from importlib import import_module

import noting
from blocking import Blocking

warnings.simplefilter("ignore")

try:
    import daytona_sdk as sdk
except ImportError:
    import daytona as sdk

URL = os.environ["DAYTONA_API_URL"]
KEY = os.environ["DAYTONA_API_KEY"]
BLOCKING = os.environ.get("SDK_KIND") == "blocking"
noting.note(noting.there(sdk, blocking=BLOCKING))
BIG = bytes(range(256)) * 12_288  # 3 MiB
WAIT = 30
SCENARIOS = []


class Absent(Exception):
    """A scenario that needs what this sandbox does not have."""


def version():
    from importlib.metadata import version as installed

    return tuple(int(part) for part in installed(sdk.__name__).split(".")[:2])


VERSION = version()
OLD = VERSION < (0, 100)


def scenario(function=None, *, since=(0, 0), before=(99, 0)):
    """Register it under its name; SDKs outside the range skip it."""

    def register(function):
        if since <= VERSION < before:
            SCENARIOS.append(function)
        return function

    return register(function) if function else register


def client(config):
    """A client of the kind that is looked at."""
    return Blocking(sdk.Daytona(config)) if BLOCKING else sdk.AsyncDaytona(config)


class World:
    """What scenarios share: one client, one sandbox."""

    def __init__(self):
        config = sdk.DaytonaConfig(api_key=KEY, api_url=URL, target="us")
        self.client = client(config)
        self.sandbox = None

    @property
    def fs(self):
        return self.sandbox.fs

    @property
    def git(self):
        return self.sandbox.git

    @property
    def process(self):
        return self.sandbox.process

    async def create(self, label="main"):
        parameters = sdk.CreateSandboxFromSnapshotParams(
            snapshot=os.environ.get("SCENARIO_SNAPSHOT") or "kortix/suna:0.1.3.25",
            public=True,
            labels={"suite": label},
            env_vars={"RESOLUTION": "1048x768x24", "QUOTED": 'it\'s "$HOME"'},
            auto_stop_interval=15,
            auto_archive_interval=30,
        )
        return await self.client.create(parameters)

    async def start(self):
        self.sandbox = await self.create()
        await self.fs.create_folder("/workspace/files", "755")

    async def close(self):
        with contextlib.suppress(Exception):
            await self.client.delete(self.sandbox)
        await closed(self.client)


async def closed(each):
    """Let a client go, where its SDK has a way to."""
    if not BLOCKING and hasattr(each, "close"):
        await each.close()


def said(error):
    """An error as what a caller can see of it."""
    seen = {"error": type(error).__name__, "message": str(error)}
    for name in ("status_code", "status"):
        if isinstance(getattr(error, name, None), int):
            seen["status"] = getattr(error, name)
    body = getattr(error, "body", None)
    if body:  # raw client errors of SDK 0.21 print their headers too
        with contextlib.suppress(ValueError):
            seen["message"] = json.loads(body).get("message")
    return seen


async def failure(work):
    """The error of a call that has to fail."""
    try:
        return {"unexpected": repr(await work)[:200]}
    except Exception as error:
        return said(error)


def state(sandbox):
    return str(getattr(sandbox.state, "value", sandbox.state))


def info(entry):
    # Directories have sizes of their file system's own; times differ by nature.
    return {
        "name": entry.name,
        "dir": entry.is_dir,
        "size": None if entry.is_dir else entry.size,
        "mode": entry.mode,
        "permissions": entry.permissions,
    }


async def until(predicate, *, seconds=WAIT):
    """Wait for a condition that an on_data callback or a server brings about."""
    async with asyncio.timeout(seconds):
        while True:
            value = predicate()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)


def executed(response):
    return {"exit": response.exit_code, "output": response.result}


def part(module, name):
    """Something the SDK keeps in a module of its own."""
    return getattr(import_module(f"{sdk.__name__}.{module}"), name)
