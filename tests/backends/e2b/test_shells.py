"""The shell texts, run by a real bash: as envd would start them, without an envd."""

import base64
import os
import shlex
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.backends.e2b import shells
from router.backends.e2b.commands import LEAD, kill_script, script

SECONDS = 20


def bash(text: str, *words: str, **named: object) -> subprocess.CompletedProcess[bytes]:
    argv = ["bash", "-c", text, "bash", *words]
    return subprocess.run(argv, capture_output=True, timeout=SECONDS, check=False, **named)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("own_session", [True, False])
def test_a_command_leads_its_group_under_the_pid_that_was_told(own_session: bool) -> None:
    argv = ["bash", "-c", script("read -r s </proc/$$/stat; echo $$ ${s##*) }", "bash")]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=own_session)
    printed, _ = process.communicate(timeout=SECONDS)

    pid, _state, _parent, group, *_ = printed.decode().split()
    assert int(pid) == int(group) == process.pid


def test_a_command_keeps_its_quotes_its_input_and_the_order_of_its_output() -> None:
    command = 'echo "a $HOME\'" >&2; echo \'$(b)\'; read x\nnext line\necho "<$x>"; exit 3'

    ran = bash(script(command, "bash"), env={"HOME": "/h", "PATH": os.environ["PATH"]})

    assert (ran.returncode, ran.stdout) == (3, b"a /h'\n$(b)\n<next line>\n")


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_a_command_that_reads_its_script_sees_it_as_it_was_written(end: str) -> None:
    assert bash(script(f"cat\nthe rest{end}", "bash")).stdout == f"the rest{end}".encode()


def test_a_command_has_no_other_files_open_than_its_three_streams() -> None:
    assert bash(script("ls /proc/$$/fd", "bash")).stdout.split() == [b"0", b"1", b"2"]


def test_killing_ends_the_group_children_that_lead_another_included() -> None:
    text = LEAD + "exec $w bash -c 'setsid sleep 600 & sleep 601 & echo up; wait'"
    process = subprocess.Popen(["bash", "-c", text], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"

    bash(kill_script(process.pid))

    # Its children are killed first: its `wait` may return, and it may end by itself, before its own turn comes.
    assert process.wait(SECONDS) in (-signal.SIGKILL, 0)
    assert process.stdout.read() == b""  # nobody is left to hold it
    process.stdout.close()


class Session:
    """A session's shell, with its files below a directory of the test."""

    def __init__(self, root: Path) -> None:
        self.root, self.directory = root, str(root / shells.name_of("work"))
        self.shell = subprocess.Popen(
            ["bash", "-c", self.text(shells.BOOT), "session", self.directory, str(root.parent)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        # Reaped at once, as envd does: a dead process that nobody has reaped still takes signals.
        threading.Thread(target=self.shell.wait).start()
        assert self.shell.stdout is not None
        self.said = self.shell.stdout.readline()

    def text(self, text: str) -> str:
        return text.replace(shells.ROOT, str(self.root))

    def start(self, id: str, command: str, source: str = "none") -> subprocess.Popen[bytes]:
        words = [self.directory, id, base64.b64encode(command.encode()).decode(), source]
        runner = subprocess.Popen(["bash", "-c", self.text(shells.RUN), "runner", *words], stdout=subprocess.PIPE)
        assert runner.stdout is not None
        if runner.stdout.readline() == b"ready\n":
            assert self.shell.stdin is not None
            line = shells.line(f"{self.directory}/{id}", command, reads_input=source == "in")
            self.shell.stdin.write(line.encode())
            self.shell.stdin.flush()
        runner.stdout.close()
        return runner

    def run(self, id: str, command: str) -> int:
        return self.start(id, command).wait(SECONDS)

    def log(self, id: str) -> bytes:
        return Path(self.directory, id, "log").read_bytes()

    def listed(self) -> list[list[str]]:
        printed = bash(self.text(shells.LIST), "*").stdout.decode()
        return [line.split() for line in printed.splitlines()]

    def close(self) -> int:
        return bash(self.text(shells.CLOSE), self.directory).returncode


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = Session(tmp_path / "sessions")
    yield made
    made.close()
    for pipe in (made.shell.stdin, made.shell.stdout):
        assert pipe is not None
        try:
            pipe.close()
        except BrokenPipeError:
            pass  # the shell is gone
    made.shell.wait(SECONDS)


def test_a_session_keeps_its_state_and_marks_its_lines(session: Session) -> None:
    assert session.run("1", "cd /; x='a b'") == 0
    assert session.run("2", "echo $PWD $x; printf oops >&2; (exit 5)") == 5

    assert sorted(session.log("2").split(b"\n")) == [b"", b"\x01\x01\x01/ a b", b"\x02\x02\x02oops"]
    assert [line[:3] for line in session.listed()][1:] == [["c", "1", "0"], ["c", "2", "5"]]


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)


@settings(max_examples=40, deadline=None)
@given(texts)
def test_any_text_survives_the_scripts_quoting(text: str) -> None:
    assert bash(script(f"printf %s {shlex.quote(text)}", "bash")).stdout == text.encode()
    assert bash(script(f"printf %s {shlex.quote(text)}", "sh")).stdout == text.encode()


# One session for all examples: its shell has to stand whatever it was given.
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_any_text_survives_a_sessions_quoting(session: Session, text: str) -> None:
    id = uuid.uuid4().hex

    assert session.run(id, f"printf %s {shlex.quote(text)}; (exit 9)") == 9
    lines = text.encode().split(b"\n")
    if not lines[-1]:
        lines.pop()
    assert session.log(id) == b"".join(b"\1\1\1" + line + b"\n" for line in lines)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("'\"\\$`(){}<|;#*[]!=- \nab", max_size=25))  # nothing that could write, or go on in the background
def test_any_text_given_as_a_command_leaves_the_session_as_it_was(session: Session, text: str) -> None:
    # Broken syntax, unended quotes, heredocs: it ends, and what follows is understood. In a subshell, which may exit.
    session.run(uuid.uuid4().hex, f"(eval {shlex.quote(text)}) </dev/null >/dev/null 2>&1")

    id = uuid.uuid4().hex
    assert session.run(id, "echo fine") == 0
    assert session.log(id) == b"\1\1\1fine\n"


def test_a_command_that_changed_the_path_still_ends(session: Session) -> None:
    assert session.run("1", "PATH=/nowhere; printf() { :; }; mv() { :; }; false") == 1
    assert session.run("2", "echo on") == 0


def test_a_command_that_ends_the_shell_has_the_shells_exit_code(session: Session) -> None:
    assert session.run("1", "echo bye; exit 7") == 7
    assert session.log("1") == b"\x01\x01\x01bye\n"
    assert session.run("2", "true") == shells.ENDED


def test_commands_that_wait_behind_the_one_that_ended_the_shell_end_too(session: Session) -> None:
    first = session.start("1", "read go; exit 3", "in")
    second = session.start("2", "echo never")
    assert bash(shells.INPUT, f"{session.directory}/1", "go").returncode == 0

    assert (first.wait(SECONDS), second.wait(SECONDS)) == (3, 3)
    assert session.log("2") == b""


def test_a_killed_shell_ends_its_commands(session: Session) -> None:
    running = session.start("1", "echo up; sleep 600", "in")
    os.killpg(session.shell.pid, signal.SIGKILL)

    assert running.wait(SECONDS) == 137


def test_a_session_can_be_made_again_only_after_its_shell_was_killed(session: Session) -> None:
    assert session.said == b"ready\n"
    again = ["bash", "-c", session.text(shells.BOOT), "session", session.directory, "/"]
    assert subprocess.run(again, input=b"", timeout=SECONDS, check=False).returncode == shells.EXISTS

    os.killpg(session.shell.pid, signal.SIGKILL)
    session.shell.wait(SECONDS)

    assert session.listed() == []
    anew = subprocess.run(again, input=b"", capture_output=True, timeout=SECONDS, check=False)
    assert anew.stdout == b"ready\n"


def test_a_number_that_is_another_processs_by_now_is_neither_typed_to_nor_killed(session: Session) -> None:
    os.killpg(session.shell.pid, signal.SIGKILL)
    session.shell.wait(SECONDS)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path(session.directory, "pid").write_text(str(stranger.pid))

    assert session.run("1", "true") == shells.ENDED
    assert session.listed() == []
    assert session.close() == 0
    bash(session.text(shells.CLEAR))

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait(SECONDS)


def ended(pipe: int) -> bool:
    """Whether nobody holds the other end."""
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("way", ["close", "clear"])
def test_what_a_shell_that_has_ended_left_behind_is_killed(session: Session, way: str) -> None:
    fifo = Path(session.root.parent, "held")
    os.mkfifo(fifo)
    holder = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    session.run("1", f"sleep 600 >{fifo} 2>&1 & exit 0")
    session.shell.wait(SECONDS)
    wait_until(lambda: not ended(holder))

    assert (session.close() if way == "close" else bash(session.text(shells.CLEAR)).returncode) == 0

    wait_until(lambda: ended(holder))
    os.close(holder)


def test_input_to_nothing_and_to_what_has_ended_is_told_apart(session: Session) -> None:
    session.run("1", "true")

    assert bash(shells.INPUT, f"{session.directory}/none", "x").returncode == shells.MISSING
    assert bash(shells.INPUT, f"{session.directory}/1", "x").returncode == shells.GONE


@given(st.text(max_size=60))
def test_every_session_id_is_a_directorys_name_and_back(id: str) -> None:
    name = shells.name_of(id)

    assert name.replace("-", "").replace("_", "").isalnum()
    assert shells.session_of(name) == id


@given(st.text(max_size=30))
def test_a_commands_id_never_leaves_its_session(id: str) -> None:
    assert shells.directory_of("s", id or "x").rpartition("/")[0] == shells.directory_of("s")
