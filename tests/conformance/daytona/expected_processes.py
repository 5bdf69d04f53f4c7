"""What the scenarios of commands, sessions, terminals and interpreter contexts give."""

from typing import Any

from tests.conformance.daytona.expected import Refused, by_era, session_said

BAD, MISSING, GONE, BROKEN = Refused(400), Refused(404), Refused(410), Refused(500, "DaytonaInternalServerError")
TOO_LATE = Refused(408, "DaytonaTimeoutError")

# Commands: exit code and output; 0.115 drops one line end at the end.
OUTPUTS = {
    "exec_odd_directory": (0, '/workspace/files/it\'s "$(a)" ü\n'),
    "exec_long_command": (0, "204800\n"),
    "exec_split_characters": (0, "日本\n"),
    "exec_piped_input": (0, "second\nend\n"),
    "code_run_failing": (4, "out\n"),
    "code_run_with_arguments": (0, "['one', 'two'] a b\n"),
}


def _failed(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


RESULTS: dict[str, Any] = {
    "exec_odd_environment": dict.fromkeys(("SUBSTITUTED", "QUOTED", "LINES", "SPACED", "SIGNS", "WIDE", "EMPTY"), True),
    "exec_nothing_said": [{"exit": 0, "output": ""}, {"exit": 9, "output": ""}],
    "exec_ten_megabytes": {"exit": 0, "size": 10_000_000, "start": "1 2 3 ", "end": "886 1388887 1388888 "},
    "exec_streams_in_order": True,
    "exec_killed_by_a_signal": {"exit": -1, "output": ["before"]},
    "exec_timeout_ends_children": TOO_LATE,
    "code_run_error": {"exit": 1, "said": True},
    "code_run_artifacts": {"text": ["before", "after"], "charts": [["T", "line"]]},
    "session_commands_at_once": {"own": [0, 1, 2, 3, 4, 5], "turns": [1, 2, 3, 4, 5, 6]},
    "session_missing": [BROKEN, MISSING],
    "session_deleted_while_it_runs": ["0", False],
    "session_followed_characters": {"first": "日本", "count": 2001, "last": "2000", "err": []},
    "session_input": {"lines": ["got it's $1", "it's $1"], "late": GONE},
    "session_quiet_input": "got secret\n",
    "entrypoint": [MISSING, MISSING],
    "pty_info_and_list": {
        "info": ["shown", "/workspace/files", 90, 33, True],
        "listed": True,
        "resized": [70, 22],
    },
    "pty_connected_again": {"kept": True, "exit": 7},
    "pty_refused": [MISSING, MISSING, BAD],
    "pty_wide_characters": 0,
    "interpreter_keeps_its_state": [
        {"stdout": "made\n", "stderr": "to err\n", "failed": None},
        {"stdout": "42\n", "stderr": "", "failed": None},
    ],
    "interpreter_error": {
        "stdout": "a\n",
        "stderr": "",
        "failed": _failed("ValueError", "no"),
        "told": 1,
        "traceback": True,
    },
    "interpreter_contexts": {
        "where": {"stdout": "/workspace/files 1 a b\n", "stderr": "", "failed": None},
        "other": {"stdout": "", "stderr": "", "failed": _failed("NameError", "name 'y' is not defined")},
        "listed": True,
        "after": False,
        "again": MISSING,
        "used": "DaytonaConnectionError",
    },
    "interpreter_timeout": "DaytonaTimeoutError",
}


def _ended(era: str) -> Any:
    return [session_said(era, "a\n", 5), BROKEN, session_said(era, "a\n", 6), BROKEN]


BY_ERA: dict[str, dict[str, Any]] = {
    # The newest SDK does not translate the errors of this call.
    "code_run_timeout": {"0.21": TOO_LATE, "0.115": TOO_LATE, "newest": "ApiException"},
    "session_odd_text": by_era(lambda era: session_said(era, '<it\'s><"$(echo no)"><`id`><\\><*><日本>\n')),
    "session_long_command": by_era(lambda era: session_said(era, "204800\n")),
    "session_background": by_era(lambda era: {**session_said(era, "started\n"), "ended": 143}),
    "session_ended_by_its_command": by_era(_ended),
}
