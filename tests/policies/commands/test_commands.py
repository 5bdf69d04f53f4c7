"""What commands may change: a corpus, and what holds for every command."""

import base64
import shlex
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.commands.classes import Class
from policies.commands.commands import Commands
from policies.commands.parsing import PASSED_OVER
from policies.commands.rules import built_in
from tests.policies.commands.corpora import ALL

ORDER = list(Class)
EMPTY = ("", "   ", "# only a comment")
COMMANDS = Commands(built_in())
# Scripts that may stand beside others: what is no script, or ends in a comment, belongs to no other.
understood = st.sampled_from([command for by, command in ALL if by is not Class.UNKNOWN])
unknown = st.sampled_from(
    [
        command
        for by, command in ALL
        if by is Class.UNKNOWN and command not in EMPTY and "parsed" not in COMMANDS.classed(command).rule
    ]
)
scripts = st.one_of(understood, unknown)


def by(command: str) -> Class:
    return COMMANDS.classed(command).by


def rank(command: str) -> int:
    return ORDER.index(by(command))


@pytest.mark.parametrize(("expected", "command"), ALL)
def test_a_command_of_the_corpus_has_its_class(expected: Class, command: str) -> None:
    assert by(command) is expected


def encoded(command: str) -> str:
    return base64.b64encode(command.encode()).decode()


WRAPPERS = {
    "sh -c": lambda c: f"sh -c {shlex.quote(c)}",
    "bash -lc": lambda c: f"bash -lc {shlex.quote(c)}",
    "env": lambda c: f"env LANG=C sh -c {shlex.quote(c)}",
    "timeout": lambda c: f"timeout 5 bash -c {shlex.quote(c)}",
    "nohup": lambda c: f"nohup sh -c {shlex.quote(c)} &",
    "eval": lambda c: f"eval {shlex.quote(c)}",
    "subshell": lambda c: f"(\n{c}\n)",
    "group": lambda c: f"{{\n{c}\n}}",
    "base64": lambda c: f"echo {encoded(c)} | base64 -d | sh",
    "base64, printed": lambda c: f"printf '%s' '{encoded(c)}' | base64 --decode | bash",
    "document": lambda c: f"bash <<'END_OF_IT'\n{c}\nEND_OF_IT",
    "redirected": lambda c: f"(\n{c}\n) > out.txt",
    "piped": lambda c: f"(\n{c}\n) | cat",
    "condition": lambda c: f"if true; then\n{c}\nfi",
    "loop": lambda c: f"for i in 1 2; do\n{c}\ndone",
    "substitution": lambda c: f'echo "$({c}\n)"',
    "prefix": lambda c: f"LANG=C bash -c {shlex.quote(c)}",
    "find": lambda c: f"find . -exec sh -c {shlex.quote(c)} \\;",
    "xargs": lambda c: f"ls | xargs -I{{}} sh -c {shlex.quote(c)}",
    "typed": lambda c: f"tmux send-keys -t b {shlex.quote(c)} Enter",
    "python": lambda c: f"python3 -c {shlex.quote(f'import os; os.system({c!r})')}",
    "python in base64": lambda c: f"python3 -c {shlex.quote(_exec(f'import os; os.system({c!r})'))}",
    "sudo": lambda c: f"sudo sh -c {shlex.quote(c)}",
}


def _exec(code: str) -> str:
    return f"exec(__import__('base64').b64decode('{encoded(code)}').decode())"


@pytest.mark.parametrize("wrapper", WRAPPERS)
@settings(max_examples=60, deadline=None)
@given(command=scripts)
def test_a_wrapper_never_lowers_a_class(wrapper: str, command: str) -> None:
    assert rank(WRAPPERS[wrapper](command)) >= rank(command)


@pytest.mark.parametrize("wrapper", [name for name in WRAPPERS if name not in ("typed", "python in base64")])
def test_wrappers_are_seen_through(wrapper: str) -> None:
    assert by(WRAPPERS[wrapper]("pip install flask")) is Class.EXTERNAL


@settings(max_examples=200, deadline=None)
@given(one=understood, other=understood, sign=st.sampled_from(["\n", "\n\n"]))
def test_commands_together_have_the_highest_of_their_classes(one: str, other: str, sign: str) -> None:
    said = COMMANDS.classed(one + sign + other)

    # The parser takes some lines for one; that is found out, and then nothing is understood.
    assert said.rule == PASSED_OVER or ORDER.index(said.by) == max(rank(one), rank(other))


def test_two_lines_that_the_parser_takes_for_one_command_are_unknown() -> None:
    assert COMMANDS.classed("ls | cat | cat\nrm x > /dev/null 2>&1").rule == PASSED_OVER
    assert by("ls | cat | cat\nrm x") is Class.LOCAL
    assert by("ls |\n cat &&\n ls \\\n -l") is Class.READ


@settings(max_examples=200, deadline=None)
@given(one=understood, odd=unknown, first=st.booleans())
def test_one_command_that_is_not_understood_makes_all_of_them_unknown(one: str, odd: str, first: bool) -> None:
    assert by(f"{odd}\n{one}" if first else f"{one}\n{odd}") is Class.UNKNOWN


@settings(max_examples=300, deadline=None)
@given(name=st.from_regex(r"[a-z][a-z0-9_]{5,12}", fullmatch=True), command=understood)
def test_a_program_that_no_rule_knows_is_never_read(name: str, command: str) -> None:
    unheard = f"zz{name}"

    assert by(f"{command}\n{unheard}") is by(unheard) is by(f"./{name}") is Class.UNKNOWN


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=60))
def test_any_text_has_a_class(text: str) -> None:
    assert by(text) in Class


@pytest.mark.parametrize("start", ["{", "{1", "{1..", "{12..34", "ls {a,b} {", "echo '{", "${", 'echo "{'])
def test_a_letter_of_no_alphabet_behind_a_brace_does_not_end_the_process(start: str) -> None:
    # In a process of its own: what this once did ends whatever runs it.
    code = (
        "import random, sys; from tests.policies.commands.test_commands import by\n"
        "for _ in range(1000): by(sys.argv[1] + chr(random.choice((random.randrange(0x80, 0xD800), "
        "random.randrange(0xE000, 0x110000)))) + '}')"
    )
    ended = subprocess.run([sys.executable, "-c", code, start], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr[-500:]


HOSTILE = [
    *("<" * 65_000, "${" * 30_000, '"$(' * 20_000, "(" * 65_000, "{ " * 30_000, "`" * 65_000, "<<A " * 15_000),
    *("ls && " * 10_000 + "ls", "ls | " * 10_000 + "ls", "ls " + "a " * 30_000, "if ls; then " * 5_000, "a[" * 30_000),
    *("sed 's/" + "[" * 60_000 + "' f", "awk '{print " + "$1," * 20_000 + "}'", "sed '" + "1p;" * 20_000 + "x' f"),
    *("eval " * 10_000 + "ls", "sh -c " * 10_000 + "ls", "! " * 30_000 + "ls", "env " * 15_000 + "ls"),
    *("python3 -c '" + "-" * 16_000 + "1'", "python3 -c '" + "(" * 9_000 + "'"),
]  # fmt: skip


@pytest.mark.parametrize("command", HOSTILE, ids=lambda command: command[:12])
def test_a_hostile_command_is_answered_in_bounded_time(command: str) -> None:
    started = time.thread_time()
    by(command)

    assert time.thread_time() - started < 0.5


def test_what_is_longer_than_the_limit_is_unknown_and_a_long_document_is_not() -> None:
    document = "cat > page.html <<'EOF'\n" + "<p class='a'>text</p>\n" * 2_000 + "EOF"

    assert by("ls " + "a" * 65_536) is Class.UNKNOWN
    assert by("echo " + "é" * 33_000) is Class.UNKNOWN, "bytes count, not characters"
    assert by(document) is Class.LOCAL


@pytest.mark.parametrize(
    ("command", "rule", "word", "through"),
    [
        ("ls; rm -rf /x; cat a", "rm", "rm", ()),
        ("cd app && npm install", "npm install", "install", ()),
        ("ls > f", "a redirection", "> f", ()),
        ("ls; foo --bar", "no rule knows this program", "foo", ()),
        ("timeout 5 bash -lc 'pip install x'", "pip install", "install", ("timeout", "bash")),
        ("find . -name x -delete", "find -delete", "-delete", ()),
        ("sed -i s/a/b/ f", "sed -i", "-i", ()),
        ("PATH=. ls", "a variable that may change what programs do", "PATH", ()),
        ("sort --random-source=x a", "sort: an option that no rule lists", "--random-source=x", ()),
    ],
)
def test_a_class_names_the_rule_and_the_word(command: str, rule: str, word: str, through: tuple[str, ...]) -> None:
    said = COMMANDS.classed(command)

    assert (said.rule, said.word, said.through) == (rule, word, through)


@pytest.mark.parametrize(
    ("command", "anywhere", "processes", "leaves"),
    [
        ("tmux has-session -t b 2>/dev/null || echo 'not_exists'", True, True, False),
        ("tmux capture-pane -t b -p -S - -E -", True, True, False),
        ("cat a", False, False, False),
        ("ps aux | grep node", False, True, False),
        ("curl -s http://localhost:8004/api", False, True, False),
        ("sleep 9 &", False, False, True),
        ("tmux send-keys -t b ls Enter", False, False, True),
    ],
)
def test_what_else_is_said_of_a_command(command: str, anywhere: bool, processes: bool, leaves: bool) -> None:
    said = COMMANDS.classed(command)

    assert (said.anywhere, said.processes, said.leaves_running) == (anywhere, processes, leaves)


def test_a_command_is_looked_at_once_and_what_is_kept_is_bounded() -> None:
    commands = Commands(built_in())
    first = commands.classed("ls -la")
    long = "cat " + "a" * 5_000

    assert commands.classed("ls -la") is first
    assert commands.classed(long) is commands.classed(long)
    for number in range(5_000):
        commands.classed(f"cat {number}")
    assert len(commands._known) <= 4096
    assert max(len(key) for key in commands._known) <= 256


def test_environment_variables_that_may_change_programs_are_told() -> None:
    assert COMMANDS.harmless(["LANG", "GEMINI_API_KEY"])
    assert not COMMANDS.harmless(["LANG", "LD_PRELOAD"])
    assert not COMMANDS.harmless(["PATH"])
