"""The route table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.operation import OPERATIONS
from router.front.daytona.routes import allowed, match

CASES = [
    ("POST", "/api/sandbox", "sandbox.create", "sandbox.create", ""),
    ("GET", "/api/sandbox", "sandbox.list", "list", ""),
    ("GET", "/api/sandbox/paginated", "sandbox.list", "list_paginated", ""),
    ("GET", "/api/sandbox/abc", "sandbox.get", "sandbox.get", "abc"),
    ("DELETE", "/api/sandbox/abc", "sandbox.delete", "sandbox.delete", "abc"),
    ("POST", "/api/sandbox/abc/autostop/15", "sandbox.interval", "auto_stop", "abc"),
    ("GET", "/api/sandbox/abc/ports/8080/preview-url", "sandbox.preview", "sandbox.preview", "abc"),
    ("GET", "/api/sandbox/abc/toolbox-proxy-url", "", "toolbox_url", "abc"),
    ("GET", "/api/config", "", "config", ""),
    ("GET", "/toolbox/abc/files", "fs.list", "fs.list", "abc"),
    ("POST", "/toolbox/abc/files/bulk-upload", "fs.upload", "bulk_upload", "abc"),
    ("POST", "/toolbox/abc/process/execute", "process.exec", "process.exec", "abc"),
    ("GET", "/api/toolbox/abc/toolbox/files/info", "fs.info", "fs.info", "abc"),
    ("GET", "/api/toolbox/abc/toolbox/project-dir", "sandbox.home_dir", "sandbox.home_dir", "abc"),
    ("POST", "/toolbox/abc/git/clone", "git.clone", "git.clone", "abc"),
    ("DELETE", "/toolbox/abc/git/branches", "git.branch_delete", "git.branch_delete", "abc"),
    ("POST", "/toolbox/abc/git/stash", "", "unknown", "abc"),
    ("POST", "/api/sandbox/abc/resize", "", "unknown", "abc"),
    ("PATCH", "/toolbox/abc/files", "", "wrong_method", "abc"),
]


@pytest.mark.parametrize(("method", "path", "operation", "kind", "sandbox"), CASES)
def test_a_request_line_names_its_operation(method: str, path: str, operation: str, kind: str, sandbox: str) -> None:
    route = match(method, path)

    assert route is not None
    assert (route.operation, route.kind, route.sandbox) == (operation, kind, sandbox)
    assert not sandbox or sandbox not in route.template


@pytest.mark.parametrize("path", ["/", "/api", "/api/snapshots", "/api/sandbox/ssh-access/validate/x", "/x/y", "x", ""])
def test_a_path_nobody_knows_has_no_route(path: str) -> None:
    assert match("GET", path) is None


def test_variable_segments_are_decoded_after_the_split() -> None:
    route = match("GET", "/toolbox/s/process/session/a%2Fb/command/c%20d/logs")

    assert route is not None
    assert dict(route.captures) == {"session": "a/b", "command_id": "c d"}


def test_a_handshake_and_a_plain_get_of_logs_are_told_apart() -> None:
    path = "/toolbox/s/process/session/a/command/c/logs"

    plain, handshake = match("GET", path), match("GET", path, websocket=True)

    assert plain is not None
    assert handshake is not None
    assert (plain.operation, plain.websocket) == ("session.logs", False)
    assert (handshake.operation, handshake.websocket) == ("session.follow", True)


def test_a_terminal_made_by_its_handshake_is_a_create() -> None:
    route = match("GET", "/toolbox/s/process/pty/create-connect", websocket=True)

    assert route is not None
    assert (route.operation, route.websocket) == ("pty.create", True)


def test_the_methods_of_a_path_are_known() -> None:
    assert allowed("/toolbox/s/files") == ("DELETE", "GET")
    assert allowed("/nowhere") == ()


@given(st.sampled_from(["GET", "POST", "DELETE", "PUT"]), st.text(alphabet="/apitolbxsnd{}%2.é\0", max_size=40))
def test_any_request_line_has_an_answer(method: str, path: str) -> None:
    route = match(method, path)

    assert route is None or route.operation == "" or route.operation in OPERATIONS
