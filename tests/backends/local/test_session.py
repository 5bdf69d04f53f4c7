"""Sessions of embedded sandboxes, beyond the shared contract."""

import asyncio
import time

import pytest

from crossfade.results import STDOUT_MARK
from router.backends.local.refusals import Refusal
from router.backends.local.sandboxes import LocalSandbox, LocalSandboxes
from router.backends.local.session import Command, Follower, Session
from tests.backends.asking import PATIENCE, Asking, everything, until


async def opened(sandboxes: LocalSandboxes, **settings: float) -> tuple[LocalSandbox, Session]:
    sandbox = await sandboxes.create(id="s", env={}, meta={})
    session = Session("work", sandbox, **settings)
    await session.open()
    return sandbox, session


async def ran(session: Session, text: str, *, reads_input: bool = False) -> Command:
    command = await session.run(text, reads_input=reads_input)
    async with asyncio.timeout(PATIENCE):
        await command.finished()
    return command


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("exit 9", 9),
        ("set -e; false; echo never", 1),
        ("exec sh -c 'echo other; exit 4'", 4),
        ("kill -9 $$", 137),
        ("sleep 600 & exit 5", 5),
    ],
)
async def test_a_command_that_ends_the_shell_has_its_exit_code(limited: LocalSandboxes, text: str, code: int) -> None:
    _, session = await opened(limited)
    queued = await session.run("true", reads_input=True)

    ended = await ran(session, text)

    assert ended.exit_code == code
    assert (await queued.finished()) == 0
    with pytest.raises(Refusal, match="create a new session"):
        await session.run("true", reads_input=False)


async def test_commands_waiting_behind_the_one_that_ended_the_shell_end_too(limited: LocalSandboxes) -> None:
    _, session = await opened(limited)
    first = await session.run("read x; exit 3", reads_input=True)
    second = await session.run("true", reads_input=False)

    await session.write(first, "go")

    async with asyncio.timeout(PATIENCE):
        assert [await first.finished(), await second.finished()] == [3, 3]


async def test_broken_shell_text_is_an_error_of_that_command_only(limited: LocalSandboxes) -> None:
    _, session = await opened(limited)

    broken = await ran(session, "if true; then 'unclosed")
    fine = await ran(session, "echo it\\'s 'fi\nne'; : # no end")

    assert broken.exit_code not in (0, None)
    assert bytes(fine.marked) == STDOUT_MARK + b"it's fi\n" + STDOUT_MARK + b"ne\n"


async def test_a_child_that_holds_the_output_holds_the_command(limited: LocalSandboxes) -> None:
    _, session = await opened(limited)
    command = await session.run("mkfifo go; { read x < go; echo late; } & echo early", reads_input=False)
    log = Follower(command).output()
    await until(log, b"early")
    assert command.exit_code is None

    other = Session("other", limited.get("s"))
    await other.open()
    await ran(other, "echo > go")

    assert b"late" in await everything(log)
    assert command.exit_code == 0


async def test_many_lines_come_whole_and_nul_bytes_are_dropped(limited: LocalSandboxes) -> None:
    _, session = await opened(limited)

    command = await ran(session, r"seq 200000; printf 'a\0b'")

    lines = bytes(command.marked).split(b"\n")
    assert (len(lines), lines[-2], lines[-1]) == (200_002, STDOUT_MARK + b"ab", b"")


async def test_the_streams_of_a_command_leave_nothing_behind(limited: LocalSandboxes) -> None:
    sandbox, session = await opened(limited)

    await ran(session, "true")
    await ran(session, "cat", reads_input=False)
    await ran(session, "exit 1")

    assert sandbox.tree.list("/run/crossfade") == []


async def test_closing_kills_what_ignores_the_request_to_end(limited: LocalSandboxes) -> None:
    _, session = await opened(limited, term_seconds=0.2)
    command = await session.run("trap '' TERM; echo up; while :; do sleep 600; done", reads_input=False)
    await until(Follower(command).output(), b"up")
    began = time.monotonic()

    await session.close()

    assert time.monotonic() - began >= 0.2
    async with asyncio.timeout(PATIENCE):
        assert await command.finished() == 137


async def test_a_supervisor_takes_the_shells_place_and_runs_on(asking: Asking) -> None:
    id = await asking.session("supervisord-session")
    outcome = await asking.ask("session.exec", session=id, command="exec tail -f /dev/null", run_async=True)

    command = await asking.ask("session.command", session=id, command_id=outcome.value.command_id)

    assert outcome.status == 202
    assert command.value.exit_code is None
    assert (await asking.sh("echo fine"))[1] == "fine\n"
