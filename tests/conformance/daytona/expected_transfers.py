"""What the scenarios of files of odd kinds give."""

from typing import Any

from tests.conformance.daytona.expected import Refused

BAD, MISSING, TAKEN = Refused(400), Refused(404), Refused(409)

RESULTS: dict[str, Any] = {
    "file_from_and_to_disk": True,
    "file_streamed": {"same": True, "missing": MISSING},
    "file_names_of_all_kinds": {
        "listed": True, "sizes": True, "read": True, "ran": ["$(id)`id`", "*?[a]", "-rf"],
    },
    "file_names_changed": [],
    "upload_overwrites": [
        "short", {"name": "over", "dir": False, "size": 5, "mode": "-rwxr-xr-x", "permissions": "0755"},
    ],
    "downloads_of_all_kinds_together": [[0, False], [29, False], [3_145_728, False], [None, True], [None, True]],
    "links_followed": {
        "ran": {"exit": 0, "output": ""},
        "listed": [["dir", True, None], ["to", False, 7], ["way", True, None]],
        "through": "through",
        "dangling": MISSING,
        "below": ["file"],
    },
    "permissions_refused": {
        "missing": MISSING, "owner": BAD, "group": BAD, "mode": BAD, "folder": BAD, "after": "0644",
    },
    "moves_of_all_kinds": {"missing": MISSING, "nowhere": MISSING, "onto": TAKEN, "read": "1"},
    "folder_deep_with_its_mode": ["0755", "0750"],
    "text_found_in_all_kinds": {
        "found": [
            ["crlf", 2, "needle"], ["late", 1, "needle"], ["late", 3, "needle"],
            ["latin", 1, "caf\ufffd needle"], ["long", 1, "needle"],
        ],
        "literal": 0,
        "nothing": 0,
    },
    "names_matched": {
        "?": ["a", "b", "c", "é"], "[^a]": ["b", "c", "é"], "[b-ac]": ["c"], "*.py": ["c.py"], "[": [], "\\a": ["a"],
        ".*": [".h"], "none": [],
    },
    "text_replaced_in_some": [[True, False], "\\0&$1 axb \\0&$1"],
    "files_listed_in_levels": [
        ["a", "b"],
        [f"/workspace/transfers/levels/{name}" for name in ("a", "b", "b/deep", "b/x")],
        [f"/workspace/transfers/levels/{name}" for name in ("a", "b", "b/deep", "b/deep/er", "b/x")],
    ],
    "delete_does_not_follow_links": ["kept", MISSING],
}  # fmt: skip

# Uploads have errors of their own.
_REFUSED = {"0.21": "HTTPStatusError", "0.115": "DaytonaError", "newest": "DaytonaError"}
BY_ERA: dict[str, dict[str, Any]] = {
    "upload_below_a_file": _REFUSED,
    "uploads_of_which_one_fails": {era: {"failed": name, "written": ["1", "3"]} for era, name in _REFUSED.items()},
}
