"""The embedded Daytona server under three genuine SDKs."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.daytona import (
    expected_code,
    expected_exact,
    expected_git,
    expected_hard,
    expected_lifecycle,
    expected_processes,
    expected_transfers,
)
from tests.conformance.daytona.expected import expected_in, told
from tests.conformance.daytona.expected_alone import ALONE, HELPERS
from tests.conformance.daytona.expected_lifecycle import NEVER_DONE, NEVER_FAIL
from tests.conformance.daytona.harness import SDKS, Ran, Results, comparable, embedded_server, run_scenarios

pytestmark = pytest.mark.sdk
KEY = "test-key"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with embedded_server(tmp_path_factory.mktemp("daytona"), key=KEY) as address:
        yield f"{address}/api"


@pytest.fixture(scope="module", params=list(SDKS))
def ran(request: pytest.FixtureRequest, url: str) -> tuple[str, Results]:
    return request.param, run_scenarios(request.param, url, KEY)


# By SDK: 0.21 async raises its client's own errors, 0.115 two classes, the newest one class per status.
NOT_FOUND = {"0.21": "NotFoundException", "0.115": "DaytonaNotFoundError", "newest": "DaytonaNotFoundError"}
CONFLICT = {"0.21": "ConflictException", "0.115": "DaytonaError", "newest": "DaytonaConflictError"}
BAD = {"0.21": "BadRequestException", "0.115": "DaytonaError", "newest": "DaytonaBadRequestError"}
ERRORS = {
    "sandbox_unknown": NOT_FOUND,
    "exec_timeout": {"0.21": "ApiException", "0.115": "DaytonaError", "newest": "DaytonaTimeoutError"},
    "session_deleted": NOT_FOUND,
    "session_unknown": NOT_FOUND,
    "session_command_unknown": NOT_FOUND,
    "session_twice": CONFLICT,
    "pty_twice": CONFLICT,
    "pty_unknown": NOT_FOUND,
    "folder_on_a_file": BAD,
    "file_deleted": NOT_FOUND,
    "file_delete_missing": NOT_FOUND,
    "file_moved_onto_another": CONFLICT,
    "info_missing": NOT_FOUND,
    "list_missing": NOT_FOUND,
    "list_on_a_file": BAD,
    "download_missing": NOT_FOUND | {"0.115": "DaytonaError"},
    "download_directory": BAD,
    "upload_onto_a_directory": {"0.21": "HTTPStatusError", "0.115": "DaytonaError", "newest": "DaytonaError"},
    "wrong_key": {"0.21": "UnauthorizedException", "0.115": "DaytonaError", "newest": "DaytonaAuthenticationError"},
}


def entry(name: str, size: int | None, permissions: str, mode: str) -> dict[str, Any]:
    return {"name": name, "dir": size is None, "size": size, "mode": mode, "permissions": permissions}


RESULTS: dict[str, Any] = {
    "sandbox_created": {
        "state": "started", "labels": {"suite": "main"}, "public": True, "env": "1048x768x24", "auto_stop": 15,
    },
    "sandbox_got_by_id": {"same": True, "state": "started"},
    "sandboxes_listed_by_label": [True],
    "sandboxes_listed_page_by_page": True,
    "sandbox_stopped_and_started": {"stopped": "stopped", "started": "started", "kept": "kept"},
    "sandbox_deleted": {"gone": True},
    "preview_link": {"url": True, "token": True},
    "labels_set": {"b": "2", "suite": "labelled"},
    "interval_set": 20,
    "exec_bad_cwd": {"exit": -1, "said": True},
    "exec_many_lines": {"exit": 0, "lines": 20000, "last": "20000"},
    "session_exit_codes": [0, 7, 127],
    "session_follow": {"out": ["out 1", "out 2", "out 3"], "err": True},
    "session_read_back": {"id": "read", "commands": [["echo hi", 0]]},
    "sessions_listed": True,
    "pty_echo_and_exit": {"exit": 0, "error": None},
    "pty_nonzero_exit": {"exit": 3, "failed": True},
    "pty_size_and_environment": [True, True, True, True],
    "pty_killed": {"listed": True, "exit": 137},
    "file_up_and_down": "content\n",
    "file_every_byte": True,
    "file_empty": [True, entry("empty", 0, "0644", "-rw-r--r--")],
    "file_big": {"size": 3_145_728, "same": True},
    "file_many": ["1.txt", "3 with space.txt", "deep"],
    "files_downloaded_together": [["/workspace/files/one", "one", False], ["/workspace/files/not-there", None, True]],
    "file_odd_names": {"read": [True] * 4, "listed": True},
    "file_relative_path": "relative",
    "file_info": entry("info.txt", 5, "0644", "-rw-r--r--"),
    "directory_info": entry("dir", None, "0755", "drwxr-xr-x"),
    "files_listed": [
        entry(".hidden", 7, "0644", "-rw-r--r--"),
        entry("a.txt", 5, "0644", "-rw-r--r--"),
        entry("b.txt", 5, "0644", "-rw-r--r--"),
        entry("sub", None, "0755", "drwxr-xr-x"),
    ],
    "folder_made_twice": "0700",
    "file_moved": "moving",
    "text_found": [["/workspace/find/f.txt", 2, "needle here"]],
    "names_searched": ["/workspace/search/sub/y.py", "/workspace/search/x.py"],
    "text_replaced": {"success": [True], "content": "a new b new"},
    "sandbox_started_by_the_client": {"stopped": "stopped", "ran": 0},
    "sandbox_archived": {"rests": True, "kept": "kept"},
    "sandbox_found_by_label": True,
}  # fmt: skip

# Commands: exit code and output; 0.115 drops one line end at the end.
OUTPUTS = {
    "exec_ok": (0, "hello\nworld\n"),
    "exec_nonzero": (3, "before\nproblem\n"),
    "exec_cwd": (0, "/workspace/files\n"),
    "exec_environment": (0, 'a b\nit\'s "fine"\n$(echo no) $HOME `id`\ngrüße 🌍\n1048x768x24\n'),
    "exec_quotes_and_pipes": (0, "A 'B' \"C\"\n$(echo no)\n"),
    "exec_unicode": (0, "grüße 🌍\n13\n"),
    "exec_binary_output": (0, "a\ufffdb\n"),
    "exec_heredoc": (0, "$one\n  two\nafter\n"),
    "exec_timeout_not_reached": (0, "quick\n"),
    "exec_background_redirected": (0, "started\n"),
    "code_run": (0, "from python 42\n"),
    **expected_code.OUTPUTS,
    **expected_hard.OUTPUTS,
    **expected_processes.OUTPUTS,
}

AREAS = (expected_code, expected_git, expected_hard, expected_lifecycle, expected_processes, expected_transfers)
TOLD: dict[str, Any] = {name: each for area in (*AREAS, expected_exact) for name, each in area.RESULTS.items()}
TOLD_BY_ERA: dict[str, dict[str, Any]] = {name: each for area in AREAS for name, each in area.BY_ERA.items()}


def era(sdk: str) -> str:
    return sdk.removeprefix("daytona-").removesuffix(".0")


def test_every_result_is_as_expected(ran: tuple[str, Results]) -> None:
    _, results = ran
    wrong = {
        name: (results[name], expected) for name, expected in RESULTS.items() if results.get(name, expected) != expected
    }

    assert wrong == {}


def test_every_result_told_by_status_is_as_expected(ran: tuple[str, Results]) -> None:
    sdk, results = ran
    expected = TOLD | {name: eras[era(sdk)] for name, eras in TOLD_BY_ERA.items()}

    assert {name: told(results[name]) for name in expected if name in results} == {
        name: expected_in(era(sdk), each) for name, each in expected.items() if name in results
    }


def test_every_command_prints_what_it_should(ran: tuple[str, Results]) -> None:
    sdk, results = ran
    cut = "\n" if era(sdk) == "0.115" else ""
    expected = {name: {"exit": code, "output": text.removesuffix(cut)} for name, (code, text) in OUTPUTS.items()}

    assert {name: results[name] for name in OUTPUTS} == expected


def test_every_error_has_its_class(ran: tuple[str, Results]) -> None:
    sdk, results = ran
    expected = {name: classes[era(sdk)] for name, classes in ERRORS.items() if name in results}

    assert {name: results[name].get("error") for name in expected} == expected


def test_streams_are_marked_split_or_stripped_by_version(ran: tuple[str, Results]) -> None:
    sdk, results = ran
    out, err = results["session_streams"]
    old = era(sdk) == "0.21"

    assert out["output"] == ("out\n" if old else "\1\1\1out\n")
    assert err["output"] == ("err\n" if old else "\2\2\2err\n")
    assert old or (out["stdout"], out["stderr"], err["stdout"], err["stderr"]) == ("out\n", "", "", "err\n")
    logs = results["session_logs"]
    assert logs["output"] == ("one\ntwo\n" if old else "\1\1\1one\n\1\1\1two\n")


def test_no_scenario_is_broken_or_without_expectation(ran: tuple[str, Results]) -> None:
    _, results = ran
    known = RESULTS.keys() | OUTPUTS.keys() | ERRORS.keys() | TOLD.keys() | TOLD_BY_ERA.keys()
    known |= {"session_keeps_its_state", "session_streams", "session_logs", "session_async_and_logs"}
    known |= {"permissions_set", "directory_deleted", "intervals_set", *ALONE}

    assert results.keys() <= known
    assert {name: result for name, result in results.items() if isinstance(result, dict) and "broken" in result} == {}


def test_every_public_method_of_the_sdk_is_called_by_a_scenario(ran: tuple[str, Results]) -> None:
    sdk, results = ran
    assert isinstance(results, Ran)

    assert {"PtyHandle.kill", "Sandbox.stop"} & results.there == (
        {"Sandbox.stop"} if era(sdk) == "0.21" else {"PtyHandle.kill", "Sandbox.stop"}
    )
    assert results.there - results.called.keys() == HELPERS
    if sdk == "daytona-newest":
        assert_succeeds_and_fails(results)


def assert_succeeds_and_fails(results: Ran) -> None:
    """Every method has a call that is done and one that fails, but for those that are known not to."""
    never_fail = {name for name, how in results.called.items() if "failed" not in how}
    never_done = {name for name, how in results.called.items() if "done" not in how}

    assert never_fail <= NEVER_FAIL
    assert {name for name in never_done if not {name, name.partition(".")[0]} & NEVER_DONE} == set()


def test_code_in_every_language_is_run(ran: tuple[str, Results]) -> None:
    sdk, results = ran
    wanted = {name for name in expected_code.OPTIONAL if expected_code.BY_ERA[name][era(sdk)] is not None}
    if missing := sorted(wanted - results.keys()):
        pytest.skip(f"nothing here runs {', '.join(missing)}")

    assert wanted <= results.keys()


@pytest.mark.full
@pytest.mark.parametrize("sdk", SDKS)
def test_the_blocking_classes_can_do_the_same(sdk: str, url: str) -> None:
    results = run_scenarios(sdk, url, KEY, blocking=True)

    assert {name: result for name, result in results.items() if isinstance(result, dict) and "broken" in result} == {}
    assert results.there - results.called.keys() == HELPERS
    if sdk == "daytona-newest":
        assert_succeeds_and_fails(results)


def test_a_second_run_is_comparable_with_the_first(url: str) -> None:
    subset = ["sandbox_created", "info_missing", "session_streams", "exec_timeout", "upload_onto_a_directory"]

    first = run_scenarios("daytona-0.115.0", url, KEY, subset)
    second = run_scenarios("daytona-0.115.0", url, KEY, subset)

    assert first.keys() == set(subset)
    assert comparable(first) == comparable(second)
