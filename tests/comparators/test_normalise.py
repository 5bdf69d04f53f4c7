"""comparators/normalise.py: each rule, what it changes and what it leaves alone."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from comparison_examples import outputs
from hypothesis import given
from hypothesis import strategies as st

from comparators import normalise as rules
from comparators.normalise import (
    clients_labels,
    clients_variables,
    error_identity,
    error_text,
    final_newline,
    owner_number,
    per_stream,
    permission_bits,
    placed,
    placeholders,
    process_numbers,
    relative_path,
    settled_state,
    shell_names,
    signal_exit,
    valid_text,
    without_ansi,
    without_directory_size,
    without_nul,
    without_shadow_mark,
)

ON_OUTPUT = [valid_text, without_nul, without_ansi, shell_names, process_numbers, without_shadow_mark, final_newline]


@pytest.mark.parametrize("rule", ON_OUTPUT)
@given(output=outputs)
def test_a_rule_on_output_done_twice_is_done_once(rule: Callable[[Any], Any], output: bytes) -> None:
    assert rule(rule(output)) == rule(output)


@pytest.mark.parametrize("rule", ON_OUTPUT)
@given(words=st.lists(st.from_regex(r"\A[a-z0-9 .,:/=-]{1,20}\Z").filter(lambda word: "sh" not in word), max_size=5))
def test_a_rule_on_output_leaves_ordinary_lines_alone(rule: Callable[[Any], Any], words: list[str]) -> None:
    output = "".join(f"> {word}\n" for word in words).encode()

    assert rule(output) == output


@pytest.mark.parametrize(
    "rule", [*ON_OUTPUT, per_stream, signal_exit, permission_bits, owner_number, relative_path, placed]
)
@pytest.mark.parametrize("odd", [None, 1.5, "text", {"a": 1}, True])
def test_a_rule_is_total(rule: Callable[[Any], Any], odd: Any) -> None:
    rule(odd)


def test_bytes_that_are_no_text_become_one_mark() -> None:
    assert valid_text(b"a\xff\xfe\xfdb") == "a\ufffdb".encode()


def test_nul_bytes_go() -> None:
    assert without_nul(b"a\0b\0") == b"ab"


@pytest.mark.parametrize(
    "escape",
    [b"\x1b[31m", b"\x1b[0;1;31m", b"\x1b[2J", b"\x1b]0;title\x07", b"\x1b]8;;x\x1b\\", b"\x1b(B", b"\x1b=", b"\x1b7"],
)
def test_escape_sequences_go(escape: bytes) -> None:
    assert without_ansi(b"a" + escape + b"b") == b"ab"


@pytest.mark.parametrize(
    "line",
    [
        b"/usr/bin/bash: line 1: foo: command not found",
        b"bash: line 17: foo: command not found",
        b"bash: foo: command not found",
        b"-bash: foo: command not found",
        b"/bin/bash: -c: line 1: foo: command not found",
        b"sh: 1: foo: not found",
        b"/bin/sh: 12: foo: not found",
        b"zsh: command not found: foo",
        b"zsh:1: command not found: foo",
        b"/tmp/.daytona/s1/cmd.sh: line 1: foo: command not found",
        b"/tmp/crossfade/1/command: line 1: foo: command not found",
    ],
)
def test_shells_say_command_not_found_in_one_way(line: bytes) -> None:
    assert shell_names(b"x\n" + line + b"\ny") == b"x\n<shell>: foo: command not found\ny"


def test_a_missing_working_directory_names_no_shell() -> None:
    expected = b"fork/exec <shell>: no such file or directory"

    assert shell_names(b"fork/exec /usr/bin/bash: no such file or directory") == expected
    assert shell_names(b"fork/exec /bin/sh: no such file or directory") == expected


def test_another_programs_complaint_keeps_its_name_and_line() -> None:
    for line in (b"make: line 3: x", b"/work/build.sh: line 3: x", b"crash: 1: x", b"python: foo: not found"):
        assert shell_names(line) == line


def test_process_numbers_go_from_the_shells_own_messages_only() -> None:
    assert process_numbers(b"[1] 4242\n4242\n[1]+ 17") == b"[1] <pid>\n4242\n[1]+ <pid>"
    assert process_numbers(b"<shell>: 812 Killed                  sleep") == b"<shell>: Killed                  sleep"
    assert process_numbers(b"<shell>: 812 apples") == b"<shell>: 812 apples"


def test_the_mark_of_repeated_commands_goes_and_its_namesakes_stay() -> None:
    assert without_shadow_mark(b"A=1\nCROSSFADE_SHADOW=1\nB=2\n") == b"A=1\nB=2\n"
    assert (
        without_shadow_mark(b"XCROSSFADE_SHADOW=1\nCROSSFADE_SHADOW=12\n")
        == b"XCROSSFADE_SHADOW=1\nCROSSFADE_SHADOW=12\n"
    )
    assert clients_variables({"CROSSFADE_SHADOW": True, "A": True}) == {"A": True}


def test_output_ends_with_a_newline_and_empty_output_stays_empty() -> None:
    assert final_newline(b"a") == b"a\n"
    assert final_newline(b"a\n\n") == b"a\n\n"
    assert final_newline(b"") == b""


def test_marked_output_is_split_by_stream_whatever_the_order() -> None:
    one = per_stream(b"\1\1\1a\n\2\2\2e\n\1\1\1b\n")
    other = per_stream(b"\2\2\2e\n\1\1\1a\n\1\1\1b\n")

    assert one == other == {"stdout": b"a\nb\n", "stderr": b"e\n"}
    assert per_stream(b"before\1\1\1a") == {"unmarked": b"before", "stdout": b"a"}


@pytest.mark.parametrize(
    ("said", "meant"), [(-1, -1), (137, -1), (143, -1), (0, 0), (1, 1), (130, 130), (255, 255), (None, None)]
)
def test_only_exit_codes_of_a_signal_are_brought_together(said: int | None, meant: int | None) -> None:
    assert signal_exit(said) == meant


def test_permission_bits_are_nine() -> None:
    assert permission_bits(0o4755) == 0o755
    assert permission_bits(0o100644) == 0o644


@pytest.mark.parametrize(
    ("said", "meant"), [("root", "0"), ("0", "0"), ("007", "7"), ("1000", "1000"), ("user", "user"), ("", "")]
)
def test_owners_are_numbers_where_they_can_be(said: str, meant: str) -> None:
    assert owner_number(said) == meant


def test_a_directory_has_no_size_and_a_file_has() -> None:
    assert without_directory_size({"is_dir": True, "size": 4096}) == {"is_dir": True}
    assert without_directory_size({"is_dir": False, "size": 4096}) == {"is_dir": False, "size": 4096}


@pytest.mark.parametrize(
    ("paths", "places"),
    [
        (["/w/a", "/w/d/a", "/w/d/e/a"], ["a", "d/a", "d/e/a"]),
        (["./a", "./d/a", "./d/e/a"], ["a", "d/a", "d/e/a"]),
        (["a", "d/a"], ["a", "d/a"]),
        (["/a", "/d/a"], ["a", "d/a"]),
        (["/a/", "/d/a/"], ["a", "d/a"]),
        (["", ""], ["a", "a"]),
        (["/somewhere/else/a"], ["a"]),
    ],
)
def test_an_entry_has_its_place_below_the_directory_listed(paths: list[str], places: list[str]) -> None:
    found = placed([{"name": "a", "path": path} for path in paths])

    assert [row["place"] for row in found] == places
    assert placed([{"name": "a", "place": row["place"]} for row in found]) == [
        {"name": "a", "place": place} for place in places
    ]


@pytest.mark.parametrize(
    ("said", "meant"), [("./a/b", "a/b"), (".//a", "a"), ("././a", "a"), ("a", "a"), ("./", "./"), ("../a", "../a")]
)
def test_relative_paths_have_one_form(said: str, meant: str) -> None:
    assert relative_path(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("starting", "started"),
        ("paused", "stopped"),
        ("archived", "stopped"),
        ("started", "started"),
        ("build_failed", "error"),
        ("error", "error"),
        ("odd", "odd"),
    ],
)
def test_a_state_on_its_way_is_where_it_goes(said: str, meant: str) -> None:
    assert settled_state(said) == settled_state(meant) == meant


def test_our_own_labels_go() -> None:
    assert clients_labels({"crossfade.key": "1", "crossfade_nonce": "2", "crossfades": "3", "id": "4"}) == {
        "crossfades": "3",
        "id": "4",
    }


@pytest.mark.parametrize(
    ("code", "status", "identity"),
    [
        ("NOT_FOUND", 404, "NOT_FOUND"),
        ("Not Found", 404, "NOT_FOUND"),
        ("FILE_NOT_FOUND", 404, "NOT_FOUND"),
        ("", 404, "NOT_FOUND"),
        ("", 507, "INSUFFICIENT_STORAGE"),
        ("PROCESS_EXECUTION_TIMEOUT", 408, "REQUEST_TIMEOUT"),
        ("COMMAND_ALREADY_COMPLETED", 410, "GONE"),
        ("GIT_AUTH_FAILED", 401, "GIT_AUTH_FAILED"),
        ("", 200, ""),
    ],
)
def test_an_error_is_the_same_in_every_era_of_the_daemon(code: str, status: int, identity: str) -> None:
    assert error_identity(code, status) == identity
    assert error_identity(identity, status) == identity


def test_error_texts_lose_what_their_era_or_wire_put_there() -> None:
    said = {
        error_text("not found: file /workspace/a.txt missing"),
        error_text("Not found: file /root/a.txt missing."),
        error_text("Failed to get file info: not found: file /x missing"),
        error_text("file /workspace/a.txt missing"),
    }

    assert said == {"file <path> missing"}
    assert error_text("see https://proxy.example/toolbox/1 for sandbox 6f9a1b2c3d") == "see <url> for sandbox <id>"


@given(st.text(max_size=40))
def test_an_error_text_is_normalised_once(text: str) -> None:
    assert error_text(error_text(text)) == error_text(text)


def test_placeholders_replace_whole_names_longest_first() -> None:
    names = {"/root": "<home>", "/root/work": "<work>", "": "never"}

    assert placeholders(b"/root/work/a /root/b /rooted", names) == b"<work>/a <home>/b /rooted"
    assert placeholders("/root", names) == "<home>"
    assert placeholders(7, names) == 7


def test_every_rule_has_a_sentence() -> None:
    public = [
        value
        for name, value in vars(rules).items()
        if callable(value) and getattr(value, "__module__", "") == rules.__name__
    ]

    assert all(rule.__doc__ for rule in public)


@pytest.mark.parametrize("rule", [*ON_OUTPUT, per_stream])
@pytest.mark.parametrize(
    "piece", [b"\x1b[", b"\x1b]", b"/cmd", b"cmd", b"bash: ", b"[1] ", b"a/", b" ", b"<shell>: ", b"\1\1\1"]
)
def test_a_rule_on_output_takes_time_that_grows_with_the_output(rule: Callable[[Any], Any], piece: bytes) -> None:
    before = time.perf_counter()
    rule(b"/a/" + piece * (100_000 // len(piece)))

    assert time.perf_counter() - before < 1
