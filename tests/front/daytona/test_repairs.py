"""Repairs of relayed calls, held against real shells and the SDK's own way to wrap a command."""

import base64
import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.front.daytona.dialect import Dialect
from router.front.daytona.repairs import error_text, exec_environment
from router.front.daytona.wrapper import unwrap

# What $(...) keeps of a value: everything but NUL and line ends at the end. Half surrogates are no text.
values = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30).map(
    lambda value: value.rstrip("\n")
)
names = st.from_regex(r"\A[A-Z][A-Z0-9_]{0,6}X\Z")  # X: none that a shell sets itself
environments = st.dictionaries(names, values, min_size=1, max_size=3)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def wrapped(command: str, env: dict[str, str]) -> str:
    """As SDK 0.115 writes it."""
    text = f"echo '{encoded(command)}' | base64 -d | sh"
    if env:
        exports = ";".join(f"export {name}=$(echo '{encoded(value)}' | base64 -d)" for name, value in env.items()) + ";"
        text = f"{exports} {text}"
    return f'sh -c "{text}"'


def ran_by_a_shell(command: str) -> bytes:
    """As daemons since 0.156 run it: read from standard input by a shell of their own."""
    return subprocess.run(["bash"], input=command.encode(), capture_output=True, check=True, timeout=20).stdout


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60), environments | st.just({}))
def test_what_an_sdk_wrapped_is_unwrapped(command: str, env: dict[str, str]) -> None:
    assert unwrap(wrapped(command, env)) == (command, env)


@settings(max_examples=25, deadline=None)
@given(environments)
def test_a_repaired_command_gets_its_variables_whole(env: dict[str, str]) -> None:
    command = "; ".join(f'printf "%s\\0" "${name}"' for name in env)
    body = json.dumps({"command": wrapped(command, env), "cwd": "/", "timeout": 3}).encode()

    repaired = json.loads(exec_environment(body))

    assert (repaired["cwd"], repaired["timeout"]) == ("/", 3)
    assert ran_by_a_shell(repaired["command"]).decode().split("\0") == [*env.values(), ""]


def test_without_the_repair_a_value_is_cut() -> None:
    cut = wrapped('printf "%s" "$A"', {"A": "a b"})

    assert ran_by_a_shell(cut) == b"a"


@pytest.mark.parametrize(
    "body",
    [
        b"no json", b"[]", b"\xff", b'{"command": 3}', b'{ "command": "ls" }', b'{"command": "sh -c \\"echo hi\\""}',
        json.dumps({"command": wrapped("ls", {})}).encode(),
    ],
)  # fmt: skip
def test_every_other_body_is_left_byte_for_byte(body: bytes) -> None:
    assert exec_environment(body) == body


@pytest.mark.parametrize(("version", "told"), [((0, 21, 0), True), ((0, 115, 0), True), ((0, 226, 1), False)])
def test_an_error_without_words_gets_them_for_those_who_read_words(version: tuple[int, ...], told: bool) -> None:
    body = error_text(404, Dialect(version=version), path="/p", method="GET")

    assert bool(body) is told
    assert not told or json.loads(body)["message"] == "404 Not Found"


def test_who_does_not_say_a_version_gets_what_the_origin_said() -> None:
    assert error_text(500, Dialect(), path="/p", method="GET") == b""
