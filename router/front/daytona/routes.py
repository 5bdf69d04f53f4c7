"""Routes: which operation a request line asks for. Pure, on plain strings; the path is taken as sent, still encoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal
from urllib.parse import unquote

Plane = Literal["control", "toolbox"]
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """What a request line asks for.

    `operation` is a name of crossfade.operation.OPERATIONS, or empty where only the front is asked. `kind` tells the
    wire shapes of one operation apart. `captures` holds the decoded variable segments, `template` the path without ids.
    """

    operation: str
    kind: str
    sandbox: str
    captures: Mapping[str, str]
    plane: Plane
    websocket: bool
    template: str


@dataclass(slots=True)
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    variable: tuple[str, "_Node"] | None = None
    methods: dict[str, tuple[str, str]] = field(default_factory=dict)  # method -> (operation, kind)
    template: str = ""


# method path operation kind. A websocket handshake has the method WS; kind "" stands for the operation's own name.
_CONTROL = """
GET    /config                                  -                config
GET    /health                                  -                health
GET    /sandbox                                 sandbox.list     list
POST   /sandbox                                 sandbox.create   .
GET    /sandbox/paginated                       sandbox.list     list_paginated
GET    /sandbox/{sandbox}                       sandbox.get      .
DELETE /sandbox/{sandbox}                       sandbox.delete   .
POST   /sandbox/{sandbox}/start                 sandbox.start    .
POST   /sandbox/{sandbox}/stop                  sandbox.stop     .
POST   /sandbox/{sandbox}/archive               sandbox.archive  .
PUT    /sandbox/{sandbox}/labels                sandbox.labels   .
POST   /sandbox/{sandbox}/autostop/{minutes}    sandbox.interval auto_stop
POST   /sandbox/{sandbox}/autoarchive/{minutes} sandbox.interval auto_archive
POST   /sandbox/{sandbox}/autodelete/{minutes}  sandbox.interval auto_delete
GET    /sandbox/{sandbox}/ports/{port}/preview-url sandbox.preview .
POST   /sandbox/{sandbox}/ssh-access            sandbox.ssh      ssh_create
DELETE /sandbox/{sandbox}/ssh-access            sandbox.ssh      ssh_revoke
GET    /sandbox/{sandbox}/toolbox-proxy-url     -                toolbox_url
POST   /sandbox/{sandbox}/last-activity         -                activity
"""
_TOOLBOX = """
GET    /project-dir                             sandbox.home_dir .
GET    /user-home-dir                           sandbox.home_dir .
GET    /work-dir                                sandbox.work_dir .
GET    /version                                 -                version
GET    /files                                   fs.list          .
DELETE /files                                   fs.delete        .
GET    /files/info                              fs.info          .
GET    /files/download                          fs.download      download
GET    /files/find                              fs.find          .
GET    /files/search                            fs.search        .
POST   /files/folder                            fs.mkdir         .
POST   /files/move                              fs.move          .
POST   /files/permissions                       fs.chmod         .
POST   /files/replace                           fs.replace       .
POST   /files/bulk-download                     fs.download      bulk_download
POST   /files/bulk-upload                       fs.upload        bulk_upload
POST   /files/upload                            fs.upload        upload
POST   /files/upload-v2                         fs.upload        upload_v2
POST   /process/execute                         process.exec     .
POST   /process/code-run                        process.code     .
GET    /process/session                         session.list     .
POST   /process/session                         session.create   .
GET    /process/session/{session}               session.get      .
DELETE /process/session/{session}               session.delete   .
POST   /process/session/{session}/exec          session.exec     .
GET    /process/session/{session}/command/{command_id}       session.command .
GET    /process/session/{session}/command/{command_id}/logs  session.logs    .
WS     /process/session/{session}/command/{command_id}/logs  session.follow  follow
GET    /process/session/{session}/logs          session.logs     session_logs
WS     /process/session/{session}/logs          session.follow   session_logs
POST   /process/session/{session}/command/{command_id}/input session.input   .
GET    /process/pty                             pty.list         .
POST   /process/pty                             pty.create       .
WS     /process/pty/create-connect              pty.create       pty_create_connect
GET    /process/pty/{pty}                       pty.get          .
DELETE /process/pty/{pty}                       pty.delete       .
POST   /process/pty/{pty}/resize                pty.resize       .
WS     /process/pty/{pty}/connect               pty.connect      pty_connect
GET    /process/interpreter/context             interpreter.list   .
POST   /process/interpreter/context             interpreter.create .
DELETE /process/interpreter/context/{context}   interpreter.delete .
WS     /process/interpreter/execute             interpreter.execute .
GET    /git/status                              git.status       .
GET    /git/branches                            git.branches     .
POST   /git/branches                            git.branch_create .
DELETE /git/branches                            git.branch_delete .
GET    /git/history                             git.history      .
GET    /git/remotes                             git.remotes      .
POST   /git/remotes                             git.remote_add   .
GET    /git/config                              git.config       .
POST   /git/config                              git.config_set   .
POST   /git/config/user                         git.user         .
POST   /git/credentials                         git.credentials  .
POST   /git/clone                               git.clone        .
POST   /git/init                                git.init         .
POST   /git/add                                 git.add          .
POST   /git/commit                              git.commit       .
POST   /git/push                                git.push         .
POST   /git/pull                                git.pull         .
POST   /git/checkout                            git.checkout     .
POST   /git/reset                               git.reset        .
POST   /git/restore                             git.restore      .
"""


def match(method: str, path: str, *, websocket: bool = False) -> Route | None:
    """The route of a request line, or None when nobody knows the path.

    Below a sandbox every path has a route: one that is not in the table has no operation and kind "unknown", one
    whose method is wrong has kind "wrong_method". `websocket` says that the request is a handshake; paths that are
    nothing else are taken for one anyway.
    """
    found = _resolve(path)
    if found is None:
        return None
    plane, sandbox, node, captures = found
    if node is None:
        return Route("", "unknown", sandbox, _NOTHING, plane, websocket, _unknown_template(plane))
    entry = None if websocket else node.methods.get(method)
    if entry is None and (websocket or method == "GET"):
        entry, websocket = node.methods.get("WS"), True
    if entry is None:
        return Route("", "wrong_method", sandbox, captures, plane, websocket, node.template)
    operation, kind = entry
    return Route(operation, kind, sandbox, captures, plane, websocket, node.template)


def allowed(path: str) -> tuple[str, ...]:
    """The methods a path has, sorted; none when it is unknown."""
    found = _resolve(path)
    if found is None or found[2] is None:
        return ()
    return tuple(sorted({"GET" if method == "WS" else method for method in found[2].methods}))


def _resolve(path: str) -> tuple[Plane, str, _Node | None, Mapping[str, str]] | None:
    """Plane, sandbox, node and captures; no node: an unknown path below a sandbox; None: unknown altogether."""
    segments = path.split("/")
    if segments[-1] == "" and len(segments) > 2:
        segments.pop()  # a trailing slash means nothing
    count = len(segments)
    if count < 2 or segments[0] != "":
        return None
    first = segments[1]
    if first == "toolbox" and count > 2 and segments[2]:
        return _below("toolbox", unquote(segments[2]), _TOOLBOX_ROOT, segments, 3, {})
    if first == "api" and count > 2:
        if segments[2] == "toolbox" and count > 4 and segments[4] == "toolbox":
            # Where the SDKs before 0.113 look for the toolbox.
            return _below("toolbox", unquote(segments[3]), _TOOLBOX_ROOT, segments, 5, {})
        return _control(segments)
    if first == "health" and count == 2:
        return _below("control", "", _CONTROL_ROOT, segments, 1, {})
    return None


def _control(segments: list[str]) -> tuple[Plane, str, _Node | None, Mapping[str, str]] | None:
    found = _below("control", "", _CONTROL_ROOT, segments, 2, {})
    _, _, node, captures = found
    if node is not None:
        return "control", captures.get("sandbox", ""), node, captures
    if segments[2] == "sandbox" and len(segments) > 4 and segments[3] not in _NOT_A_SANDBOX:
        return "control", unquote(segments[3]), None, _NOTHING
    return None


def _below(
    plane: Plane, sandbox: str, root: _Node, segments: list[str], start: int, captures: dict[str, str]
) -> tuple[Plane, str, _Node | None, Mapping[str, str]]:
    node = root
    for segment in segments[start:]:
        child = node.literals.get(segment)
        if child is None:
            if node.variable is None:
                return plane, sandbox, None, _NOTHING
            name, child = node.variable
            captures[name] = unquote(segment)
        node = child
    return plane, sandbox, node if node.methods else None, captures or _NOTHING


def _unknown_template(plane: Plane) -> str:
    return "/toolbox/{sandbox}/..." if plane == "toolbox" else "/api/sandbox/{sandbox}/..."


_NOT_A_SANDBOX = frozenset({"paginated", "ssh-access", "for-runner", "regions"})


def _tree(text: str, prefix: str) -> _Node:
    root = _Node()
    for line in text.split("\n"):
        if not line:
            continue
        method, path, operation, kind = line.split()
        node = root
        for segment in path.split("/")[1:]:
            node = _child(node, segment)
        node.template = prefix + path
        operation = "" if operation == "-" else operation
        node.methods[method] = (operation, operation if kind == "." else kind)
    return root


def _child(node: _Node, segment: str) -> _Node:
    if not segment.startswith("{"):
        return node.literals.setdefault(segment, _Node())
    if node.variable is None:
        node.variable = (segment[1:-1], _Node())
    return node.variable[1]


_CONTROL_ROOT = _tree(_CONTROL, "/api")
_TOOLBOX_ROOT = _tree(_TOOLBOX, "/toolbox/{sandbox}")
