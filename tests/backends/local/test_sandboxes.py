"""The embedded engine, on real processes, with and without namespaces."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from router.backends.local.process import Exit, Process
from router.backends.local.sandboxes import (
    MARK,
    BadCwd,
    LocalSandbox,
    LocalSandboxes,
    SandboxMissing,
    SandboxStopped,
)
from tests.backends.local.machine import PATIENCE, cmdline, gone, marked

SERVE = "import socket; s = socket.create_server(('127.0.0.1', PORT)); print('up', flush=True)\n"
SERVE += "while 1: s.accept()[0].sendall(b'ANSWER')"


async def can_view(directory: Path) -> bool:
    sandboxes = LocalSandboxes(directory)
    await sandboxes.open()
    await sandboxes.close()
    return sandboxes.has_view


@pytest_asyncio.fixture(params=[True, False], ids=["view", "plain"])
async def sandboxes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LocalSandboxes]:
    if request.param and not await can_view(tmp_path):
        pytest.skip("no namespaces here")
    made = LocalSandboxes(tmp_path, view=request.param)
    await made.open()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def sandbox(sandboxes: LocalSandboxes) -> LocalSandbox:
    return await sandboxes.create(id="one", env={"MADE": "1"}, meta={})


async def run(sandbox: LocalSandbox, script: str) -> tuple[Exit, str]:
    async with asyncio.timeout(PATIENCE):
        process = await sandbox.spawn(["bash"], cwd=None, env={}, stdin=script.encode(), merge=True)
        output = b"".join([data async for _, data in process.output()])
        return await process.wait(), output.decode()


async def first_line(process: Process) -> bytes:
    async with asyncio.timeout(PATIENCE), aclosing(process.output()) as output:
        async for _, data in output:
            return data
    raise AssertionError("no output")


async def test_streams_stay_apart_unless_merged(sandbox: LocalSandbox) -> None:
    process = await sandbox.spawn(["sh", "-c", "echo out; echo err >&2; exit 4"], cwd=None, env={})

    parts = {stream: data async for stream, data in process.output()}

    assert parts == {"stdout": b"out\n", "stderr": b"err\n"}
    assert await process.wait() == Exit(4)


async def test_a_signal_is_told_apart_from_an_exit_code(sandbox: LocalSandbox) -> None:
    process = await sandbox.spawn(["sleep", "600"], cwd=None, env={})
    assert sandbox.processes[process.pid] is process

    process.kill(signal.SIGTERM)

    assert await process.wait() == Exit(-1, signal.SIGTERM)
    assert process.pid not in sandbox.processes


async def test_input_is_written_until_closed(sandbox: LocalSandbox) -> None:
    process = await sandbox.spawn(["wc", "-c"], cwd=None, env={}, stdin=True)

    await process.write(b"x" * 300_000)
    await process.close_stdin()

    assert (await first_line(process)).strip() == b"300000"
    await process.wait()
    with pytest.raises(BrokenPipeError):
        await process.write(b"late")


async def test_a_process_is_held_back_while_nobody_reads(sandbox: LocalSandbox) -> None:
    process = await sandbox.spawn(["bash", "-c", "yes | head -c 3000000; echo done >&2"], cwd=None, env={})
    output = process.output()
    await anext(output)
    assert process.ended is None

    sizes = [len(data) async for stream, data in output if stream == "stdout"]

    assert sum(sizes) <= 3_000_000
    assert await process.wait() == Exit(0)


async def test_what_cannot_be_started_says_why(sandbox: LocalSandbox) -> None:
    with pytest.raises(BadCwd, match="/workspace/absent"):
        await sandbox.spawn(["true"], cwd="absent", env={})
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await sandbox.spawn(["no-such-program"], cwd=None, env={})
    with pytest.raises(OSError, match="Invalid argument"):
        await sandbox.spawn(["true", "\0"], cwd=None, env={})


async def test_a_large_message_is_no_special_case(sandbox: LocalSandbox) -> None:
    process = await sandbox.spawn(["bash", "-c", "echo ${#BIG}"], cwd=None, env={"BIG": "x" * 120_000})

    assert await first_line(process) == b"120000\n"


async def test_only_path_of_the_machines_environment_comes_in(sandbox: LocalSandbox) -> None:
    _, text = await run(sandbox, "env -0 | cut -z -d= -f1 | tr '\\0' ' '; command -v bash python3 | wc -l")

    names, _, tools = text.rpartition(" ")
    allowed = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "PORT", MARK, "MADE", "PWD", "SHLVL", "_"}
    assert set(names.split()) <= allowed | {"TMPDIR", "TMUX_TMPDIR"}
    assert tools.strip() == "2"


async def test_a_process_has_its_three_streams_open_and_nothing_else(sandbox: LocalSandbox) -> None:
    for pty in (None, (80, 24)):
        process = await sandbox.spawn(["sh", "-c", "readlink /proc/$$/fd/*"], cwd=None, env={}, pty=pty)
        async with asyncio.timeout(PATIENCE):
            output = b"".join([data async for _, data in process.output()])
        assert len(output.splitlines()) == 3, output


async def test_the_usual_tools_work(sandbox: LocalSandbox) -> None:
    script = """
    set -e
    python3 -c 'import json, ssl, ctypes; print("python")'
    git init -q . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git log --format=%s
    tmux new-session -d -s s; tmux send-keys -t s 'echo tmux > made; tmux wait-for -S done' Enter
    tmux wait-for done; cat made; tmux kill-server
    """

    assert await run(sandbox, script) == (Exit(0), "python\nx\ntmux\n")


async def test_a_terminal_controls_its_session_and_resizes(sandbox: LocalSandbox) -> None:
    # Without readline: before each line it reads the size and sets what it read, over a resize that comes between.
    bash = ["bash", "--norc", "--noediting", "-i"]
    process = await sandbox.spawn(bash, cwd=None, env={"PS1": ""}, pty=(90, 33))
    await process.write(b"stty size; tty; kill -0 $$ && echo rea''dy\n")
    seen, asked = b"", False
    async with asyncio.timeout(PATIENCE):
        async for stream, data in process.output():
            assert stream == "pty"
            seen += data
            if b"ready\r\n" in seen and not asked:
                asked = True
                process.resize(120, 50)
                await process.write(b"stty size; exit 6\n")

    assert b"33 90" in seen
    assert b"50 120" in seen
    assert await process.wait() == Exit(6)


async def test_killing_a_group_reaches_grandchildren_also_after_its_leader(
    sandboxes: LocalSandboxes, sandbox: LocalSandbox
) -> None:
    script = "(sleep 4242 & sleep 4242 & echo up; wait) & exit"
    process = await sandbox.spawn(["bash", "-c", script], cwd=None, env={})
    assert await first_line(process) == b"up\n"
    await process.wait()
    left = marked(sandboxes.directory)
    assert len(left) >= 2

    process.kill(signal.SIGKILL)

    async with asyncio.timeout(PATIENCE):
        assert [data async for _, data in process.output()] == []
    assert gone(left)


async def test_stopping_kills_daemons_too_and_keeps_files(sandboxes: LocalSandboxes, sandbox: LocalSandbox) -> None:
    await run(sandbox, "echo kept > file; setsid -f sleep 4243 > /dev/null 2>&1; tmux new-session -d 'sleep 4244'")
    running = marked(sandboxes.directory)
    assert len([pid for pid in running if b"424" in cmdline(pid)]) >= 2

    await sandbox.stop()

    assert gone(running)
    with pytest.raises(SandboxStopped):
        await sandbox.spawn(["true"], cwd=None, env={})
    await sandbox.start()
    assert (await run(sandbox, "cat file"))[1] == "kept\n"


async def test_orphans_leave_no_zombies(sandbox: LocalSandbox) -> None:
    if not sandbox.has_view:
        pytest.skip("without namespaces the machine's own process 1 buries orphans")
    script = "for i in 1 2 3 4 5; do (true & exec true) & done; wait; "
    script += "while grep -l '^State:.Z' /proc/[0-9]*/status; do :; done 2>&-"

    assert (await run(sandbox, script))[0] == Exit(0)


async def test_neither_descriptors_nor_children_pile_up(sandboxes: LocalSandboxes, tmp_path: Path) -> None:
    async def life(number: int) -> None:
        sandbox = await sandboxes.create(id=f"life-{number}", env={}, meta={})
        await run(sandbox, "true")
        await sandbox.spawn(["sleep", "600"], cwd=None, env={}, stdin=True)
        await sandbox.spawn(["sleep", "600"], cwd=None, env={}, pty=(80, 24))
        with pytest.raises(BadCwd):
            await sandbox.spawn(["true"], cwd="absent", env={})
        await sandboxes.delete(sandbox.id)

    await life(0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    await asyncio.gather(*(life(number) for number in range(1, 12)))

    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert gone(marked(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.name != ".probe"] == []


async def test_ports_are_reached_and_private_in_a_view(sandboxes: LocalSandboxes) -> None:
    for name in ("a", "b"):
        sandbox = await sandboxes.create(id=name, env={}, meta={})
        port = sandbox.base_env()["PORT"]
        code = SERVE.replace("PORT", port).replace("ANSWER", name)
        server = await sandbox.spawn(["python3", "-c", code], cwd=None, env={})
        assert await first_line(server) == b"up\n"
        reader, writer = await sandbox.connect(int(port))
        assert await reader.read(1) == name.encode()
        writer.close()

    if sandboxes.has_view:
        assert port == "8004"
        with pytest.raises(OSError, match="failed"):
            await sandboxes.get("a").connect(8005)


async def test_a_view_shows_own_directories_and_the_machine_read_only(sandbox: LocalSandbox) -> None:
    if not sandbox.has_view:
        pytest.skip("a matter of the view")
    await run(sandbox, "echo w > /workspace/f; echo r > ~/f; echo t > /tmp/f")

    assert [sandbox.tree.open_read(path).read() for path in ("/workspace/f", "/root/f", "/tmp/f")] == [
        b"w\n",
        b"r\n",
        b"t\n",
    ]
    assert (await run(sandbox, "touch /usr/bin/x /etc/x"))[0] != Exit(0)
    _, text = await run(sandbox, "echo $$ $HOME; ls /proc | grep -c '^[0-9]'; readlink -f /proc/self/root")
    assert text.splitlines()[0].endswith("/root")
    assert int(text.splitlines()[1]) < 10


async def test_sandboxes_survive_a_restart_as_stopped_ones(tmp_path: Path) -> None:
    first = LocalSandboxes(tmp_path)
    await first.open()
    made = await first.create(id="kept", env={"A": "b"}, meta={"deep": {"er": [1]}})
    made.meta["later"] = True
    made.save()
    await run(made, "echo here > file")
    await first.close()

    second = LocalSandboxes(tmp_path)
    await second.open()
    again = second.get("kept")
    assert (again.state, again.env, again.meta) == ("stopped", {"A": "b"}, {"deep": {"er": [1]}, "later": True})
    await again.start()
    assert (await run(again, "cat file; echo $A"))[1] == "here\nb\n"
    await second.delete("kept")
    with pytest.raises(SandboxMissing):
        second.get("kept")
    await second.close()


async def test_ids_that_name_no_directory_or_are_taken_are_refused(
    sandboxes: LocalSandboxes, sandbox: LocalSandbox
) -> None:
    for id in ("", "..", "a/b", ".hidden", "a\n", "x" * 200):
        with pytest.raises(ValueError, match="sandbox id"):
            await sandboxes.create(id=id, env={}, meta={})
    with pytest.raises(FileExistsError):
        await sandboxes.create(id=sandbox.id, env={}, meta={})


async def test_no_single_file_of_a_process_outgrows_the_disk_limit(tmp_path: Path) -> None:
    sandboxes = LocalSandboxes(tmp_path, disk_limit=100_000)
    await sandboxes.open()
    sandbox = await sandboxes.create(id="small", env={}, meta={})

    ended, _ = await run(sandbox, "head -c 1000000 /dev/zero > big")

    assert ended != Exit(0)
    assert sandbox.tree.stat("big").size <= 100_000
    await sandboxes.close()
