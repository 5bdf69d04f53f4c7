"""A Daytona that says yes to everything and notes who asked: method, path and header of every request."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

HEADER = "x-crossfade-tool"
FILE = {"name": "f", "isDir": False, "size": 7, "modTime": "now", "mode": "-rw-r--r--", "permissions": "0644"}


class Recorder:
    """The requests so far, and the application that takes them."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str | None]] = []
        self.url = ""
        self.app = Starlette(
            routes=[
                WebSocketRoute("/{path:path}", self.websocket),
                Route("/{path:path}", self.http, methods=["GET", "POST", "PUT", "DELETE"]),
            ]
        )

    async def http(self, request: Request) -> Response:
        path = request.url.path
        self.requests.append((request.method, path, request.headers.get(HEADER)))
        await request.body()
        if path.endswith("bulk-download"):
            boundary = "DAYTONA-FILE-BOUNDARY"
            wanted = (await request.json())["paths"][0]
            head = f'Content-Disposition: form-data; name="file"; filename="{wanted}"\r\nContent-Length: 7\r\n'
            body = f"--{boundary}\r\n{head}\r\ncontent\r\n--{boundary}--\r\n"
            return Response(body, media_type=f"multipart/form-data; boundary={boundary}")
        if path.endswith("/logs"):
            return JSONResponse({"output": "", "stdout": "", "stderr": ""})
        return JSONResponse(self._answer(path), 201 if path.endswith("/process/pty") else 200)

    async def websocket(self, socket: WebSocket) -> None:
        offered = socket.scope["subprotocols"]
        path = socket.url.path
        self.requests.append(("WS", path, socket.headers.get(HEADER)))
        await socket.accept(subprotocol=offered[0] if offered else None)
        if "/pty/" in path:
            await socket.send_json({"type": "control", "status": "connected"})
            async for _ in socket.iter_bytes():
                pass
        await socket.close()

    def _answer(self, path: str) -> Any:
        last = path.rsplit("/", 1)[1]
        if path == "/api/config":
            return {
                "version": "1",
                "oidc": {"clientId": "", "issuer": "", "audience": ""},
                "linkedAccountsEnabled": False,
                "announcements": {},
                "proxyTemplateUrl": self.url,
                "proxyToolboxUrl": f"{self.url}/toolbox",
                "defaultSnapshot": "",
                "dashboardUrl": "",
                "maxAutoArchiveInterval": 1,
                "maintananceMode": False,
                "environment": "test",
                "pylonAppId": "",
            }
        if path.startswith("/api/sandbox/sb-") and path.count("/") == 3:
            return {
                "id": last,
                "name": last,
                "organizationId": "o",
                "user": "root",
                "env": {},
                "labels": {},
                "public": False,
                "target": "us",
                "cpu": 1,
                "gpu": 0,
                "memory": 1,
                "disk": 1,
                "state": "started",
                "networkBlockAll": False,
                "kvm": False,
                "toolboxProxyUrl": f"{self.url}/toolbox",
            }
        if last == "preview-url":
            return {"sandboxId": "x", "url": self.url, "token": "t"}
        if last == "toolbox-proxy-url":
            return {"url": f"{self.url}/toolbox"}
        if last == "execute":
            return {"exitCode": 0, "result": ""}
        if last == "exec":
            return {"cmdId": "c", "output": "", "exitCode": 0}
        if path.endswith("/process/pty"):
            return {"sessionId": "t"}
        return [{**FILE, "owner": "0", "group": "0"}] if last == "files" else {**FILE, "owner": "0", "group": "0"}
