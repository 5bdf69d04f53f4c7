"""Whatever ends first, nothing is left running."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from router.backends.local.sandboxes import LocalSandboxes
from tests.backends.local.machine import PATIENCE, cmdline, gone, marked

CHILD = """
import asyncio, sys
from pathlib import Path
from router.backends.local.sandboxes import LocalSandboxes

async def main():
    sandboxes = LocalSandboxes(Path(sys.argv[1]), view={"view": True, "plain": False, "any": None}[sys.argv[2]])
    await sandboxes.open()
    sandbox = await sandboxes.create(id="x", env={}, meta={})
    process = await sandbox.spawn(["bash"], cwd=None, env={}, stdin=b"sleep 4246 & echo $$ $(id -u); wait", merge=True)
    async for _, data in process.output():
        print(sandboxes.has_view, data.decode(), end="", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("view", ["any", "plain"])
def test_nothing_outlives_a_killed_server(tmp_path: Path, view: str) -> None:
    server = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), view], stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    running = forked_and_replaced(tmp_path)

    server.kill()
    server.communicate()

    assert gone(running)


def test_a_user_namespace_is_enough_for_a_view() -> None:
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("needs root to give up being root")
    directory = tempfile.mkdtemp(dir="/tmp")
    os.chown(directory, 65534, 65534)
    # May read everything, so that it can run this interpreter wherever it is; may do nothing else.
    command = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all,+dac_read_search"]
    command += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    command += [sys.executable, "-c", CHILD, directory, "view"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()
    server.kill()
    _, errors = server.communicate()
    shutil.rmtree(directory)
    if "allows no namespaces" in errors:
        pytest.skip("user namespaces are forbidden here")

    assert line == "True 2 0\n", errors


@pytest.mark.parametrize("view", [None, False], ids=["any", "plain"])
async def test_the_launcher_dying_ends_processes_and_is_said(tmp_path: Path, view: bool | None) -> None:
    sandboxes = LocalSandboxes(tmp_path, view=view)
    await sandboxes.open()
    sandbox = await sandboxes.create(id="one", env={}, meta={})
    process = await sandbox.spawn(["sleep", "4245"], cwd=None, env={})
    running = marked(tmp_path)
    [launcher] = [pid for pid in children(os.getpid()) if b"zygote" in cmdline(pid)]

    # With namespaces, the process that was started only waits for the one in them.
    os.kill(children(launcher)[0] if sandboxes.has_view else launcher, signal.SIGKILL)

    assert (await process.wait()).signal == signal.SIGKILL
    with pytest.raises(OSError, match="restart"):
        await sandbox.spawn(["true"], cwd=None, env={})
    await sandboxes.close()
    assert gone(running)


def forked_and_replaced(directory: Path) -> list[int]:
    """The sandbox's processes once the one in the background is no longer the shell that forked it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        running = marked(directory)
        if any(b"4246" in cmdline(pid) for pid in running):
            return running
        time.sleep(0.01)
    raise AssertionError("no process in the background")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
