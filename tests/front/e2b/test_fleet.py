"""What needs a server of its own: restarts, a full disk, the plain view."""

from pathlib import Path

import httpx2

from router.backends.local.sandboxes import LocalSandboxes
from router.front.e2b.inject import Injector
from tests.front.e2b.conftest import Server, serving
from tests.front.e2b.test_processes import output


async def test_sandboxes_survive_a_restart_as_paused_ones(tmp_path: Path):
    with serving(LocalSandboxes(tmp_path)) as url:
        async with httpx2.AsyncClient(base_url=url) as http:
            sandbox = await Server(http, LocalSandboxes(tmp_path), Injector()).create(metadata={"a": "b"}, timeout=100)
            await sandbox.start("echo kept > /tmp/kept")
    with serving(LocalSandboxes(tmp_path)) as url:
        async with httpx2.AsyncClient(base_url=url) as http:
            server = Server(http, LocalSandboxes(tmp_path), Injector())
            detail = (await server.api("GET", f"/sandboxes/{sandbox.id}")).json()
            resumed = await server.api("POST", f"/v2/sandboxes/{sandbox.id}/connect", json={"timeout": 50})
            sandbox.http = http
            kept = output(await sandbox.start("cat /tmp/kept"))

    assert (detail["state"], detail["metadata"]) == ("paused", {"a": "b"})
    assert resumed.status_code == 201
    assert kept == b"kept\n"


async def test_a_full_disk_is_507_and_half_a_file_is_not_a_success(tmp_path: Path):
    sandboxes = LocalSandboxes(tmp_path, disk_limit=200_000)
    with serving(sandboxes) as url:
        async with httpx2.AsyncClient(base_url=url) as http:
            sandbox = await Server(http, sandboxes, Injector()).create()
            headers = {"Content-Type": "application/octet-stream"}
            query = {"path": "/tmp/big"}
            full = await sandbox.send("POST", "/files", params=query, content=b"x" * 400_000, headers=headers)
            part = await sandbox.send("POST", "/files", files=[("file", ("/tmp/big2", b"x" * 400_000))])

    assert (full.status_code, part.status_code) == (507, 507)
    assert full.json() == {"code": 507, "message": "not enough disk space available"}


async def test_without_namespaces_commands_and_files_meet_in_the_same_place(tmp_path: Path):
    sandboxes = LocalSandboxes(tmp_path, view=False)
    with serving(sandboxes) as url:
        async with httpx2.AsyncClient(base_url=url) as http:
            sandbox = await Server(http, sandboxes, Injector()).create()
            ran = await sandbox.start("echo relative > here.txt")
            content = (await sandbox.send("GET", "/files", params={"path": "here.txt"})).content
            entry = await sandbox.call("filesystem.Filesystem/Stat", {"path": "/workspace/here.txt"})

    assert output(ran) == b""
    assert content == b"relative\n"
    assert entry.json()["entry"]["path"] == "/workspace/here.txt"
