"""Requests as operations."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.operation import Operation
from router.front.daytona.errors import BadRequest
from router.front.daytona.requests import decode, decode_all
from router.front.daytona.routes import match
from router.front.daytona.wrapper import unwrap


def asked(
    method: str, path: str, body: Any = None, *, query: str = "", websocket: bool = False, headers: Any = None
) -> Operation:
    route = match(method, path, websocket=websocket)
    assert route is not None
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return decode(route, query.encode(), headers or {}, raw)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def wrapped(command: str, env: dict[str, str]) -> str:
    """As SDK 0.115.0 sends it."""
    exports = ";".join(f"export {name}=$(echo '{encoded(value)}' | base64 -d)" for name, value in env.items())
    inner = f"echo '{encoded(command)}' | base64 -d | sh"
    return f'sh -c "{exports}; {inner}"' if env else f'sh -c "{inner}"'


names = st.text("ABCXYZ_abc", min_size=1, max_size=6)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(texts, st.dictionaries(names, texts.map(lambda text: text.rstrip("\n")), max_size=3))
def test_the_sdks_wrapper_is_undone(command: str, env: dict[str, str]) -> None:
    assert unwrap(wrapped(command, env)) == (command, env)


@pytest.mark.parametrize("command", ["echo hi", "sh -c \"echo 'a' | base64 -d | sh; rm x\"", 'sh -c "ls"', ""])
def test_a_command_of_the_users_own_is_left_alone(command: str) -> None:
    assert unwrap(command) is None


def test_a_wrapped_exec_runs_under_sh() -> None:
    body = {"command": wrapped("echo $A", {"A": "it's $HOME"}), "cwd": "/w", "timeout": 5}

    operation = asked("POST", "/toolbox/s/process/execute", body)

    assert operation.name == "process.exec"
    assert operation.arguments == {
        "command": "echo $A", "cwd": "/w", "env": {"A": "it's $HOME"}, "timeout": 5, "shell": "sh",
    }  # fmt: skip


def test_a_native_exec_keeps_its_environment() -> None:
    operation = asked("POST", "/toolbox/s/process/execute", {"command": "ls", "envs": {"A": "b c"}, "timeout": 0})

    assert operation.arguments == {"command": "ls", "cwd": None, "env": {"A": "b c"}, "timeout": None}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"command": ', "line 1 column 13"),
        (b"\xff", "UTF-8"),
        (b"[1]", "not an object"),
        (b"", "send a JSON object"),
        ({"command": "  "}, "empty"),
        ({"command": "ls", "timeout": -1}, "0 for none"),
        ({"command": "ls", "timeout": 1.5}, "whole number"),
        ({"command": "ls", "envs": {"A B": "x"}}, "'A B'"),
        (b'{"command":' + b"[" * 100_000, "JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_fix(body: Any, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        asked("POST", "/toolbox/s/process/execute", body)

    assert words in caught.value.message
    assert caught.value.status == 400


def test_a_bulk_download_becomes_one_operation_per_file() -> None:
    route = match("POST", "/toolbox/s/files/bulk-download")
    assert route is not None

    operations = decode_all(route, b"", {}, b'{"paths": ["/a", "b c"]}')

    assert [(each.name, each.sandbox, each.arguments["path"]) for each in operations] == [
        ("fs.download", "s", "/a"),
        ("fs.download", "s", "b c"),
    ]


def test_paths_in_a_query_are_decoded() -> None:
    assert asked("GET", "/toolbox/s/files/info", query="path=%2Fw%2F%C3%BC+b%26c").arguments == {"path": "/w/ü b&c"}


def test_a_missing_path_is_named() -> None:
    with pytest.raises(BadRequest, match=r"path is required"):
        asked("GET", "/toolbox/s/files/info")


def test_a_create_is_read_field_by_field() -> None:
    body = {"snapshot": "i", "env": {"A": "1"}, "labels": {"id": "p"}, "public": True, "autoStopInterval": 15}

    operation = asked("POST", "/api/sandbox", body)

    assert operation.arguments == {
        "snapshot": "i", "env": {"A": "1"}, "labels": {"id": "p"}, "public": True, "auto_stop_minutes": 15,
    }  # fmt: skip


def test_a_create_says_what_not_every_provider_can_give_it() -> None:
    body = {
        "volumes": [{"volumeId": "v", "mountPath": "/data"}],
        "networkBlockAll": True,
        "networkAllowList": "1.2.3.4",
    }

    assert asked("POST", "/api/sandbox", body).arguments["needs"] == ("volumes", "network settings of a sandbox")
    assert "needs" not in asked("POST", "/api/sandbox", {"volumes": [], "networkBlockAll": False, "gpu": 0}).arguments


@pytest.mark.parametrize(
    ("body", "run_async"), [({"runAsync": True}, True), ({"async": True}, True), ({"async": False}, False), ({}, False)]
)
def test_both_spellings_of_async_are_understood(body: dict[str, bool], run_async: bool) -> None:
    operation = asked("POST", "/toolbox/s/process/session/x/exec", {"command": "ls"} | body)

    assert operation.arguments == {"session": "x", "command": "ls", "run_async": run_async}


def test_logs_followed_over_plain_http_are_a_follow() -> None:
    path = "/toolbox/s/process/session/x/command/c/logs"

    assert asked("GET", path).name == "session.logs"
    assert asked("GET", path, query="follow=true").name == "session.follow"


def test_a_terminals_environment_travels_in_a_subprotocol() -> None:
    envs = base64.urlsafe_b64encode(b'{"A": "x y"}').rstrip(b"=")
    headers = {b"sec-websocket-protocol": b"X-Daytona-Pty-Exit-Control, X-Daytona-Pty-Envs~" + envs}

    operation = asked(
        "GET",
        "/toolbox/s/process/pty/create-connect",
        query="id=p&cols=100&rows=30",
        websocket=True,
        headers=headers,
    )

    assert operation.name == "pty.create"
    assert operation.arguments == {"pty": "p", "cols": 100, "rows": 30, "cwd": None, "env": {"A": "x y"}}


def test_a_terminal_past_the_limit_is_refused() -> None:
    with pytest.raises(BadRequest, match="1 to 1000"):
        asked("POST", "/toolbox/s/process/pty/p/resize", {"cols": 1001, "rows": 2})
