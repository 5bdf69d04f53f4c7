"""Good requests, which malformed ones are made from. None of them ends a sandbox that other cases use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AT = "/workspace/fuzz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """A request as it should be. `{s}` in the path is a sandbox."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None


def _below(method: str, path: str, /, *, body: Mapping[str, Any] | None = None, **query: str) -> Good:
    return Good(method=method, path=f"/toolbox/{{s}}{path}", query=tuple(query.items()), body=body)


def _control(method: str, path: str, /, *, body: Mapping[str, Any] | None = None, **query: str) -> Good:
    return Good(method=method, path=f"/api{path}", query=tuple(query.items()), body=body)


REQUESTS = (
    _below("GET", "/files", path=AT),
    _below("GET", "/files/info", path=f"{AT}/a"),
    _below("GET", "/files/download", path=f"{AT}/a"),
    _below("GET", "/files/find", path=AT, pattern="needle"),
    _below("GET", "/files/search", path=AT, pattern="*.txt"),
    _below("POST", "/files/folder", path=f"{AT}/made", mode="755"),
    _below("POST", "/files/move", source=f"{AT}/b", destination=f"{AT}/b"),
    _below("POST", "/files/permissions", path=f"{AT}/a", mode="644", owner="root", group="root"),
    _below("POST", "/files/replace", body={"files": [f"{AT}/a"], "pattern": "a", "newValue": "b"}),
    _below("POST", "/files/bulk-download", body={"paths": [f"{AT}/a", f"{AT}/none"]}),
    _below("POST", "/process/execute", body={"command": "true", "cwd": AT, "envs": {"A": "b"}, "timeout": 20}),
    _below("POST", "/process/code-run", body={"code": "1", "language": "python", "argv": ["x"], "timeout": 20}),
    _below("POST", "/process/session", body={"sessionId": "fuzz"}),
    _below("GET", "/process/session"),
    _below("GET", "/process/session/fuzz"),
    _below("POST", "/process/session/fuzz/exec", body={"command": "true", "runAsync": False}),
    _below("POST", "/process/session/fuzz/exec", body={"command": "true", "runAsync": True}),
    _below("GET", "/process/session/fuzz/command/none"),
    _below("GET", "/process/session/fuzz/command/none/logs", follow="true"),
    _below("POST", "/process/session/fuzz/command/none/input", body={"data": "x"}),
    _below("GET", "/process/pty"),
    _below("GET", "/process/pty/fuzz"),
    _below("POST", "/process/pty", body={"id": "fuzz", "cols": 80, "rows": 24, "cwd": AT, "envs": {"A": "b"}}),
    _below("POST", "/process/pty/fuzz/resize", body={"cols": 100, "rows": 30}),
    _below("GET", "/process/interpreter/context"),
    _below("DELETE", "/process/interpreter/context/none"),
    _below("GET", "/git/status", path=f"{AT}/repo"),
    _below("GET", "/git/branches", path=f"{AT}/repo"),
    _below("GET", "/git/history", path=f"{AT}/repo"),
    _below("POST", "/git/add", body={"path": f"{AT}/repo", "files": ["a"]}),
    _below("POST", "/git/commit", body={"path": f"{AT}/repo", "message": "m", "author": "a", "email": "a@example.org"}),
    _below("POST", "/git/branches", body={"path": f"{AT}/repo", "name": "b"}),
    _below("POST", "/git/checkout", body={"path": f"{AT}/repo", "branch": "b"}),
    _below("GET", "/git/config", path=f"{AT}/repo", key="user.name", scope="local"),
    _below("GET", "/project-dir"),
    _below("GET", "/version"),
    _below("GET", "/no/such/route"),
    _control("GET", "/config"),
    _control("GET", "/health"),
    _control("GET", "/sandbox", labels='{"suite": "fuzz"}', limit="5", cursor="1"),
    _control("GET", "/sandbox/paginated", labels='{"suite": "fuzz"}', limit="5", page="1"),
    _control("GET", "/sandbox/{s}"),
    _control("PUT", "/sandbox/{s}/labels", body={"labels": {"suite": "fuzz"}}),
    _control("POST", "/sandbox/{s}/autostop/30"),
    _control("POST", "/sandbox/{s}/autoarchive/60"),
    _control("GET", "/sandbox/{s}/ports/8080/preview-url"),
    _control("GET", "/sandbox/{s}/toolbox-proxy-url"),
    _control("POST", "/sandbox/{s}/last-activity"),
    _control("POST", "/sandbox/{s}/start"),
    _control("GET", "/sandbox/no-such-sandbox"),
)
CREATE = _control(
    "POST",
    "/sandbox",
    body={
        "snapshot": "s",
        "name": None,
        "env": {"A": "b"},
        "labels": {"suite": "fuzz"},
        "public": False,
        "target": "us",
        "autoStopInterval": 15,
        "autoArchiveInterval": 30,
        "cpu": 1,
        "memory": 1,
        "volumes": [],
        "user": "root",
    },
)
WITH_BODY = tuple(each for each in REQUESTS if each.body is not None)
SOCKETS = (
    _below("GET", "/process/pty/held/connect"),
    _below("GET", "/process/pty/create-connect", id="held", cols="80", rows="24", cwd=AT),
    _below("GET", "/process/session/held/command/{c}/logs", follow="true"),
    _below("GET", "/process/interpreter/execute"),
)
VERSIONS = ("0.21.0", "0.115.0", "0.226.1", "", "0", "9" * 400, "1.2.3.4.5", "v1", "0.115.0-rc1", "٣.٤")
