"""The work: what is asked of a sandbox, and what both origins answer. One place, so that all targets do the same."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEY = "bench-key"
NAME = "a.py"
PATH = f"/workspace/{NAME}"
TEXT = "".join(f"def part_{number:02}(item): return item + {number:02}\n" for number in range(22))[:922]
SIZES = {"64k.bin": 64 * 1024, "10m.bin": 10 * 1024**2, "1g.bin": 1024**3}
BOUNDARY = "DAYTONA-FILE-BOUNDARY"
_NAMES = (NAME, "b.py", "notes.md")
_TIME = "2026-11-23T07:22:37.013546418Z"

# As SUNA's SDK (daytona-sdk 0.115.0, aiohttp) sends them, Host left out.
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Authorization": f"Bearer {KEY}",
    "Content-Type": "application/json",
    "User-Agent": "OpenAPI-Generator/0.0.0-dev/python",
    "X-Daytona-Source": "python-sdk",
    "X-Daytona-SDK-Version": "0.115.0",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of request, `{id}` standing for the sandbox."""

    method: str
    path: str
    body: str = ""

    def bytes(self, sandbox: str, host: str) -> bytes:
        """The request as it goes over the wire."""
        head = [f"{self.method} {self.path.replace('{id}', sandbox)} HTTP/1.1", f"Host: {host}"]
        head += [f"{name}: {value}" for name, value in HEADERS.items()]
        if self.body or self.method == "POST":
            head.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(head) + "\r\n\r\n" + self.body).encode()


READ = Ask("POST", "/toolbox/{id}/files/bulk-download", json.dumps({"paths": [PATH]}))
INFO = Ask("GET", f"/toolbox/{{id}}/files/info?path={PATH}")
LIST = Ask("GET", "/toolbox/{id}/files?path=/workspace")
SMALL: tuple[Ask, ...] = (READ, INFO, LIST)
EXEC = Ask("POST", "/toolbox/{id}/process/execute", json.dumps({"command": "cat a.py", "timeout": 30}))


def download(name: str) -> Ask:
    """A file of the given name as one answer."""
    return Ask("GET", f"/toolbox/{{id}}/files/download?path=/workspace/{name}")


def write_requests(file: Path, asks: Sequence[Ask], sandboxes: Sequence[str], host: str) -> None:
    """Every kind of request for every sandbox, for wrk.lua: NUL between them. Consecutive ones differ in both."""
    count = len(asks)
    turns = [(asks[(number + shift) % count], sandbox) for shift in range(count)
             for number, sandbox in enumerate(sandboxes)]  # fmt: skip
    file.write_bytes(b"\0".join(ask.bytes(sandbox, host) for ask, sandbox in turns))


# Daytona's answers...


def _daytona_file(name: str) -> dict[str, object]:
    return {
        "name": name, "isDir": False, "size": len(TEXT), "mode": "-rw-r--r--", "permissions": "0644",
        "modTime": "2026-11-23 07:22:37.013546418 +0000 UTC", "modifiedAt": _TIME, "owner": "0", "group": "0",
    }  # fmt: skip


def daytona_info() -> str:
    """What `files/info` gives."""
    return json.dumps(_daytona_file(NAME))


def daytona_list() -> str:
    """What `files` gives."""
    return json.dumps([_daytona_file(name) for name in _NAMES])


def daytona_read() -> str:
    """What `files/bulk-download` gives: a multipart document."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{PATH}"\r\n'
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(TEXT)}\r\n\r\n"
    )
    return f"{head}{TEXT}\r\n--{BOUNDARY}--\r\n"


def daytona_exec() -> str:
    """What any command gives: the change scan of twins/scan.py, so that a settle finds both sides equal."""
    return json.dumps({"exitCode": 0, "result": _scan()})


def daytona_sandbox(sandbox: str, url: str) -> str:
    """A sandbox object."""
    return json.dumps({
        "id": sandbox, "organizationId": "bench", "name": sandbox, "snapshot": "bench", "user": "root", "env": {},
        "labels": {}, "public": False, "networkBlockAll": False, "target": "local", "cpu": 1, "gpu": 0, "memory": 1,
        "disk": 3, "state": "started", "autoStopInterval": 15, "autoArchiveInterval": 10080, "autoDeleteInterval": -1,
        "backupState": "None", "volumes": [], "createdAt": _TIME, "updatedAt": _TIME, "desiredState": "started",
        "toolboxProxyUrl": f"{url}/toolbox",
    })  # fmt: skip


def daytona_config(url: str) -> str:
    """What `GET /api/config` gives."""
    return json.dumps({"version": "0.205.1", "proxyToolboxUrl": f"{url}/toolbox", "proxyTemplateUrl": url})


# E2B's answers...


def _envd_file(name: str) -> dict[str, object]:
    return {
        "name": name, "path": f"/workspace/{name}", "permissions": "-rw-r--r--", "owner": "root", "group": "root",
        "modifiedTime": _TIME, "type": "FILE_TYPE_FILE", "size": str(len(TEXT)), "mode": 420,
    }  # fmt: skip


def envd_stat() -> str:
    """What `Stat` gives."""
    return json.dumps({"entry": _envd_file(NAME)}, separators=(",", ":"))


def envd_list() -> str:
    """What `ListDir` gives."""
    return json.dumps({"entries": [_envd_file(name) for name in _NAMES]}, separators=(",", ":"))


def envd_exec() -> bytes:
    """What `Start` gives for any command: the same output as Daytona's, in frames."""
    output = base64.b64encode(_scan().encode()).decode()
    events: list[Mapping[str, object]] = [
        {"event": {"start": {"pid": 2}}},
        {"event": {"data": {"stdout": output}}},
        {"event": {"end": {"exited": True, "status": "exit status 0"}}},
    ]
    return b"".join(_frame(0, event) for event in events) + _frame(2, {})


def e2b_sandbox(sandbox: str) -> str:
    """What create and get give."""
    return json.dumps({
        "sandboxID": sandbox, "templateID": "base", "alias": "base", "clientID": "bench", "envdVersion": "0.6.13",
        "domain": None, "envdAccessToken": "bench-token", "state": "running",
    })  # fmt: skip


def _frame(flags: int, message: Mapping[str, object]) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode()
    return bytes((flags,)) + len(body).to_bytes(4, "big") + body


def _scan() -> str:
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    listing = "d/755/0/1.0/\0/workspace\0" + "".join(f"f/644/{len(TEXT)}/1.0/\0/workspace/{name}\0" for name in _NAMES)
    sums = "".join(f"{digest}  /workspace/{name}\0" for name in _NAMES)
    return base64.b64encode(f"{listing}\0\0{sums}".encode()).decode()
