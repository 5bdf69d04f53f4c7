"""What the scenarios of code give."""

from typing import Any

from tests.conformance.daytona.expected import Refused

# Commands: exit code and output; 0.115 drops one line end at the end.
OUTPUTS = {
    "code_odd_text": (0, "<it's>\n<$(echo no) `id` ${HOME}>\n<\\>\n<*>\n<日本 🌍>\n<a\tb>\n"),
    "code_that_reads_input": (0, "['']\n"),
    "code_says_bytes": (0, "a\ufffdb\n"),
    "code_says_nothing": (0, ""),
    "code_in_parts": (0, "日本\n"),
}
RESULTS: dict[str, Any] = {
    "code_odd_environment": True,
    "code_says_ten_megabytes": {"exit": 0, "size": 9_999_900, "ends": ["000", "999"]},
    "code_killed_by_a_signal": {"failed": True, "said": ["before"]},
    "code_at_once": ["0", "1", "2", "3", "4"],
    "interpreter_odd_text": "True\n日本 🌍\n",
    "interpreter_says_much": [1_000_000, "", None, "204800\n"],
    "interpreter_cwd_missing": Refused(400),
}


def _ran(*outputs: str, codes: tuple[int, ...] = (0, 0, 0), end: str = "\n") -> list[dict[str, Any]]:
    return [{"exit": code, "output": text and f"{text}{end}"} for code, text in zip(codes, outputs, strict=False)]


_TYPED = ("it's 42", "日本")
_SCRIPTED = ('it\'s "42" $HOME \\ 日本', "[]", "300000")
# The SDKs before 0.167 put the code into one argument of a shell.
_TOO_LONG = "sh: 1: sh: Argument list too long"
BY_ERA: dict[str, dict[str, Any]] = {
    "code_of_200_kilobytes": {
        "0.21": {"exit": 126, "output": f"{_TOO_LONG}\n"},
        "0.115": {"exit": 126, "output": _TOO_LONG},
        "newest": {"exit": 0, "output": "204800\n"},
    },
    # SDK 0.21 has no JavaScript.
    "code_in_javascript": {"0.21": None, "0.115": _ran(*_SCRIPTED, end=""), "newest": _ran(*_SCRIPTED)},
    "code_in_javascript_that_ends": {"0.21": None, "0.115": None, "newest": _ran("out", "", "", codes=(3, -1, -1))},
    "code_of_200_kilobytes_in_javascript": {"0.21": None, "0.115": None, "newest": _ran("204800 0")},
    "code_of_200_kilobytes_in_typescript": {"0.21": None, "0.115": None, "newest": _ran("204800 0")},
    "code_in_typescript": {"0.21": _ran(*_TYPED), "0.115": _ran(*_TYPED, end=""), "newest": _ran(*_TYPED)},
}
# Left out where nothing runs them.
OPTIONAL = {
    *("code_in_javascript", "code_in_javascript_that_ends", "code_of_200_kilobytes_in_javascript"),
    *("code_in_typescript", "code_of_200_kilobytes_in_typescript"),
}
