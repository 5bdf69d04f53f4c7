"""What two healthy backends may say differently, brought to one form (facts/daytona.md §9).

Each function is one rule: total on its type, and doing it twice is doing it once. What is never touched: exit codes
other than a signal's, file content, names, kinds and sizes of files, the class of a status.
"""

import re
from collections.abc import Mapping
from typing import Any

from crossfade.results import STDERR_MARK, STDOUT_MARK

# Output of commands.

_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\-_])")
_SHELL = re.compile(rb"(?m)^-?(?:/\S*/)?(?:ba|da|z|a|k)?sh:(?: -c:)?(?:(?: line)? ?\d+:)? +")
_COMMAND_FILE = re.compile(rb"(?m)^/\S*/[^/\s:]{0,80}(?:cmd|command)[^/\s:]{0,80}: (?:line )?\d+: +")
_ZSH_NOT_FOUND = re.compile(rb"(?m)^<shell>: command not found: (?!command not found)(.+)$")
_DASH_NOT_FOUND = re.compile(rb"(?m)^(<shell>: .+): not found$")
_JOB = re.compile(rb"(?m)^(\[\d+\][+-]?) +\d+$")
_KILLED = re.compile(
    rb"(?m)^(<shell>: )\d+ +(?=(?:Killed|Terminated|Aborted|Hangup|Segmentation fault|Bus error|Broken pipe)\b)"
)
_NO_CWD = re.compile(rb"(?m)^(fork/exec )(?!<shell>)\S+(?=: )")
_SHADOW_MARK = re.compile(rb"(?m)^(?:(?:export |declare -x )?CROSSFADE_SHADOW=[\"']?1[\"']?(?:\n|\Z))+")
_REPLACEMENTS = re.compile("\ufffd{2,}")


def valid_text(output: Any) -> Any:
    """Bytes that are no UTF-8 become one replacement mark: Daytona's JSON cannot carry them."""
    if not isinstance(output, bytes):
        return output
    return _REPLACEMENTS.sub("\ufffd", output.decode(errors="replace")).encode()


def without_nul(output: Any) -> Any:
    """NUL bytes go: Daytona's session logs drop them."""
    return output.replace(b"\0", b"") if isinstance(output, bytes) else output


def without_ansi(output: Any) -> Any:
    """Colours and cursor moves go: they depend on what each side believes its terminal is."""
    if not isinstance(output, bytes) or b"\x1b" not in output:
        return output
    # A leftover escape byte goes too, or taking one sequence out could make another.
    return _ANSI.sub(b"", output).replace(b"\x1b", b"")


def shell_names(output: Any) -> Any:
    """`/usr/bin/bash: line 1: x: command not found`, `sh: 1: x: not found` and zsh's form become one."""
    if not isinstance(output, bytes):
        return output
    output = _COMMAND_FILE.sub(b"<shell>: ", output)
    output = _SHELL.sub(b"<shell>: ", output)
    output = _ZSH_NOT_FOUND.sub(rb"<shell>: \1: command not found", output)
    output = _DASH_NOT_FOUND.sub(rb"\1: command not found", output)
    return _NO_CWD.sub(rb"\1<shell>", output)


def process_numbers(output: Any) -> Any:
    """Process ids in a shell's own job and signal messages go; any other number stays."""
    if not isinstance(output, bytes):
        return output
    return _KILLED.sub(rb"\1", _JOB.sub(rb"\1 <pid>", output))


def without_shadow_mark(output: Any) -> Any:
    """The variable that marks a repeated command's processes is ours, and only one side has it."""
    return _SHADOW_MARK.sub(b"", output) if isinstance(output, bytes) else output


def final_newline(output: Any) -> Any:
    """Output ends with a newline: one side adds a missing one, the other may drop it."""
    if not isinstance(output, bytes) or not output or output.endswith(b"\n"):
        return output
    return output + b"\n"


def per_stream(marked: Any) -> Any:
    """Marked output split by stream: the order between the two streams is chance."""
    if not isinstance(marked, bytes):
        return marked
    streams = {"stdout": bytearray(), "stderr": bytearray(), "unmarked": bytearray()}
    name = "unmarked"
    for piece in re.split(b"(" + STDOUT_MARK + b"|" + STDERR_MARK + b")", marked):
        if piece == STDOUT_MARK:
            name = "stdout"
        elif piece == STDERR_MARK:
            name = "stderr"
        else:
            streams[name] += piece
    return {name: bytes(stream) for name, stream in streams.items() if stream}


def signal_exit(exit_code: Any) -> Any:
    """Killed by a signal is -1 on Daytona; 137 and 143 say the same on others."""
    return -1 if exit_code in (137, 143) else exit_code


# Files.


def permission_bits(mode: Any) -> Any:
    """The nine permission bits: Daytona loses the others."""
    return mode & 0o777 if isinstance(mode, int) else mode


def owner_number(owner: Any) -> Any:
    """`root` is 0, without leading zeros; other names cannot be looked up from here."""
    if owner == "root":
        return "0"
    return str(int(owner)) if isinstance(owner, str) and owner.isascii() and owner.isdigit() else owner


def without_directory_size(file: Mapping[str, Any]) -> Mapping[str, Any]:
    """A directory's size says how its file system stores it."""
    return {name: value for name, value in file.items() if name != "size"} if file.get("is_dir") else file


def placed(rows: Any) -> Any:
    """Each entry of a listing with its `place`: its path below the directory listed, its name where no path is told.

    That directory holds the shallowest paths; each side may call it otherwise (`.`, a link, the whole path).
    """
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        return rows
    parents = [parent(row.get("path")) for row in rows]
    listed = min((each for each in parents if each is not None), key=lambda each: (each.count("/"), each), default="")
    return [
        row if "place" in row else {**row, "place": below(listed, within) + str(row.get("name", ""))}
        for row, within in zip(rows, parents, strict=True)
    ]


def parent(path: Any) -> str | None:
    """The directory a path lies in, as it is written; None: the path does not tell."""
    return path.rstrip("/").rpartition("/")[0] if isinstance(path, str) and path else None


def below(listed: str, within: str | None) -> str:
    """The way from the directory listed to one below it, ending in a slash; empty for itself."""
    if within is None or within == listed:
        return ""
    return (within[len(listed) + 1 :] if within.startswith(f"{listed}/") else within) + "/"


def relative_path(path: Any) -> Any:
    """`./a` is `a`."""
    return re.sub(r"\A(?:\./+)+(?=.)", "", path) if isinstance(path, str) else path


# Sandboxes.

_SETTLED = {
    **dict.fromkeys(("creating", "restoring", "starting", "resuming", "pulling_snapshot"), "started"),
    **dict.fromkeys(("pending_build", "building_snapshot"), "started"),
    **dict.fromkeys(("stopping", "pausing", "paused", "archiving", "archived"), "stopped"),
    "destroying": "destroyed",
    "build_failed": "error",
}


def settled_state(state: Any) -> Any:
    """The state a sandbox is in or on its way to: how far it has come when asked is chance."""
    return _SETTLED.get(state, state) if isinstance(state, str) else state


def clients_labels(labels: Any) -> Any:
    """Labels the client set; ours go."""
    if not isinstance(labels, Mapping):
        return labels
    ours = re.compile(r"crossfade\b|crossfade_")
    return {name: value for name, value in labels.items() if not ours.match(str(name))}


def clients_variables(names: Any) -> Any:
    """Names of variables the client set; the mark of repeated commands goes."""
    if not isinstance(names, Mapping):
        return names
    return {name: value for name, value in names.items() if name != "CROSSFADE_SHADOW"}


# Errors.

_IDENTITY_BY_STATUS = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    410: "GONE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    501: "NOT_IMPLEMENTED",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
    507: "INSUFFICIENT_STORAGE",
}
# What newer daemons say more precisely, as the ones before them said it.
_IDENTITY = {
    "FILE_NOT_FOUND": "NOT_FOUND",
    "PROCESS_NOT_FOUND": "NOT_FOUND",
    "SESSION_NOT_FOUND": "NOT_FOUND",
    "FILE_ACCESS_DENIED": "FORBIDDEN",
    "INVALID_FILE_PATH": "BAD_REQUEST",
    "FILE_READ_FAILED": "INTERNAL_SERVER_ERROR",
    "INTERNAL_ERROR": "INTERNAL_SERVER_ERROR",
    "INTERNAL": "INTERNAL_SERVER_ERROR",
    "PROCESS_EXECUTION_TIMEOUT": "REQUEST_TIMEOUT",
    "SESSION_ENDED": "GONE",
    "COMMAND_ALREADY_COMPLETED": "GONE",
    "RATE_LIMITED": "TOO_MANY_REQUESTS",
}


def error_identity(code: str, status: int) -> str:
    """Which error it is, whatever the daemon's era; an error without a code is the one its status names."""
    word = re.sub(r"[^A-Z0-9]+", "_", code.upper()).strip("_")
    if not word:
        return _IDENTITY_BY_STATUS.get(status, "") if status >= 400 else ""
    return _IDENTITY.get(word, word)


MESSAGE_CHARACTERS = 500  # of an error, compared
_ERA = re.compile(
    r"\A(?:(?:not found|bad request|conflict|forbidden|unauthorized|request timeout|gone|internal server error"
    r"|failed to [a-z ]+):\s*)+(?=\S)"
)
_URL = re.compile(r"\b[a-z][a-z0-9+.\-]*://[^\s'\"]+")
_PATH = re.compile(r"(?<![\w<])~?/[^\s'\":,;]*")
_LONG_ID = re.compile(r"\b(?=[\w\-]*\d)[\w\-]{8,}\b")


def error_text(message: str) -> str:
    """An error's wording without the prefixes of its era, addresses, paths and ids."""
    text = message[:MESSAGE_CHARACTERS].lower()
    text = _LONG_ID.sub("<id>", _PATH.sub("<path>", _URL.sub("<url>", text)))
    return _ERA.sub("", " ".join(text.split()).rstrip(". "))


def placeholders(value: Any, names: Mapping[str, str]) -> Any:
    """A side's own names (host, home, sandbox id, preview host) become the placeholder that both sides share."""
    if not names or not isinstance(value, str | bytes):
        return value
    known = sorted((name for name in names if name), key=lambda name: (-len(name), name))
    text = value.decode(errors="surrogateescape") if isinstance(value, bytes) else value
    if not any(name in text for name in known):
        return value  # nearly always, and the pattern would cost more than all the rest
    # Whole names only: /root must not be found in /rooted.
    pattern = r"(?<![A-Za-z0-9_])(?:" + "|".join(re.escape(name) for name in known) + r")(?![A-Za-z0-9_])"
    text = re.sub(pattern, lambda match: names[match.group()], text)
    return text.encode(errors="surrogateescape") if isinstance(value, bytes) else text
