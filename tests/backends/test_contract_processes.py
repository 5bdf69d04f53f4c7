"""What every backend does with commands, sessions and terminals."""

import asyncio

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate, Outcome
from crossfade.results import STDERR_MARK, STDOUT_MARK
from tests.backends.asking import Asking, everything, refusal, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOT_FOUND, BAD, CONFLICT, GONE = (404, "NOT_FOUND"), (400, "BAD_REQUEST"), (409, "CONFLICT"), (410, "GONE")


async def test_output_of_both_streams_comes_merged_in_order_and_untrimmed(box: Asking) -> None:
    code, output = await box.sh("echo one; echo two >&2; printf '  three'; exit 3")

    assert (code, output) == (3, "one\ntwo\n  three")


async def test_a_command_is_a_script_on_standard_input_of_any_size(box: Asking) -> None:
    script = "# " + "x" * 300_000 + '\nread line\neaten\necho "$line"\n'

    assert await box.sh(script) == (0, "eaten\n")


async def test_a_command_runs_in_the_work_dir_with_the_environments(box: Asking) -> None:
    _, output = await box.sh("basename $PWD; echo $MADE $GIVEN; basename $HOME", env={"GIVEN": "for this"})

    assert output == "workspace\nwith this for this\nroot\n"


async def test_a_working_directory_may_be_given(box: Asking) -> None:
    await box.ask("fs.mkdir", path="/workspace/a/b", mode="755")

    assert (await box.sh("basename $PWD", cwd="/workspace/a"))[1] == "a\n"
    assert (await box.sh("basename $PWD", cwd="a/b"))[1] == "b\n"


async def test_a_bad_working_directory_is_exit_code_minus_one(box: Asking) -> None:
    for cwd in ("/workspace/absent", "~"):
        code, output = await box.sh("true", cwd=cwd)
        assert code == -1
        assert output.endswith("no such file or directory")


async def test_plain_sh_may_be_asked_for(box: Asking) -> None:
    assert (await box.sh("echo ${BASH_VERSION:-none}", shell="bash"))[1] != "none\n"
    assert (await box.sh("echo hi; exit 4", shell="sh")) == (4, "hi\n")


async def test_a_command_killed_by_a_signal_is_exit_code_minus_one(box: Asking) -> None:
    assert (await box.sh("echo before; kill -9 $$"))[0] == -1


async def test_a_command_past_its_time_is_cut_off_with_its_group(box: Asking) -> None:
    outcome = await box.ask("process.exec", command="(sleep 600; echo late > late) & sleep 600", timeout=1)

    assert refusal(outcome) == (408, "REQUEST_TIMEOUT")
    assert "command execution timeout" in outcome.message


async def test_a_bad_command_is_refused(box: Asking) -> None:
    assert refusal(await box.ask("process.exec", command="")) == BAD
    assert refusal(await box.ask("process.exec", command="true", timeout=-1)) == BAD
    assert refusal(await box.ask("process.exec", command="true", timeout=1.5)) == BAD
    assert refusal(await box.ask("process.exec", command="true", env={"a b": "c"})) == BAD


async def test_bytes_that_are_no_text_come_through(box: Asking) -> None:
    outcome = await box.ask("process.exec", command=r"printf '\377\000a'")

    # Daytona's JSON cannot carry them: U+FFFD stands for each.
    assert outcome.value.output in (b"\xff\x00a", "\ufffd\0a".encode())


async def test_a_background_child_with_its_own_output_does_not_hold_the_call(box: Asking) -> None:
    code, output = await box.sh("sleep 600 >/dev/null 2>&1 & echo started")

    assert (code, output) == (0, "started\n")


async def test_code_runs_with_arguments(box: Asking) -> None:
    outcome = await box.ask("process.code", code="import sys; print(sys.argv[1])", language="python", argv=["hi"])

    assert (outcome.value.exit_code, outcome.value.output) == (0, b"hi\n")
    assert refusal(await box.ask("process.code", code="x", language="cobol")) == BAD


async def test_a_session_keeps_directory_variables_and_functions(box: Asking) -> None:
    id = await box.session()
    await box.ask("session.exec", session=id, command="mkdir d; cd d; export A=1; f() { echo f$A; }")

    outcome = await box.ask("session.exec", session=id, command="basename $PWD; f; printf oops >&2; (exit 5)")

    assert (outcome.status, outcome.value.exit_code) == (200, 5)
    lines = sorted(outcome.value.marked.splitlines(keepends=True))
    assert lines == [STDOUT_MARK + b"d\n", STDOUT_MARK + b"f1\n", STDERR_MARK + b"oops\n"]


async def test_a_session_is_listed_with_its_commands(box: Asking) -> None:
    id = await box.session("listed")
    command = (await box.ask("session.exec", session=id, command="true")).value.command_id

    listed = (await box.ask("session.list")).value
    got = (await box.ask("session.get", session=id)).value

    assert [each.id for each in listed] == [id]
    assert [(each.id, each.command, each.exit_code) for each in got.commands] == [(command, "true", 0)]
    assert (await box.ask("session.command", session=id, command_id=command)).value.exit_code == 0


async def test_session_ids_are_unique_and_one_is_reserved(box: Asking) -> None:
    id = await box.session()

    assert refusal(await box.ask("session.create", session=id)) == CONFLICT
    assert refusal(await box.ask("session.create", session="entrypoint")) == BAD


async def test_a_missing_session_or_command_is_404_but_500_for_exec(box: Asking) -> None:
    id = await box.session()

    assert refusal(await box.ask("session.exec", session="none", command="true"))[0] == 500
    for name in ("session.get", "session.delete"):
        assert refusal(await box.ask(name, session="none")) == NOT_FOUND
    for name in ("session.command", "session.logs", "session.input"):
        assert refusal(await box.ask(name, session=id, command_id="none", data="")) == NOT_FOUND
    opened = await box.backend.open(
        Operation(name="session.follow", sandbox=box.id, arguments={"session": id, "command_id": "none"})
    )
    assert isinstance(opened, Outcome)
    assert refusal(opened) == NOT_FOUND


async def test_an_asynchronous_command_answers_at_once_and_takes_input(box: Asking) -> None:
    id = await box.session()
    outcome = await box.ask("session.exec", session=id, command="read a; echo got $a; read b", run_async=True)
    command = outcome.value.command_id
    assert (outcome.status, outcome.value.exit_code, outcome.value.marked) == (202, None, None)
    assert (await box.ask("session.command", session=id, command_id=command)).value.exit_code is None
    log = await box.channel("session.follow", session=id, command_id=command)
    output = log.output()

    assert (await box.ask("session.input", session=id, command_id=command, data="first")).status == 204
    await until(output, STDOUT_MARK + b"got first\n")
    assert (await box.ask("session.input", session=id, command_id=command, data="second\n")).status == 204
    await everything(output)

    assert log.end.exit_code in (0, None)
    logs = (await box.ask("session.logs", session=id, command_id=command)).value.marked
    assert logs.splitlines() == [STDOUT_MARK + each for each in (b"first", b"got first", b"second")]
    assert refusal(await box.ask("session.input", session=id, command_id=command, data="x")) == GONE


async def test_commands_of_a_session_run_one_after_another(box: Asking) -> None:
    id = await box.session()
    waits = await box.ask("session.exec", session=id, command="read go; echo one >> order", run_async=True)
    second = asyncio.create_task(box.ask("session.exec", session=id, command="echo two >> order"))
    await box.ask("session.input", session=id, command_id=waits.value.command_id, data="go")

    assert (await second).value.exit_code == 0
    assert await box.get("/workspace/order") == b"one\ntwo\n"


async def test_a_command_that_ends_the_shell_is_answered_and_later_ones_are_refused(box: Asking) -> None:
    id = await box.session()

    outcome = await box.ask("session.exec", session=id, command="echo bye; exit 7")

    assert outcome.value.exit_code == 7
    assert outcome.value.marked == STDOUT_MARK + b"bye\n"
    later = await box.ask("session.exec", session=id, command="true")
    assert later.status in (410, 500)
    assert later.fate is Fate.FAILED


async def test_a_synchronous_command_finds_its_input_at_its_end(box: Asking) -> None:
    id = await box.session()

    assert (await box.ask("session.exec", session=id, command="cat; echo over")).value.marked == STDOUT_MARK + b"over\n"


async def test_deleting_a_session_ends_its_processes(box: Asking) -> None:
    id = await box.session()
    outcome = await box.ask("session.exec", session=id, command="echo up; sleep 987", run_async=True)
    log = (await box.channel("session.follow", session=id, command_id=outcome.value.command_id)).output()
    await until(log, b"up")

    assert (await box.ask("session.delete", session=id)).status == 204

    await everything(log)
    assert refusal(await box.ask("session.get", session=id)) == NOT_FOUND


async def test_a_terminal_is_an_interactive_login_shell_of_the_size_asked_for(box: Asking) -> None:
    made = await box.ask("pty.create", pty="t", cols=100, rows=40, env={"A": "b c"})
    assert (made.status, made.value.id, made.value.cols, made.value.rows) == (201, "t", 100, 40)
    terminal = await box.channel("pty.connect", pty="t")
    output = terminal.output()

    await terminal.send(b"stty size; echo $TERM/$A/$-; shopt -q login_shell && echo lo''gin\n")
    seen = await until(output, b"login\r\n")

    assert b"40 100" in seen
    assert b"xterm-256color/b c/" in seen
    await terminal.send(b"exit 3\n")
    await everything(output)
    assert terminal.end.exit_code == 3


async def test_a_terminal_is_resized_and_shared_and_outlives_its_clients(box: Asking) -> None:
    await box.ask("pty.create", pty="t")
    first, second = await box.channel("pty.connect", pty="t"), await box.channel("pty.connect", pty="t")
    one, two = first.output(), second.output()
    await first.send(b"echo he''re\n")
    await until(one, b"here")
    await until(two, b"here")
    await first.close()

    resized = await box.ask("pty.resize", pty="t", cols=120, rows=50)

    assert (resized.value.cols, resized.value.rows) == (120, 50)
    await second.send(b"stty size\n")
    await until(two, b"50 120")
    assert [each.id for each in (await box.ask("pty.list")).value] == ["t"]


async def test_a_deleted_terminal_is_killed_and_gone(box: Asking) -> None:
    await box.ask("pty.create", pty="t")
    terminal = await box.channel("pty.connect", pty="t")
    await terminal.send(b"echo u''p\n")
    output = terminal.output()
    await until(output, b"up")

    assert (await box.ask("pty.delete", pty="t")).status == 204

    await everything(output)
    assert terminal.end.exit_code in (137, None)
    assert refusal(await box.ask("pty.get", pty="t")) == NOT_FOUND
    assert refusal(await box.ask("pty.delete", pty="t")) == NOT_FOUND


async def test_terminal_ids_are_unique_and_sizes_bounded(box: Asking) -> None:
    await box.ask("pty.create", pty="t")

    assert refusal(await box.ask("pty.create", pty="t")) == CONFLICT
    assert refusal(await box.ask("pty.create", pty="u", cols=5000)) == BAD
