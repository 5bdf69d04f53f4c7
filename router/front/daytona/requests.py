"""Requests: from Daytona's wire to operations."""

import base64
import binascii
import json
from collections.abc import Mapping

from crossfade.operation import Operation
from router.front.daytona import git
from router.front.daytona.errors import BadRequest
from router.front.daytona.fields import (
    Arguments,
    Decoder,
    Query,
    cwd_of,
    env_of,
    given,
    nothing,
    object_of,
    parsed,
    query_of,
    terminal_side,
    text_of,
    texts_of,
    timeout_of,
    whole,
)
from router.front.daytona.missing import BORN_WITH
from router.front.daytona.routes import Route
from router.front.daytona.wrapper import unwrap
from router.wire.conditions import NAMES as CONDITIONS

PTY_ENV_PROTOCOL = "X-Daytona-Pty-Envs~"
_DEEPEST = 2048  # levels that a path of 4096 bytes can have
LANGUAGES = ("python", "javascript", "typescript")


def decode(route: Route, query: bytes, headers: Mapping[bytes, bytes], body: bytes) -> Operation:
    """The operation a request asks for; everything but uploads, whose body is a stream. Raises BadRequest.

    A bulk download of several files has the argument `paths`; split it with `decode_all`.
    """
    asked = query_of(query)
    arguments = _DECODERS.get(route.kind, nothing)(asked, body, route.captures)
    arguments |= {
        name: value for name, value in route.captures.items() if name in ("session", "pty", "command_id", "context")
    }
    name = route.operation
    if route.kind == "download":
        arguments |= _range(headers) | _conditions(headers)
    if route.kind == "pty_create_connect":
        arguments["env"] = _protocol_env(headers)
    if name == "session.logs" and asked.get("follow", "").lower() == "true":
        name = "session.follow"  # SDKs before 0.27 follow over plain HTTP
    return Operation(name=name, sandbox=route.sandbox, arguments=arguments)


def decode_all(route: Route, query: bytes, headers: Mapping[bytes, bytes], body: bytes) -> tuple[Operation, ...]:
    """The operations a request asks for, in order: one, but for a bulk download one per file. Raises BadRequest."""
    operation = decode(route, query, headers, body)
    paths = operation.arguments.get("paths")
    if paths is None:
        return (operation,)
    return tuple(Operation(name=operation.name, sandbox=operation.sandbox, arguments={"path": path}) for path in paths)


def upload_path(query: bytes) -> str | None:
    """Where a single upload goes, when the query says."""
    return query_of(query).get("path")


# Control plane...


def _create(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body, empty={})
    build = found if isinstance(found := fields.get("buildInfo"), dict) else {}
    files = build.get("contextHashes")
    named = {
        "snapshot": fields.get("snapshot"),
        "image": build.get("dockerfileContent"),
        "image_files": [str(each) for each in files] if isinstance(files, list) and files else None,
        "name": fields.get("name"),
        "public": fields.get("public"),
        "target": fields.get("target"),
        "user": fields.get("user"),
        "auto_stop_minutes": fields.get("autoStopInterval"),
        "auto_archive_minutes": fields.get("autoArchiveInterval"),
        "auto_delete_minutes": fields.get("autoDeleteInterval"),
        "cpu": fields.get("cpu"),
        "memory": fields.get("memory"),
        "disk": fields.get("disk"),
    }
    arguments = {name: value for name, value in named.items() if value is not None}
    arguments |= {"env": texts_of(fields, "env"), "labels": texts_of(fields, "labels")}
    # What no other provider has: a sandbox without it would look as if it had it.
    needs = tuple(dict.fromkeys(name for field, name in BORN_WITH.items() if fields.get(field)))
    return arguments | ({"needs": needs} if needs else {})


def _list(query: Query, _body: bytes, _captures: Query) -> Arguments:
    labels: dict[str, str] = {}
    if text := query.get("labels", ""):
        value = parsed(text.encode("utf-8", "surrogateescape"), "query parameter labels")
        if value is not None and not isinstance(value, dict):
            raise BadRequest('labels must be a JSON object, such as {"id": "project-1"}')
        labels = {str(name): str(text) for name, text in (value or {}).items()}
    arguments: Arguments = {"labels": labels}
    for name in ("limit", "page"):
        if text := query.get(name, ""):
            arguments[name] = whole(text, name, least=1)
    if cursor := query.get("cursor", ""):
        arguments["cursor"] = cursor
    return arguments


def _labels(_query: Query, body: bytes, _captures: Query) -> Arguments:
    return {"labels": texts_of(object_of(body), "labels")}


def _interval(kind: str) -> Decoder:
    def decode_interval(_query: Query, _body: bytes, captures: Query) -> Arguments:
        return {"kind": kind, "minutes": whole(captures["minutes"], "interval", least=-1)}

    return decode_interval


def _preview(_query: Query, _body: bytes, captures: Query) -> Arguments:
    port = whole(captures["port"], "port", least=1)
    if port > 65_535:
        raise BadRequest(f"port {port} is past 65535")
    return {"port": port}


def _ssh_create(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"verb": "create", "minutes": whole(query.get("expiresInMinutes") or "60", "expiresInMinutes", least=1)}


def _ssh_revoke(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"verb": "revoke", "token": query.get("token", "")}


# Files...


def _range(headers: Mapping[bytes, bytes]) -> Arguments:
    named = {"range": headers.get(b"range"), "if_range": headers.get(b"if-range")}
    return {name: value.decode("latin-1") for name, value in named.items() if value} if named["range"] else {}


def _conditions(headers: Mapping[bytes, bytes]) -> Arguments:
    named = {name: headers.get(name.encode(), b"").decode("latin-1") for name in CONDITIONS}
    given = {name: value for name, value in named.items() if value}
    return {"conditions": given} if given else {}


def _path(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"path": given(query, "path")}


def _files(query: Query, _body: bytes, _captures: Query) -> Arguments:
    depth = min(whole(query.get("depth") or "1", "depth", least=1), _DEEPEST)
    path = {"path": query.get("path", "")}
    return path if depth == 1 else path | {"depth": depth}


def _delete(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"path": given(query, "path"), "recursive": query.get("recursive", "").lower() in ("true", "1")}


def _mkdir(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"path": given(query, "path"), "mode": query.get("mode", "")}


def _chmod(query: Query, _body: bytes, _captures: Query) -> Arguments:
    named = {name: query[name] for name in ("mode", "owner", "group") if query.get(name)}
    return {"path": given(query, "path")} | named


def _move(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"source": given(query, "source"), "destination": given(query, "destination")}


def _pattern(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"path": given(query, "path"), "pattern": given(query, "pattern")}


def _replace(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body)
    files = fields.get("files")
    if not isinstance(files, list):
        raise BadRequest("files must be a list of paths")
    return {
        "files": tuple(str(path) for path in files),
        "pattern": text_of(fields, "pattern"),
        "new_value": text_of(fields, "newValue", empty=True),
    }


def _bulk_download(_query: Query, body: bytes, _captures: Query) -> Arguments:
    paths = object_of(body).get("paths")
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        raise BadRequest("paths must be a list of at least one path")
    return {"path": paths[0]} if len(paths) == 1 else {"path": paths[0], "paths": tuple(paths)}


# Processes...


def _exec(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body)
    command = text_of(fields, "command")
    if not command.strip():
        raise BadRequest("command is empty; give the shell text to run")
    env = env_of(fields)
    arguments: Arguments = {
        "command": command,
        "cwd": cwd_of(fields),
        "env": env,
        "timeout": timeout_of(fields),
    }
    unwrapped = unwrap(command)
    if unwrapped is not None:
        own_command, own_env = unwrapped
        arguments |= {"command": own_command, "env": env | own_env, "shell": "sh"}
    return arguments


def _code(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body)
    language = fields.get("language") or "python"
    if language not in LANGUAGES:
        raise BadRequest(f"language {language!r} is not supported; known: {', '.join(LANGUAGES)}")
    argv = fields.get("argv") or []
    if not isinstance(argv, list):
        raise BadRequest("argv must be a list of strings")
    return {
        "code": text_of(fields, "code", empty=True),
        "language": language,
        "argv": tuple(str(word) for word in argv),
        "env": env_of(fields),
        "timeout": timeout_of(fields),
    }


def _session_create(_query: Query, body: bytes, _captures: Query) -> Arguments:
    return {"session": text_of(object_of(body), "sessionId", empty=True)}


def _session_exec(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body)
    command = text_of(fields, "command")
    if not command.strip():
        raise BadRequest("command is empty; give the shell text to run")
    run_async = bool(fields.get("runAsync") or fields.get("async"))
    quiet = {"quiet_input": True} if fields.get("suppressInputEcho") is True else {}
    return {"command": command, "run_async": run_async} | quiet


def _session_logs(_query: Query, _body: bytes, captures: Query) -> Arguments:
    # Of the sandbox's own start, which is the one command of the session of that name; no other session has such logs.
    return {"command_id": captures["session"]}


def _session_input(_query: Query, body: bytes, _captures: Query) -> Arguments:
    return {"data": text_of(object_of(body), "data", empty=True)}


def _pty_create(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body)
    return {
        "pty": text_of(fields, "id"),
        "cols": terminal_side(fields.get("cols"), "cols", 80),
        "rows": terminal_side(fields.get("rows"), "rows", 24),
        "cwd": cwd_of(fields),
        "env": env_of(fields),
    }


def _pty_create_connect(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {
        "pty": given(query, "id"),
        "cols": terminal_side(query.get("cols"), "cols", 80),
        "rows": terminal_side(query.get("rows"), "rows", 24),
        "cwd": query.get("cwd") or None,
    }


def _pty_resize(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body)
    return {"cols": terminal_side(fields.get("cols"), "cols", 0), "rows": terminal_side(fields.get("rows"), "rows", 0)}


def _context_create(_query: Query, body: bytes, _captures: Query) -> Arguments:
    fields = object_of(body, empty={})
    return {"cwd": cwd_of(fields), "language": str(fields.get("language") or "python")}


def _protocol_env(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    for protocol in headers.get(b"sec-websocket-protocol", b"").decode("latin-1").split(","):
        text = protocol.strip()
        if not text.startswith(PTY_ENV_PROTOCOL):
            continue
        encoded = text.removeprefix(PTY_ENV_PROTOCOL)
        try:
            value = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        except (ValueError, binascii.Error):
            raise BadRequest(f"subprotocol {PTY_ENV_PROTOCOL}… is not base64url of a JSON object") from None
        return env_of({"envs": value})
    return {}


_DECODERS: Mapping[str, Decoder] = {
    "sandbox.create": _create,
    "list": _list,
    "list_paginated": _list,
    "sandbox.labels": _labels,
    "auto_stop": _interval("auto_stop"),
    "auto_archive": _interval("auto_archive"),
    "auto_delete": _interval("auto_delete"),
    "sandbox.preview": _preview,
    "ssh_create": _ssh_create,
    "ssh_revoke": _ssh_revoke,
    "fs.list": _files,
    "fs.info": _path,
    "fs.delete": _delete,
    "download": _path,
    "bulk_download": _bulk_download,
    "fs.mkdir": _mkdir,
    "fs.chmod": _chmod,
    "fs.move": _move,
    "fs.find": _pattern,
    "fs.search": _pattern,
    "fs.replace": _replace,
    "process.exec": _exec,
    "process.code": _code,
    "session.create": _session_create,
    "session.exec": _session_exec,
    "session.input": _session_input,
    "session_logs": _session_logs,
    "pty.create": _pty_create,
    "pty_create_connect": _pty_create_connect,
    "pty.resize": _pty_resize,
    "interpreter.create": _context_create,
    **git.DECODERS,
}
