"""Terminals of embedded sandboxes, beyond the shared contract."""

from crossfade.operation import Operation
from router.backends.local.sandboxes import LocalSandboxes
from router.backends.local.terminal import WAITING_CHUNKS, Attachment, Terminal
from tests.backends.asking import Asking, everything, refusal, until


async def test_the_first_client_sees_the_prompt(asking: Asking) -> None:
    await asking.ask("pty.create", pty="t", env={"PS1": "ignored by .bashrc or not"})
    assert (await asking.ask("pty.get", pty="t")).value.active is False

    terminal = await asking.channel("pty.connect", pty="t")

    await until(terminal.output(), b"# ")
    assert (await asking.ask("pty.get", pty="t")).value.active is True


async def test_resizing_what_does_not_run_is_refused(asking: Asking) -> None:
    await asking.ask("pty.create", pty="t")
    assert (await asking.ask("pty.resize", pty="t", cols=90, rows=30)).status == 500
    terminal = await asking.channel("pty.connect", pty="t")
    await terminal.send(b"exit\n")
    await everything(terminal.output())

    assert refusal(await asking.ask("pty.resize", pty="t", cols=90, rows=30)) == (410, "GONE")
    assert refusal(await asking.ask("pty.get", pty="t")) == (404, "NOT_FOUND")
    assert (await asking.ask("pty.create", pty="t")).status == 201


async def test_a_bad_directory_is_said_when_it_starts(asking: Asking) -> None:
    await asking.ask("pty.create", pty="t", cwd="/absent")

    connect = Operation(name="pty.connect", sandbox=asking.id, arguments={"pty": "t"})
    opened = await asking.backend.open(connect)

    assert refusal(opened) == (400, "BAD_REQUEST")


async def test_a_reader_that_does_not_keep_up_is_cut_off(limited: LocalSandboxes) -> None:
    sandbox = await limited.create(id="s", env={}, meta={})
    slow = Attachment(Terminal("t", sandbox, cols=80, rows=24, cwd=None, env={}))

    for _ in range(WAITING_CHUNKS + 1):
        slow.offer(b"x")

    assert await everything(slow.output()) == b"x" * WAITING_CHUNKS
    assert slow.end.reason == "slow reader"


async def test_stopping_the_sandbox_ends_terminals(asking: Asking) -> None:
    await asking.ask("pty.create", pty="t")
    terminal = await asking.channel("pty.connect", pty="t")
    output = terminal.output()
    await until(output, b"# ")

    await asking.ask("sandbox.stop")

    await everything(output)
    assert terminal.end.exit_code == 137
