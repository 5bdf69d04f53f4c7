"""What is compared of each operation, as data: fields, how they are normalised, how bad a difference is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from comparators.normalise import (
    clients_labels,
    clients_variables,
    final_newline,
    owner_number,
    per_stream,
    permission_bits,
    placed,
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
from crossfade.comparison import Severity

Normaliser = Callable[[Any], Any]
Form = Literal["value", "text", "digest", "rows", "mapping"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A list compared by key, so that one entry more is one difference. `label` names an entry in signatures."""

    key: tuple[str, ...]
    label: str
    shape: "Shape"
    whole: tuple[Normaliser, ...] = ()  # rules that need more than one row


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `severity` None: not compared, and `why` says the reason."""

    severity: Severity | None = Severity.CONTENT
    form: Form = "value"
    split: Normaliser | None = None  # makes several texts of one
    normalise: tuple[Normaliser, ...] = ()
    rows: Rows | None = None
    settles: bool = False  # None means "not yet": which side was asked sooner is chance
    label: str = ""  # in signatures, where the field's own name says too little
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The fields of a value. A field that is not listed is compared as it is."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    whole: tuple[Normaliser, ...] = ()  # rules that need more than one field


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one operation is compared. `subject` is the operation its signatures speak of."""

    shape: Shape = Shape()
    subject: str = ""


def _ignored(why: str) -> Field:
    return Field(severity=None, why=why)


_COSMETIC, _CONTRACT = Severity.COSMETIC, Severity.CONTRACT

FILE = Shape(
    fields={
        "is_dir": Field(severity=_CONTRACT),
        "mode": Field(normalise=(permission_bits,)),
        "owner": Field(severity=_COSMETIC, normalise=(owner_number,)),
        "group": Field(severity=_COSMETIC, normalise=(owner_number,)),
        "path": _ignored("optional, and newer than half of the daemons"),
        "modified_ns": _ignored("each side wrote the file at its own time"),
    },
    whole=(without_directory_size,),
)
# Escape sequences go first: one may stand inside a character, or where a rule looks for the start of a line.
_OUTPUT = (without_ansi, valid_text, shell_names, process_numbers, without_shadow_mark, final_newline)
EXIT_CODE = Field(severity=_CONTRACT, normalise=(signal_exit,))
EXEC = Shape(
    fields={"exit_code": EXIT_CODE, "output": Field(form="text", normalise=_OUTPUT, label="output line")},
)
_MARKED = Field(form="text", split=per_stream, normalise=(without_nul, *_OUTPUT), label="output line")
SESSION_EXEC = Shape(
    fields={"command_id": _ignored("made by each side"), "output": _MARKED, "exit_code": EXIT_CODE},
)
COMMAND = Shape(
    fields={
        "id": _ignored("made by each side"),
        "exit_code": Field(severity=_CONTRACT, normalise=(signal_exit,), settles=True),
    },
)
SESSION = Shape(
    fields={"commands": Field(form="rows", rows=Rows(key=("command",), label="command", shape=COMMAND))},
)
SANDBOX = Shape(
    fields={
        "id": _ignored("made by each provider"),
        "state": Field(severity=_CONTRACT, normalise=(settled_state,)),
        "public": Field(severity=_COSMETIC),
        "labels": Field(form="mapping", normalise=(clients_labels,)),
        "env_names": _ignored("one provider does not tell"),
    },
)
PTY = Shape(
    fields={
        "id": _ignored("chosen by the client on one side, a process id on the other"),
        "cwd": Field(severity=_COSMETIC),
        "env_names": Field(severity=_COSMETIC, form="mapping", normalise=(clients_variables,)),
        "active": Field(severity=_COSMETIC),
    },
)

GIT_STATUS = Shape(
    fields={
        "branch": Field(severity=_CONTRACT),
        "files": Field(
            form="rows",
            rows=Rows(
                key=("name",),
                label="file",
                shape=Shape(fields={"extra": Field(severity=_COSMETIC)}),
            ),
        ),
        **dict.fromkeys(("upstream", "detached"), Field(severity=_COSMETIC)),
    },
)
_COMMIT_TIME = _ignored("the two sides committed at their own times")
GIT_COMMIT = Shape(fields={"hash": _COMMIT_TIME, "at": _COMMIT_TIME})


def _listed(label: str, shape: Shape, *key: str, whole: tuple[Normaliser, ...] = ()) -> Rule:
    rows = Rows(key=key, label=label, shape=shape, whole=whole)
    return Rule(shape=Shape(fields={"entries": Field(form="rows", rows=rows)}))


NOTHING = Rule()  # status and error only
_SANDBOX = Rule(shape=SANDBOX)
_PTY = Rule(shape=PTY)
_PATH = Rule(shape=Shape(fields={"path": Field(form="value")}))
_FOUND = Shape(fields={"path": Field(normalise=(relative_path,))})

_GIT_CHANGES = (
    *("clone", "init", "add", "branch_create", "branch_delete", "checkout", "reset", "restore", "push", "pull"),
    *("remote_add", "config_set", "user", "credentials"),
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("sandbox.create", "sandbox.get", "sandbox.start", "sandbox.stop"), _SANDBOX),
        **dict.fromkeys(("sandbox.archive", "sandbox.delete", "sandbox.interval"), _SANDBOX),
        "sandbox.labels": Rule(
            shape=Shape(fields={"fields": Field(form="mapping", normalise=(clients_labels,), label="labels")})
        ),
        "sandbox.preview": Rule(
            shape=Shape(fields={"url": Field(severity=_CONTRACT), "token": Field(severity=_COSMETIC)})
        ),
        "sandbox.work_dir": _PATH,
        "sandbox.home_dir": _PATH,
        "fs.info": Rule(shape=FILE),
        # A listing of several levels holds one name many times.
        "fs.list": _listed("entry", FILE, "place", whole=(placed,)),
        "fs.download": Rule(shape=Shape(fields={"content": Field(form="digest")})),
        **dict.fromkeys(("fs.upload", "fs.mkdir", "fs.delete", "fs.chmod", "fs.move"), NOTHING),
        "fs.find": _listed("match", _FOUND, "path", "line"),
        "fs.search": _listed("path", _FOUND, "path"),
        "fs.replace": _listed(
            "file",
            Shape(fields={**_FOUND.fields, "success": Field(severity=_CONTRACT), "error": Field(severity=_COSMETIC)}),
            "path",
        ),
        "process.exec": Rule(shape=EXEC),
        # Code is run as a command: what differs is how commands end, and that is one finding, not two.
        "process.code": Rule(shape=EXEC, subject="process.exec"),
        "session.create": NOTHING,
        "session.list": _listed("session", SESSION, "id"),
        "session.get": Rule(shape=SESSION),
        "session.delete": NOTHING,
        "session.exec": Rule(shape=SESSION_EXEC),
        # A client that runs a command and then asks for its logs sees one difference twice.
        "session.logs": Rule(shape=SESSION_EXEC, subject="session.exec"),
        "session.command": Rule(shape=COMMAND, subject="session.exec"),
        "session.input": NOTHING,
        "pty.create": _PTY,
        "pty.list": _listed("terminal", PTY, "cols", "rows"),
        "pty.get": _PTY,
        "pty.delete": NOTHING,
        "pty.resize": _PTY,
        **dict.fromkeys((f"git.{name}" for name in _GIT_CHANGES), NOTHING),
        "git.status": Rule(shape=GIT_STATUS),
        "git.branches": Rule(
            shape=Shape(fields={"names": Field(form="mapping", label="branch"), "current": Field(severity=_CONTRACT)})
        ),
        "git.history": _listed("commit", GIT_COMMIT, "message"),
        "git.remotes": _listed("remote", Shape(), "name"),
        "git.config": Rule(shape=Shape()),
        "git.commit": Rule(shape=GIT_COMMIT),
    }
)

# Operations whose outcomes say nothing when held together, and why.
UNCOMPARED: Mapping[str, str] = MappingProxyType(
    {
        "session.follow": "a live stream is not compared: its chunks depend on when each side was asked",
        "pty.connect": "a live stream is not compared: what a terminal shows depends on what is typed and when",
        **dict.fromkeys(
            ("interpreter.create", "interpreter.list", "interpreter.delete", "interpreter.execute"),
            "not compared: a context lives on one side, under an id that this side made",
        ),
        "sandbox.list": "not compared: each provider lists the sandboxes of its own account",
        "sandbox.ssh": "not compared: hosts and one-time credentials are each provider's own",
    }
)


def rule(operation: str) -> Rule:
    """The operation's rule; one that nobody wrote a rule for is compared as it is."""
    return RULES.get(operation, NOTHING)
