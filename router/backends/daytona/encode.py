"""Encoding: an operation as a request to Daytona."""

import base64
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, urlencode

from crossfade.operation import Operation
from router.backends.daytona import git


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A request, its path below the plane it belongs to: the API or one sandbox's toolbox."""

    method: str
    path: str
    plane: Literal["control", "toolbox"] = "toolbox"
    body: Mapping[str, Any] | None = None

    @property
    def content(self) -> bytes | None:
        return None if self.body is None else json.dumps(self.body).encode()


def encode(operation: Operation) -> Wire:
    """The request for any operation but fs.upload, whose body is a stream. Raises KeyError for unknown ones."""
    return _ENCODERS[operation.name](operation.arguments, quote(operation.sandbox, safe=""))


def encodes(operation: Operation) -> bool:
    """Whether Daytona has a request for it."""
    return operation.name in _ENCODERS


Arguments = Mapping[str, Any]
_INTERVALS = {"auto_stop": "autostop", "auto_archive": "autoarchive", "auto_delete": "autodelete"}


def _create(arguments: Arguments, _sandbox: str) -> Wire:
    fields = {
        "snapshot": arguments.get("snapshot"),
        "name": arguments.get("name"),
        "user": arguments.get("user"),
        "env": dict(arguments.get("env") or {}),
        "labels": dict(arguments.get("labels") or {}) | dict(arguments.get("metadata") or {}),
        "public": arguments.get("public"),
        "target": arguments.get("target"),
        "autoStopInterval": arguments.get("auto_stop_minutes"),
        "autoArchiveInterval": arguments.get("auto_archive_minutes"),
        "autoDeleteInterval": arguments.get("auto_delete_minutes"),
        "cpu": arguments.get("cpu"),
        "memory": arguments.get("memory"),
        "disk": arguments.get("disk"),
    }
    if image := arguments.get("image"):
        files = arguments.get("image_files")
        fields["buildInfo"] = {"dockerfileContent": image, **({"contextHashes": files} if files else {})}
    return Wire(
        method="POST",
        path="/sandbox",
        plane="control",
        body={name: value for name, value in fields.items() if value is not None},
    )


def _list(arguments: Arguments, _sandbox: str) -> Wire:
    given = {"limit": arguments.get("limit"), "cursor": arguments.get("cursor")}
    if labels := arguments.get("labels"):
        given["labels"] = json.dumps(dict(labels))
    return Wire(method="GET", path="/sandbox" + _query(given), plane="control")


def _control(method: str, suffix: str = "") -> Callable[[Arguments, str], Wire]:
    def encode_control(_arguments: Arguments, sandbox: str) -> Wire:
        return Wire(method=method, path=f"/sandbox/{sandbox}{suffix}", plane="control")

    return encode_control


def _labels(arguments: Arguments, sandbox: str) -> Wire:
    body = {"labels": dict(arguments["labels"])}
    return Wire(method="PUT", path=f"/sandbox/{sandbox}/labels", plane="control", body=body)


def _interval(arguments: Arguments, sandbox: str) -> Wire:
    path = f"/sandbox/{sandbox}/{_INTERVALS[arguments['kind']]}/{arguments['minutes']}"
    return Wire(method="POST", path=path, plane="control")


def _preview(arguments: Arguments, sandbox: str) -> Wire:
    return Wire(method="GET", path=f"/sandbox/{sandbox}/ports/{arguments['port']}/preview-url", plane="control")


def _ssh(arguments: Arguments, sandbox: str) -> Wire:
    path = f"/sandbox/{sandbox}/ssh-access"
    if arguments.get("verb") == "revoke":
        return Wire(method="DELETE", path=path + _query({"token": arguments.get("token")}), plane="control")
    return Wire(method="POST", path=path + _query({"expiresInMinutes": arguments.get("minutes")}), plane="control")


def _files(method: str, path: str, *names: str) -> Callable[[Arguments, str], Wire]:
    def encode_files(arguments: Arguments, _sandbox: str) -> Wire:
        return Wire(method=method, path=path + _query({name: arguments.get(name) for name in names}))

    return encode_files


def _mkdir(arguments: Arguments, _sandbox: str) -> Wire:
    given = {"path": arguments["path"], "mode": arguments.get("mode") or "755"}
    return Wire(method="POST", path="/files/folder" + _query(given))


def _replace(arguments: Arguments, _sandbox: str) -> Wire:
    body = {
        "files": list(arguments["files"]),
        "pattern": arguments["pattern"],
        "newValue": arguments["new_value"],
    }
    return Wire(method="POST", path="/files/replace", body=body)


def _exec(arguments: Arguments, _sandbox: str) -> Wire:
    command, env = str(arguments["command"]), dict(arguments.get("env") or {})
    body: dict[str, Any] = {"command": command}
    if arguments.get("shell") == "sh":
        body["command"] = in_plain_sh(command, env)
    elif env:
        body["envs"] = env
    return Wire(method="POST", path="/process/execute", body=body | _limits(arguments))


def in_plain_sh(command: str, env: Mapping[str, str]) -> str:
    """A command in the form every daemon understands, old ones without a shell of their own included.

    The environment is set inside: daemons before 0.167 know no envs, and those since 0.156 would expand the SDK's own
    wrapper.
    """
    exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in env.items())
    script = base64.b64encode((exports + command).encode()).decode()
    return f"sh -c \"echo '{script}' | base64 -d | sh\""


def _code(arguments: Arguments, _sandbox: str) -> Wire:
    body = {
        "code": arguments["code"],
        "language": arguments.get("language") or "python",
        "argv": list(arguments.get("argv") or ()),
        "envs": dict(arguments.get("env") or {}),
    }
    return Wire(method="POST", path="/process/code-run", body=body | _limits(arguments))


def _limits(arguments: Arguments) -> dict[str, Any]:
    given = {"cwd": arguments.get("cwd"), "timeout": arguments.get("timeout")}
    return {name: value for name, value in given.items() if value}


def _session_create(arguments: Arguments, _sandbox: str) -> Wire:
    return Wire(method="POST", path="/process/session", body={"sessionId": arguments["session"]})


def _session(method: str, suffix: str = "") -> Callable[[Arguments, str], Wire]:
    def encode_session(arguments: Arguments, _sandbox: str) -> Wire:
        path = _session_path(arguments)
        if suffix.startswith("/command/{command}/logs") and arguments["command_id"] == arguments["session"]:
            path += suffix.removeprefix("/command/{command}")  # of the sandbox's own start: session "entrypoint"
        elif "{command}" in suffix:
            path += suffix.replace("{command}", quote(str(arguments["command_id"]), safe=""))
        else:
            path += suffix
        return Wire(method=method, path=path)

    return encode_session


def _session_exec(arguments: Arguments, _sandbox: str) -> Wire:
    body = {"command": arguments["command"], "runAsync": bool(arguments.get("run_async"))}
    if arguments.get("quiet_input"):
        body["suppressInputEcho"] = True
    return Wire(method="POST", path=_session_path(arguments) + "/exec", body=body)


def _session_input(arguments: Arguments, _sandbox: str) -> Wire:
    command = quote(str(arguments["command_id"]), safe="")
    path = f"{_session_path(arguments)}/command/{command}/input"
    return Wire(method="POST", path=path, body={"data": arguments["data"]})


def _session_path(arguments: Arguments) -> str:
    return "/process/session/" + quote(str(arguments["session"]), safe="")


def _pty_create(arguments: Arguments, _sandbox: str) -> Wire:
    body: dict[str, Any] = {
        "id": arguments["pty"],
        "cols": arguments.get("cols") or 80,
        "rows": arguments.get("rows") or 24,
        "envs": dict(arguments.get("env") or {}),
        "lazyStart": True,
    }
    if arguments.get("cwd"):
        body["cwd"] = arguments["cwd"]
    return Wire(method="POST", path="/process/pty", body=body)


def _pty(method: str, suffix: str = "") -> Callable[[Arguments, str], Wire]:
    def encode_pty(arguments: Arguments, _sandbox: str) -> Wire:
        return Wire(method=method, path=_pty_path(arguments) + suffix)

    return encode_pty


def _pty_resize(arguments: Arguments, _sandbox: str) -> Wire:
    body = {"cols": arguments["cols"], "rows": arguments["rows"]}
    return Wire(method="POST", path=_pty_path(arguments) + "/resize", body=body)


def _pty_path(arguments: Arguments) -> str:
    return "/process/pty/" + quote(str(arguments["pty"]), safe="")


def _context_create(arguments: Arguments, _sandbox: str) -> Wire:
    given = {name: arguments[name] for name in ("cwd", "language") if arguments.get(name)}
    return Wire(method="POST", path="/process/interpreter/context", body=given)


def _context_delete(arguments: Arguments, _sandbox: str) -> Wire:
    return Wire(method="DELETE", path="/process/interpreter/context/" + quote(str(arguments["context"]), safe=""))


def _git(method: str, path: str) -> Callable[[Arguments, str], Wire]:
    def encode_git(arguments: Arguments, _sandbox: str) -> Wire:
        if method == "GET":
            return Wire(method=method, path=path + _query(arguments))
        return Wire(method=method, path=path, body=git.body_of(arguments))

    return encode_git


def _fixed(method: str, path: str) -> Callable[[Arguments, str], Wire]:
    def encode_fixed(_arguments: Arguments, _sandbox: str) -> Wire:
        return Wire(method=method, path=path)

    return encode_fixed


def _query(given: Mapping[str, Any]) -> str:
    named = {name: _word(value) for name, value in given.items() if value is not None}
    # quote, not quote_plus: every server reads %20, not every one reads +.
    return "?" + urlencode(named, quote_via=quote, errors="surrogateescape") if named else ""


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_ENCODERS: Mapping[str, Callable[[Arguments, str], Wire]] = {
    "sandbox.create": _create,
    "sandbox.get": _control("GET"),
    "sandbox.list": _list,
    "sandbox.start": _control("POST", "/start"),
    "sandbox.stop": _control("POST", "/stop"),
    "sandbox.archive": _control("POST", "/archive"),
    "sandbox.delete": _control("DELETE"),
    "sandbox.labels": _labels,
    "sandbox.interval": _interval,
    "sandbox.preview": _preview,
    "sandbox.ssh": _ssh,
    "sandbox.work_dir": _fixed("GET", "/work-dir"),
    "sandbox.home_dir": _fixed("GET", "/user-home-dir"),
    "fs.info": _files("GET", "/files/info", "path"),
    "fs.list": _files("GET", "/files", "path", "depth"),
    "fs.download": _files("GET", "/files/download", "path"),
    "fs.mkdir": _mkdir,
    "fs.delete": _files("DELETE", "/files", "path", "recursive"),
    "fs.chmod": _files("POST", "/files/permissions", "path", "mode", "owner", "group"),
    "fs.move": _files("POST", "/files/move", "source", "destination"),
    "fs.find": _files("GET", "/files/find", "path", "pattern"),
    "fs.search": _files("GET", "/files/search", "path", "pattern"),
    "fs.replace": _replace,
    "process.exec": _exec,
    "process.code": _code,
    "session.create": _session_create,
    "session.list": _fixed("GET", "/process/session"),
    "session.get": _session("GET"),
    "session.delete": _session("DELETE"),
    "session.exec": _session_exec,
    "session.command": _session("GET", "/command/{command}"),
    "session.logs": _session("GET", "/command/{command}/logs"),
    "session.follow": _session("GET", "/command/{command}/logs?follow=true"),
    "session.input": _session_input,
    "pty.create": _pty_create,
    "pty.list": _fixed("GET", "/process/pty"),
    "pty.get": _pty("GET"),
    "pty.delete": _pty("DELETE"),
    "pty.resize": _pty_resize,
    "pty.connect": _pty("GET", "/connect"),
    "interpreter.create": _context_create,
    "interpreter.list": _fixed("GET", "/process/interpreter/context"),
    "interpreter.delete": _context_delete,
    "interpreter.execute": _fixed("GET", "/process/interpreter/execute"),
    **{name: _git(method, path) for name, (method, path) in git.REQUESTS.items()},
}
