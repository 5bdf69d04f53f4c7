"""Sandboxes driven over plain HTTP, in the words of SDK 0.115: a call each, with the id the router gave it."""

import asyncio
import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from router.flags import schema
from router.settings import load
from router.store.calls import tail
from router.store.database import open_database
from router.store.flags import open_flag_rows
from tests.journeys.stack import ADMIN_TOKEN, Stack

SDK_HEADERS = {"X-Daytona-SDK-Version": "0.115.0", "X-Daytona-Source": "python-sdk"}


@dataclass(eq=False)
class Probe:
    """One sandbox, and the calls made on it."""

    client: httpx2.AsyncClient
    id: str
    calls: list[tuple[str, str]] = field(default_factory=list)  # (operation, call id)

    async def call(
        self, operation: str, method: str, path: str, *, tool: str = "files", **rest: Any
    ) -> httpx2.Response:
        """Any call below the sandbox's toolbox, noted under this operation."""
        headers = {**SDK_HEADERS, "X-Crossfade-Tool": tool, **rest.pop("headers", {})}
        answer = await self.client.request(method, f"/toolbox/{self.id}{path}", headers=headers, **rest)
        self.calls.append((operation, answer.headers.get("x-crossfade-call", "")))
        return answer

    async def upload(self, path: str, data: bytes, *, tool: str = "files") -> httpx2.Response:
        files = {"files[0].file": ("x", data, "application/octet-stream")}
        form = {"files[0].path": path}
        return await self.call("fs.upload", "POST", "/files/bulk-upload", tool=tool, data=form, files=files)

    async def download(self, path: str, *, tool: str = "files") -> httpx2.Response:
        return await self.call("fs.download", "GET", "/files/download", tool=tool, params={"path": path})

    async def info(self, path: str, *, tool: str = "files") -> httpx2.Response:
        return await self.call("fs.info", "GET", "/files/info", tool=tool, params={"path": path})

    async def list(self, path: str, *, tool: str = "files") -> httpx2.Response:
        return await self.call("fs.list", "GET", "/files", tool=tool, params={"path": path})

    async def mkdir(self, path: str, *, tool: str = "files") -> httpx2.Response:
        return await self.call("fs.mkdir", "POST", "/files/folder", tool=tool, params={"path": path, "mode": "755"})

    async def delete(self, path: str, *, tool: str = "files") -> httpx2.Response:
        params = {"path": path, "recursive": "true"}
        return await self.call("fs.delete", "DELETE", "/files", tool=tool, params=params)

    async def exec(self, command: str, *, tool: str = "shell", **fields: Any) -> httpx2.Response:
        body = {"command": command, **fields}
        return await self.call("process.exec", "POST", "/process/execute", tool=tool, json=body)

    async def session(self, name: str) -> httpx2.Response:
        return await self.call("session.create", "POST", "/process/session", tool="shell", json={"sessionId": name})

    async def session_exec(self, name: str, command: str) -> httpx2.Response:
        body = {"command": command, "runAsync": False}
        return await self.call("session.exec", "POST", f"/process/session/{name}/exec", tool="shell", json=body)


async def create(client: httpx2.AsyncClient, env: Mapping[str, str] | None = None) -> Probe:
    """A new sandbox."""
    body = {"snapshot": "s", "env": dict(env or {}), "labels": {}}
    answer = await client.post("/api/sandbox", json=body, headers=SDK_HEADERS)
    assert answer.status_code == 200, answer.text
    return Probe(client, str(answer.json()["id"]))


def set_flags(system: Stack, values: Mapping[str, str]) -> dict[str, int]:
    """Set flags as the command does, in one go: a process for each tool is too slow where many are set often.

    Gives the version that each has then, by key.
    """
    rows, seed = open_flag_rows(system.store), load(str(system.config)).flags.seed
    made: dict[str, int] = {}
    try:
        for tool, value in values.items():
            before = rows.read()[1].get(schema.key_of(tool))
            version = int(str(before["version"])) if before else 0
            flag = schema.build(tool, schema.shares(value), version=version + 1, seed=seed, targets={})
            rows.write(flag, author="test", reason=f"{tool} to {value}", expected_version=version or None)
            made[schema.key_of(tool)] = version + 1
        return made
    finally:
        rows.close()


async def use_flags(system: Stack, values: Mapping[str, str]) -> None:
    """Set flags, and wait until the router decides by them."""
    made = await asyncio.to_thread(set_flags, system, values)
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as client, asyncio.timeout(20):
        while made.items() - (await client.get(f"{system.admin}/v1/status")).json()["flags"].items():
            await asyncio.sleep(0.02)


def records(system: Stack, calls: Collection[str] | None = None) -> dict[str, dict[str, Any]]:
    """The router's records by call id."""
    database = open_database(system.store, create=False)
    try:
        found = [numbered.record for numbered in tail(database, limit=1_000_000)]
    finally:
        database.close()
    return {record.id: record.plain() for record in found if calls is None or record.id in calls}


async def recorded(system: Stack, calls: Collection[str], *, seconds: float = 20.0) -> dict[str, dict[str, Any]]:
    """The records of these calls, once all of them are final."""
    wanted = set(calls)
    async with asyncio.timeout(seconds):
        while wanted - (found := records(system, wanted)).keys():
            await asyncio.sleep(0.1)
    return found


async def twins(system: Stack, sandboxes: Collection[str], *, clean: bool = False, seconds: float = 30.0) -> None:
    """Wait until the store holds each of these twins as joined, or as clean."""
    wanted = set(sandboxes)
    async with asyncio.timeout(seconds):
        while True:
            with sqlite3.connect(system.directory / "crossfade.db") as connection:
                rows = connection.execute("select id, dirty, body from twins").fetchall()
            joined = {
                twin
                for twin, dirty, body in rows
                if json.loads(body).get("follower") == "joined" and not (clean and dirty)
            }
            if wanted <= joined:
                return
            await asyncio.sleep(0.1)
