"""What the second part of the hard cases gives."""

from typing import Any

from tests.conformance.daytona.expected import Refused, by_era, session_said

ODD_NAMES = ("SUBSTITUTED", "QUOTED", "LINES", "SPACED", "SIGNS", "WIDE", "EMPTY")
BAD, BROKEN, FORBIDDEN = Refused(400), Refused(500, "DaytonaInternalServerError"), Refused(403)

# Commands: exit code and output; 0.115 drops one line end at the end.
OUTPUTS = {
    "exec_relative_directory": (0, "/workspace/files/below\n"),
    "exec_waits_for_who_holds_its_output": (0, "early\nlate\n"),
}
RESULTS: dict[str, Any] = {
    "exec_without_a_command": BAD,
    "exec_directories_refused": [-1, -1, -1],
    "exec_not_allowed_and_not_there": [126, 126, 127, 127],
    "exec_children_killed_by_signals": ["143", "137", "130", "139"],
    "exec_ends_by_other_signals": [-1, -1],
    "exec_leaves_processes_behind": {"started": True, "shown": "sleep 62626"},
    "exec_at_once": [[i, str(i)] for i in range(6)],
    "exec_broken_commands": [2, 2, 2, 2, 0],
    "exec_limits_refused": BAD,
    "exec_environment_refused": [BAD] * 4,
    "session_says_ten_megabytes": {"exit": 0, "size": 10_000_000, "end": "886 1388887 1388888 ", "logs": True},
    "session_odd_environment": dict.fromkeys(ODD_NAMES, True),
    "session_without_a_command": BAD,
    "pty_odd_environment": {f"ODD_{name}": True for name in ODD_NAMES},
    "pty_directory_missing": BAD,
    "pty_interrupted": {"code": True, "exit": 0},
    "pty_says_much": {"exit": 3, "count": 60_000, "last": ["60000"]},
    "pty_ended_by_a_signal": 137,
}


def _said(*texts: str) -> dict[str, Any]:
    return by_era(lambda era: [session_said(era, text) for text in texts])


def _outputs(*ran: tuple[int, str]) -> dict[str, Any]:
    """Several commands' ends; 0.115 drops one line end at the end."""
    return by_era(lambda era: [{"exit": code, "output": text[:-1] if era == "0.115" else text} for code, text in ran])


def _silent(era: str) -> Any:
    nothing = session_said(era, "")
    return [[nothing] * 3, {name: text for name, text in nothing.items() if name != "exit"}]


def _left(era: str) -> Any:
    return [5, {name: text for name, text in session_said(era, "a\n").items() if name != "exit"}, BROKEN]


# The SDKs before 0.167 run commands by sh, which takes its script in blocks.
_UNREAD = "not run, but read"
BY_ERA: dict[str, dict[str, Any]] = {
    "exec_reads_the_rest_of_its_script": {
        "0.21": {"exit": 0, "output": f"{_UNREAD}\n"},
        "0.115": {"exit": 0, "output": _UNREAD},
        "newest": {"exit": 0, "output": f"echo {_UNREAD}"},
    },
    # Carriage returns are line ends to the older two.
    "exec_bytes_of_all_kinds": {
        "0.21": {"exit": 0, "output": "a\0b\nc\nd\033[1me\ufefff\ufffd\ufffd\ufffd\n"},
        "0.115": {"exit": 0, "output": "a\0b\nc\nd\033[1me\ufefff\ufffd\ufffd\ufffd"},
        "newest": {"exit": 0, "output": "a\0b\r\nc\rd\033[1me\ufefff\ufffd\ufffd\ufffd\n"},
    },
    "exec_odd_commands": _outputs((0, "a\n"), (0, "a\n"), (0, "a\nb\n"), (1, ""), (0, "it's (\")\n"), (0, "late\n")),
    "session_says_nothing": by_era(_silent),
    "session_says_bytes": _said("a\ufffdb\n", "no end\n", "\n\n"),
    "session_says_characters_in_parts": by_era(lambda era: session_said(era, "日本\n")),
    "session_reads_nothing": _said("read to its end\n", "1 []\n"),
    "session_directory_missing": by_era(lambda era: [1, session_said(era, "/workspace/files\n")]),
    "session_children_killed_by_signals": by_era(lambda era: [[143, 137], session_said(era, "still here\n")]),
    "session_odd_commands": _said("a\n", "a\n", "a\nb\n", "$one\n  two\n", "}\n)\n", "late\n"),
    "session_broken_commands": by_era(lambda era: [[code, session_said(era, "after\n")] for code in (2, 2, 2, 0)]),
    "session_ends_in_other_ways": by_era(lambda era: [[code, BROKEN] for code in (0, 137, 1, 4)]),
    "session_strict_from_one_command_to_the_next": by_era(lambda era: [0, session_said(era, "caught\n"), 1, BROKEN]),
    "session_ended_by_a_command_in_the_background": by_era(_left),
    "session_commands_wait_their_turn": by_era(lambda era: [0, session_said(era, "one\ntwo\nn=1\n")]),
    "sessions_do_not_wait_for_each_other": by_era(lambda era: [session_said(era, "done\n"), 0]),
    "session_waits_for_who_holds_its_output": by_era(lambda era: session_said(era, "early\nlate\n")),
    # Uploads have errors of their own.
    "files_not_permitted": {
        "0.21": ["HTTPStatusError", FORBIDDEN, FORBIDDEN, "x"],
        "0.115": ["DaytonaError", FORBIDDEN, FORBIDDEN, "x"],
        "newest": ["DaytonaError", FORBIDDEN, FORBIDDEN, "x"],
    },
}
