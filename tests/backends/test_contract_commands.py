"""Hard cases of commands and sessions, the same on every backend: sizes, bytes, quoting, ends, groups."""

import asyncio
import shlex

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.results import STDERR_MARK, STDOUT_MARK
from tests.backends.asking import PATIENCE, Asking, everything, refusal, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ODD = {
    "SUBSTITUTED": "$(echo no) `id` ${HOME} $HOME",
    "QUOTED": "it's \"fine\" \\ \\\\ '\"'\"'",
    "LINES": "one\ntwo\n\n  three",
    "SPACED": "  a  b\t c ",
    "SIGNS": "*?[]{}();&|<>!#~%=^",
    "WIDE": "grüße 🌍 日本",
    "EMPTY": "",
}


async def test_odd_values_of_the_environment_arrive_as_they_are(box: Asking) -> None:
    command = "\n".join(f"printf '%s\\0' \"${name}\"" for name in ODD) + "\nprintf end"

    for shell in ("bash", "sh"):
        outcome = await box.ask("process.exec", command=command, env=ODD, shell=shell)
        assert outcome.value.output.decode().split("\0") == [*ODD.values(), "end"]


async def test_odd_quoting_is_the_shells_business_alone(box: Asking) -> None:
    words = [*ODD.values(), "$'x'", "--", "-n"]
    command = "printf '<%s>' " + " ".join(shlex.quote(word) for word in words)

    assert await box.sh(command) == (0, "".join(f"<{word}>" for word in words))
    id = await box.session()
    answer = await box.ask("session.exec", session=id, command=command)
    shown = answer.value.marked.replace(STDOUT_MARK, b"").decode()
    assert shown == "".join(f"<{word}>" for word in words) + "\n"


@pytest.mark.parametrize("size", [0, 1, 65_536, 100_000, 200 * 1024, 1_000_000])
async def test_a_command_may_be_of_any_length(box: Asking, size: int) -> None:
    command = f"x='{'y' * size}'; printf %s \"${{#x}}\""

    assert await box.sh(command) == (0, str(size))


async def test_no_output_is_an_empty_answer(box: Asking) -> None:
    assert await box.sh("true") == (0, "")
    assert await box.sh("exit 9") == (9, "")
    id = await box.session()
    answer = await box.ask("session.exec", session=id, command="true")
    assert (answer.value.exit_code, answer.value.marked) == (0, b"")


async def test_ten_megabytes_come_through_whole_and_in_order(box: Asking) -> None:
    outcome = await box.ask("process.exec", command="seq 1 1500000 | head -c 10000000")

    expected = "".join(f"{number}\n" for number in range(1, 1_500_001))[:10_000_000]
    assert outcome.value.exit_code == 0
    assert outcome.value.output.decode() == expected


async def test_a_command_that_never_stops_writing_is_ended(box: Asking) -> None:
    outcome = await box.ask("process.exec", command="exec yes 717171717171717171717171")

    assert refusal(outcome) == (500, "INTERNAL_SERVER_ERROR")
    assert "write to a file" in outcome.message
    async with asyncio.timeout(PATIENCE):
        while await running(box, "717171717171717171717171"):
            await asyncio.sleep(0.05)


async def test_the_two_streams_stay_in_the_order_they_were_written(box: Asking) -> None:
    outcome = await box.ask("process.exec", command="for i in $(seq 200); do echo o$i; echo e$i >&2; done")

    assert outcome.value.output.decode() == "".join(f"o{i}\ne{i}\n" for i in range(1, 201))


async def test_characters_split_between_writes_stay_whole(box: Asking) -> None:
    text = "日本語🌍"
    pieces = "; sleep 0.02; ".join(f"printf '\\x{byte:02x}'" for byte in text.encode())

    assert await box.sh(pieces, shell="bash") == (0, text)
    id = await box.session()
    answer = await box.ask("session.exec", session=id, command=pieces)
    assert answer.value.marked == STDOUT_MARK + text.encode() + b"\n"


@pytest.mark.parametrize("number", ["TERM", "KILL", "SEGV", "PIPE"])
async def test_any_signal_is_exit_code_minus_one(box: Asking, number: str) -> None:
    code, output = await box.sh(f"printf before; kill -{number} $$; sleep 5")

    assert (code, output) == (-1, "before")


@pytest.mark.parametrize("code", [1, 2, 126, 127, 128, 130, 255])
async def test_exit_codes_are_exact(box: Asking, code: int) -> None:
    assert (await box.sh(f"exit {code}"))[0] == code
    id = await box.session()
    answer = await box.ask("session.exec", session=id, command=f"(exit {code})")
    assert answer.value.exit_code == code


async def running(box: Asking, word: str) -> bool:
    """Whether a process with this word in its command line runs inside."""
    listing = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null"
    # The pattern must not find itself in the command line of the shell that looks for it.
    return (await box.sh(f"{listing} | grep -c '[{word[0]}]{word[1:]}'"))[1].strip() != "0"


async def test_a_timeout_ends_the_whole_group_of_the_command(box: Asking) -> None:
    outcome = await box.ask("process.exec", command="sleep 71771 & sleep 71772 | cat; wait", timeout=1)

    assert refusal(outcome) == (408, "REQUEST_TIMEOUT")
    async with asyncio.timeout(PATIENCE):
        while await running(box, "7177[12]"):
            await asyncio.sleep(0.05)


async def test_a_timeout_ends_code_too(box: Asking) -> None:
    code = "import subprocess; subprocess.run(['sleep', '71773'])"

    assert refusal(await box.ask("process.code", code=code, timeout=1)) == (408, "REQUEST_TIMEOUT")
    async with asyncio.timeout(PATIENCE):
        while await running(box, "71773"):
            await asyncio.sleep(0.05)


async def test_standard_input_of_a_command_is_its_own_script(box: Asking) -> None:
    assert await box.sh("head -n 2 | tac\nfirst\nsecond\n") == (0, "second\nfirst\n")


@pytest.mark.parametrize("ending", ["exit 5", "set -e; (exit 5); echo not here", "exec sh -c 'exit 5'"])
async def test_a_session_whose_shell_ends_answers_and_says_so_from_then_on(box: Asking, ending: str) -> None:
    id = await box.session()

    answer = await box.ask("session.exec", session=id, command=f"echo before; {ending}")

    assert (answer.value.exit_code, answer.value.marked) == (5, STDOUT_MARK + b"before\n")
    later = await box.ask("session.exec", session=id, command="true")
    assert later.status == 500
    assert "ended" in later.message
    assert (await box.ask("session.delete", session=id)).status == 204
    assert (await box.ask("session.create", session=id)).status == 201
    assert (await box.ask("session.exec", session=id, command="true")).value.exit_code == 0


async def test_a_session_whose_shell_is_killed_answers(box: Asking) -> None:
    id = await box.session()

    answer = await box.ask("session.exec", session=id, command="kill -9 $$")

    assert answer.value.exit_code == 137


async def test_commands_given_at_once_all_run_in_turn(box: Asking) -> None:
    id = await box.session()
    commands = [f"n=$((n + 1)); echo {number} $n" for number in range(8)]

    answers = await asyncio.gather(*(box.ask("session.exec", session=id, command=each) for each in commands))

    said = [each.value.marked.removeprefix(STDOUT_MARK).decode().split() for each in answers]
    assert [int(own) for own, _ in said] == list(range(8))  # each got its own answer
    assert sorted(int(turn) for _, turn in said) == list(range(1, 9))  # one after another in one shell


async def test_what_a_command_is_sent_need_not_be_shown(box: Asking) -> None:
    id = await box.session()
    started = await box.ask("session.exec", session=id, command="read a; echo got $a", run_async=True, quiet_input=True)
    command = started.value.command_id
    log = await box.channel("session.follow", session=id, command_id=command)

    assert (await box.ask("session.input", session=id, command_id=command, data="secret")).status == 204

    assert await everything(log.output()) == STDOUT_MARK + b"got secret\n"


async def test_the_log_of_a_sandboxs_own_start_is_404_where_nothing_was_started(box: Asking) -> None:
    asked = {"session": "entrypoint", "command_id": "entrypoint"}

    assert refusal(await box.ask("session.get", session="entrypoint")) == (404, "NOT_FOUND")
    assert refusal(await box.ask("session.logs", **asked)) == (404, "NOT_FOUND")
    opened = await box.backend.open(Operation(name="session.follow", sandbox=box.id, arguments=asked))
    assert isinstance(opened, Outcome)
    assert refusal(opened) == (404, "NOT_FOUND")


async def test_two_sessions_do_not_wait_for_each_other(box: Asking) -> None:
    first, second = await box.session("one"), await box.session("two")
    waits = await box.ask("session.exec", session=first, command="read go; echo went", run_async=True)

    assert (await box.ask("session.exec", session=second, command="echo free")).value.exit_code == 0
    assert (await box.ask("session.command", session=first, command_id=waits.value.command_id)).value.exit_code is None


async def test_what_a_session_leaves_in_the_background_goes_on(box: Asking) -> None:
    id = await box.session()

    answer = await box.ask("session.exec", session=id, command="sleep 71774 >/dev/null 2>&1 & echo started")

    assert answer.value.marked == STDOUT_MARK + b"started\n"
    assert await running(box, "71774")
    assert (await box.ask("session.exec", session=id, command="kill %1; wait %1")).value.exit_code == 143


async def test_a_followed_log_has_every_byte_in_order(box: Asking) -> None:
    id = await box.session()
    command = "for i in $(seq 3000); do echo line $i; done"
    started = await box.ask("session.exec", session=id, command=command, run_async=True)
    log = await box.channel("session.follow", session=id, command_id=started.value.command_id)

    shown = await everything(log.output())

    assert shown == b"".join(STDOUT_MARK + b"line %d\n" % i for i in range(1, 3001))


async def test_both_streams_of_a_session_are_marked_line_by_line(box: Asking) -> None:
    id = await box.session()

    answer = await box.ask("session.exec", session=id, command="echo out; echo err >&2; printf 'cut'; printf 'off' >&2")

    lines = answer.value.marked.splitlines(keepends=True)
    assert [line for line in lines if line.startswith(STDOUT_MARK)] == [STDOUT_MARK + b"out\n", STDOUT_MARK + b"cut\n"]
    assert [line for line in lines if line.startswith(STDERR_MARK)] == [STDERR_MARK + b"err\n", STDERR_MARK + b"off\n"]


async def test_a_terminal_ended_by_a_signal_tells_it(box: Asking) -> None:
    await box.ask("pty.create", pty="t")
    terminal = await box.channel("pty.connect", pty="t")
    output = terminal.output()
    await terminal.send(b"kill -9 $$\n")

    await everything(output)

    assert terminal.end.exit_code == 137


async def test_a_terminal_carries_any_bytes(box: Asking) -> None:
    await box.ask("pty.create", pty="t")
    terminal = await box.channel("pty.connect", pty="t")
    output = terminal.output()

    await terminal.send(b"stty -echo -onlcr; printf 'st''art\\xff\\xfe\\x80\\x01end'\n")

    assert b"start\xff\xfe\x80\x01end" in await until(output, b"\x01end")


async def test_code_runs_in_each_language_there_is(box: Asking) -> None:
    outcome = await box.ask("process.code", code="console.log([1, 2].length)", language="javascript")

    assert (outcome.value.exit_code, outcome.value.output) == (0, b"2\n")
    failing = await box.ask("process.code", code="import sys; sys.stderr.write('x'); sys.exit(4)")
    assert (failing.value.exit_code, failing.value.output) == (4, b"x")
    assert "ValueError: no" in (await box.ask("process.code", code="raise ValueError('no')")).value.output.decode()
