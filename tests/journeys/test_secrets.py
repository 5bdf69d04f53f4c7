"""Planted secrets: driven through every stage, equal and differing answers; then looked for in everything we keep."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from tests.journeys.leaks import holds
from tests.journeys.probes import SDK_HEADERS, Probe, create, recorded, twins, use_flags
from tests.journeys.stack import ALL_TOOLS, KEY, Stack, stack

# Values of shapes that nobody can tell from words, and of shapes that keys have.
CREATE_ENV = {"VNC_PASSWORD": "plain-vnc-word", "CUSTOM_THING": "unremarkable-env-value"}
EXEC_ENV = {"GEMINI_API_KEY": "AIzaPlantedKeyOfExecBodies0123456789", "REGION_NOTE": "another-plain-env-value"}
COMMAND_KEY = "sk-planted-in-a-command-1234567890"
FILE_TOKEN = "planted9token8in7a6file5"
SESSION_WORD = "hunter2-in-a-session"
PRINTED = "AKIAPLANTEDPRINTEDKY"
SECRETS = [KEY, *CREATE_ENV.values(), *EXEC_ENV.values(), COMMAND_KEY, FILE_TOKEN, SESSION_WORD, PRINTED]
EXECUTES = ("shell", "lifecycle")


async def test_planted_secrets_are_found_nowhere(tmp_path: Path) -> None:
    async with collector() as (endpoint, spans):
        extra = f'[telemetry]\notlp_endpoint = "{endpoint}"\n'
        async with stack(tmp_path, extra=extra, settle=1.0) as system, await system.client() as client:
            await use_flags(system, dict.fromkeys(ALL_TOOLS, "shadow"))
            probe = await create(client, CREATE_ENV)
            await twins(system, [probe.id], clean=True)
            await _speak(probe)
            await recorded(system, [call for _, call in probe.calls])
            await _speak_badly(probe)
            every_kind = ["file-byte", "exec-stdout", "session-output", "list-extra-entry", "error-status"]
            await system.inject(kinds=[{"kind": kind} for kind in every_kind])
            differing: set[str] = set()
            for _ in range(5):  # a call that overlapped a settle is not compared
                await twins(system, [probe.id], clean=True)
                await _speak(probe)
                found = await recorded(system, [call for _, call in probe.calls])
                differing = {each["operation"] for each in found.values() if each["matched"] is False}
                if {"fs.download", "process.exec", "session.exec"} <= differing:
                    break

            await system.inject(kinds=[{"kind": kind} for kind in every_kind if kind != "error-status"])
            await use_flags(system, dict.fromkeys(ALL_TOOLS, "live"))
            await _speak(probe)  # the seat stays on old, files are split
            moved = await create(client, CREATE_ENV)  # the seat moves to new at birth
            await twins(system, [moved.id])
            await _speak(moved)
            found |= await recorded(system, [call for _, call in moved.calls])
            preview = await client.get(f"/api/sandbox/{moved.id}/ports/8080/preview-url", headers=SDK_HEADERS)
            await system.inject(kinds=[], fail=500)
            await _speak(moved, sick=True)
            await system.inject(fail=0)
            await recorded(system, [call for _, call in moved.calls])
            await _speak_badly(moved)
            metrics = await _metrics(system)
            await system.router.stop()
            shown = await system.command("calls", "tail", "--json")
            await system.report()

    assert {"fs.download", "process.exec", "session.exec"} <= differing
    assert any(each["answering"] == "new" for each in found.values())
    planted = [*SECRETS, *_token(preview)]
    kept = {"metrics": metrics, "calls tail": shown.encode(), "telemetry": b"".join(spans)}
    kept |= {path.name: path.read_bytes() for path in _files(tmp_path)}
    assert {"router.log", "crossfade.db", "old.log", "new.log", "telemetry"} <= kept.keys()
    assert kept["telemetry"]
    leaks = {(name, secret) for name, data in kept.items() for secret in planted if holds(data, secret)}
    assert leaks == set()


async def test_a_wrong_key_gets_olds_own_401_before_new_is_asked_anything(tmp_path: Path) -> None:
    async with stack(tmp_path) as system, await system.client() as client:
        await use_flags(system, dict.fromkeys(ALL_TOOLS, "live"))
        probe = await create(client)
        await twins(system, [probe.id], clean=True)
        await probe.upload("/workspace/note", b"note")
        answered = (await recorded(system, [probe.calls[-1][1]]))[probe.calls[-1][1]]
        assert answered["answering"] == "new"
        before = system.new_tap.counts()["answer"]
        wrong = {"Authorization": "Bearer wrong-key"}

        refused = [
            await probe.call(
                "fs.download", "GET", "/files/download", params={"path": "/workspace/note"}, headers=wrong
            ),
            await probe.call("fs.list", "GET", "/files", params={"path": "/workspace"}, headers=wrong),
            await probe.call("fs.info", "GET", "/files/info", params={"path": "/workspace/note"}, headers=wrong),
            await probe.call("fs.mkdir", "POST", "/files/folder", params={"path": "/workspace/no"}, headers=wrong),
            await probe.call("process.exec", "POST", "/process/execute", json={"command": "id"}, headers=wrong),
            await probe.call("session.create", "POST", "/process/session", json={"sessionId": "s"}, headers=wrong),
            await client.delete(f"/api/sandbox/{probe.id}", headers=wrong),
            await client.get(f"/api/sandbox/{probe.id}/ports/8080/preview-url", headers=wrong),
        ]
        async with httpx2.AsyncClient(trust_env=False) as direct:
            own = await direct.get(f"{system.old.url}/api/sandbox/{probe.id}", headers=wrong)

        assert [answer.status_code for answer in refused] == [401] * len(refused)
        assert {answer.json()["message"] for answer in refused} == {own.json()["message"]}
        assert system.new_tap.counts()["answer"] == before
        assert system.new_tap.counts()["write_through"] == 0
        assert (await probe.download("/workspace/note")).content == b"note"


async def _speak(probe: Probe, *, sick: bool = False) -> None:
    """Calls with secrets wherever a secret can be. `sick`: new is failing, so that nothing is promised."""
    answers = [
        await probe.upload("/workspace/.env", f"API_TOKEN={FILE_TOKEN}\n".encode()),
        await probe.download("/workspace/.env"),
        await probe.list("/workspace"),
        await probe.exec("echo $GEMINI_API_KEY $VNC_PASSWORD; echo $CUSTOM_THING; echo $REGION_NOTE", envs=EXEC_ENV),
        await probe.exec(
            f"export OPENAI_KEY={COMMAND_KEY}; echo {PRINTED} $OPENAI_KEY; "
            f"curl -sH 'Authorization: Bearer {KEY}' http://127.0.0.1:9; true"
        ),
        await probe.exec("env; cat /workspace/.env >&2; exit 7", envs=EXEC_ENV),
        await probe.exec(f"cat /nowhere/{COMMAND_KEY}"),
    ]
    name = f"session-{len(probe.calls)}"
    answers.append(await probe.session(name))
    answers.append(await probe.session_exec(name, f"export DB_PASSWORD={SESSION_WORD}; env; echo $DB_PASSWORD"))
    answers.append(await probe.session_exec(name, "echo later: $DB_PASSWORD"))
    await probe.call("session.get", "GET", f"/process/session/{name}", tool="shell")
    await probe.call("session.delete", "DELETE", f"/process/session/{name}", tool="shell")
    answers.append(await probe.mkdir(f"/workspace/made-{len(probe.calls)}"))
    await probe.info(f"/workspace/{FILE_TOKEN}")
    if not sick:
        assert all(answer.status_code < 300 for answer in answers), [answer.text for answer in answers]


async def _speak_badly(probe: Probe) -> None:
    """Calls that cannot be understood, each with a secret in it."""
    await probe.call("fs.nothing", "GET", f"/unknown/route?token={FILE_TOKEN}")
    await probe.call("fs.bad", "POST", "/process/execute", content=f'{{"command": "{COMMAND_KEY}", '.encode())


async def _metrics(system: Stack) -> bytes:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{system.admin}/metrics")).content


def _token(preview: httpx2.Response) -> list[str]:
    assert preview.status_code == 200, preview.text
    token = preview.json().get("token")
    return [token] if token else []


def _files(directory: Path) -> list[Path]:
    """Everything written outside the sandboxes themselves; the settings file holds keys because somebody put them."""
    inside = (directory / "old", directory / "new")
    return [
        path
        for path in directory.rglob("*")
        if path.is_file() and not any(path.is_relative_to(each) for each in inside) and path.suffix != ".toml"
    ]


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A tiny OTLP collector: its address, and every body it was sent, unpacked."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
                bodies.append(_unpacked(body, fields.get(b"content-encoding", b"")))
                answer = json.dumps({}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n" + answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", bodies
    finally:
        server.close()


def _unpacked(body: bytes, encoding: bytes) -> bytes:
    import gzip
    import zlib

    return {b"gzip": gzip.decompress, b"deflate": zlib.decompress}.get(encoding, bytes)(body)
