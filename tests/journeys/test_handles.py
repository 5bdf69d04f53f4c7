"""Sessions, terminals and interpreter contexts outlive the router: they live in the sandbox, and are found there.

Clause C6 of docs/consistency.md.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.journeys.probes import SDK_HEADERS, Probe, create, use_flags
from tests.journeys.stack import ALL_TOOLS, KEY, Stack, stack

PATIENCE = 30.0
SESSION, COMMAND = "/process/session/kept", "/process/session/kept/command"


async def test_a_killed_router_loses_no_session_terminal_or_context_of_e2b(tmp_path: Path) -> None:
    async with stack(tmp_path) as system:
        await use_flags(system, dict.fromkeys((*ALL_TOOLS, "lifecycle"), "complete"))
        async with await system.client() as client:
            probe = await create(client)
            command = await _begin(system, probe)
            waiting = asyncio.create_task(probe.exec("echo $$ > /workspace/group; sleep 616161 & wait", timeout=2))
            await _until(probe, "test -s /workspace/group")
            await system.router.kill()
            await asyncio.wait([waiting])
        assert waiting.exception() is not None or waiting.result().status_code >= 500, "never told as a success"
        await system.router.start()
        async with await system.client() as client:
            found = await _found(system, Probe(client, probe.id), command)

    assert found == {
        "sessions": ["kept"],
        "running": None,
        "state": "\1\1\1/tmp b c\n",
        "log": "\1\1\1before\n\1\1\1go\n\1\1\1got go\n",
        "code": 7,
        "terminals": ["kept"],
        "terminal": True,
        "context": "41\n",
    }


async def _begin(system: Stack, probe: Probe) -> str:
    assert (await probe.session("kept")).status_code == 201
    assert (await probe.session_exec("kept", "cd /tmp; A='b c'")).json()["exitCode"] == 0
    body = {"command": "echo before; read x; echo got $x; (exit 7)", "runAsync": True}
    started = await probe.call("session.exec", "POST", f"{SESSION}/exec", tool="shell", json=body)
    assert started.status_code == 202
    made = await probe.call("pty.create", "POST", "/process/pty", tool="shell", json={"id": "kept"})
    assert made.status_code == 201
    async with _dial(system, probe, "/process/pty/kept/connect") as terminal:
        await terminal.send(b"KEPT=yes; echo he''re\n")
        await _said(terminal, b"here")
    await _executed(system, probe, "x = 41")
    return str(started.json()["cmdId"])


async def _found(system: Stack, probe: Probe, command: str) -> dict[str, Any]:
    async def get(path: str) -> Any:
        answer = await probe.call("", "GET", path, tool="shell")
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    seen: dict[str, Any] = {"sessions": [each["sessionId"] for each in await get("/process/session")]}
    seen["running"] = (await get(f"{COMMAND}/{command}")).get("exitCode")
    sent = await probe.call("", "POST", f"{COMMAND}/{command}/input", tool="shell", json={"data": "go"})
    assert sent.status_code == 204
    seen["state"] = (await probe.session_exec("kept", "echo $PWD $A")).json()["output"]
    seen["log"], seen["code"] = await get(f"{COMMAND}/{command}/logs"), (await get(f"{COMMAND}/{command}"))["exitCode"]
    seen["terminals"] = [each["id"] for each in (await get("/process/pty"))["sessions"]]
    async with _dial(system, probe, "/process/pty/kept/connect") as terminal:
        await terminal.send(b"echo it is $KEPT\n")
        seen["terminal"] = b"it is yes" in await _said(terminal, b"it is yes")
    seen["context"] = await _executed(system, probe, "print(x)")
    return seen


def _dial(system: Stack, probe: Probe, path: str) -> connect:
    headers = {**SDK_HEADERS, "Authorization": f"Bearer {KEY}"}
    url = system.router.url.replace("http", "ws", 1)
    return connect(f"{url}/toolbox/{probe.id}{path}", additional_headers=headers, proxy=None)


async def _said(terminal: ClientConnection, wanted: bytes) -> bytes:
    seen = b""
    async with asyncio.timeout(PATIENCE):
        while wanted not in seen:
            data = await terminal.recv()
            seen += data if isinstance(data, bytes) else b""
    return seen


async def _executed(system: Stack, probe: Probe, code: str) -> str:
    async with asyncio.timeout(PATIENCE), _dial(system, probe, "/process/interpreter/execute") as socket:
        await socket.send(json.dumps({"code": code}))
        messages = [json.loads(each) async for each in socket]
    assert messages[-1] == {"type": "control", "text": "completed"}
    return "".join(each["text"] for each in messages if each["type"] == "stdout")


async def _until(probe: Probe, condition: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await probe.exec(condition)).json()["exitCode"]:
            await asyncio.sleep(0.05)
