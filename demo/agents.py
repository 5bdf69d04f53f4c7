"""Agents at work, as SUNA's are: genuine Daytona SDK calls in the chains of its tools.

Runs inside an environment that holds one Daytona SDK (scripts/sdk_env.sh), not in crossfade's own. Reads waves from
stdin, one JSON object a line, and writes events to stdout, one JSON object a line:

    {"wave": "files 10 %", "sandboxes": 6, "parallel": 4, "repeats": 1}
    -> {"event": "call", "tool": "files", "name": "upload_file", "seconds": 0.012, "ok": true, "sandbox": "..."}
    -> {"event": "failed", "tool": ..., "name": ..., "error": ...}
    -> {"event": "wave", "wave": "files 10 %", "calls": 312, "failed": 0, "sandboxes": [...]}
"""

import asyncio
import json
import os
import sys
import time
from contextlib import contextmanager

try:
    import crossfade_suna
except ImportError:  # the tool then has to be told from the request alone, as with an unchanged SUNA
    crossfade_suna = None

from daytona_sdk import AsyncDaytona, CreateSandboxFromSnapshotParams, DaytonaConfig, SessionExecuteRequest
from daytona_sdk.common.filesystem import FileUpload

BROWSER_SERVER = b"""\
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    pages = []

    def answer(self, value):
        body = json.dumps(value, sort_keys=True).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer({"status": "healthy"})

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if self.path == "/api/navigate":
            self.pages.append(given.get("url"))
        self.answer({"success": True, "url": given.get("url"), "title": "Shop", "visited": len(self.pages)})

    def log_message(self, *_):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8004"))), Handler).serve_forever()
"""


# The SDK prints to stdout; events keep it to themselves, and the SDK's prints go to stderr.
EVENTS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**event):
    print(json.dumps(event), file=EVENTS, flush=True)


@contextmanager
def using(tool):
    """Calls inside carry the tool's name, where the shim is installed."""
    if crossfade_suna is None:
        yield
    else:
        with crossfade_suna.tool(tool):
            yield


class Agent:
    """One sandbox and what an agent does in it."""

    def __init__(self, daytona, number):
        self.daytona = daytona
        self.number = number
        self.sandbox = None
        self.calls = 0
        self.failed = 0

    async def call(self, tool, name, work):
        """One SDK call, counted. A failure is said and ends the agent."""
        started = time.perf_counter()
        with using(tool):
            try:
                result = await work
            except Exception as error:
                self.failed += 1
                say(
                    event="failed",
                    tool=tool,
                    name=name,
                    sandbox=getattr(self.sandbox, "id", ""),
                    error=repr(error)[:300],
                )
                raise
        self.calls += 1
        say(
            event="call",
            tool=tool,
            name=name,
            seconds=time.perf_counter() - started,
            sandbox=self.sandbox.id if self.sandbox else "",
        )
        return result

    async def exec(self, tool, command, **options):
        return await self.call(tool, "exec", self.sandbox.process.exec(command, **options))

    async def start(self):
        parameters = CreateSandboxFromSnapshotParams(
            snapshot="kortix/suna:0.1.3.25",
            public=True,
            labels={"id": f"project-{self.number}"},
            env_vars={"RESOLUTION": "1048x768x24", "VNC_PASSWORD": f"vnc-secret-{self.number}"},
            auto_stop_interval=15,
            auto_archive_interval=30,
        )
        self.sandbox = await self.call("lifecycle", "create", self.daytona.create(parameters))
        fs, process = self.sandbox.fs, self.sandbox.process
        await self.call("lifecycle", "create_folder", fs.create_folder("/workspace/.browser", "755"))
        await self.call("lifecycle", "upload_file", fs.upload_file(BROWSER_SERVER, "/workspace/.browser/server.py"))
        await self.call("lifecycle", "create_session", process.create_session("supervisord-session"))
        boot = SessionExecuteRequest(command="exec python3 .browser/server.py >/dev/null 2>&1", var_async=True)
        await self.call(
            "lifecycle", "execute_session_command", process.execute_session_command("supervisord-session", boot)
        )

    async def website(self):
        """create_file four times, then edit and look."""
        fs = self.sandbox.fs
        for name in ("index.html", "style.css", "app.js", "data/items.json"):
            path = f"/workspace/site/{name}"
            text = f"<!-- {name} of project {self.number} -->\n" + "\n".join(f"line {n}" for n in range(40)) + "\n"
            await self.call("files", "create_folder", fs.create_folder(path.rsplit("/", 1)[0], "755"))
            await self.call("files", "upload_file", fs.upload_file(text.encode(), path))
            await self.call("files", "set_file_permissions", fs.set_file_permissions(path, mode="644"))
        path = "/workspace/site/index.html"
        await self.call("files", "get_file_info", fs.get_file_info(path))
        text = (await self.call("files", "download_file", fs.download_file(path))).decode()
        edited = text.replace("line 7", "line seven")
        await self.call("files", "upload_file", fs.upload_file(edited.encode(), path))
        again = (await self.call("files", "download_file", fs.download_file(path))).decode()
        if again != edited:
            self.failed += 1
            say(
                event="failed",
                tool="files",
                name="read-your-writes",
                sandbox=self.sandbox.id,
                error="old text came back",
            )
        await self.call("files", "list_files", fs.list_files("/workspace/site"))

    async def upload(self):
        """A user's upload: list, upload, list again until the name is there; then the upload tool reads it."""
        fs = self.sandbox.fs
        await self.call("upload", "create_folder", fs.create_folder("/workspace/uploads", "755"))
        await self.call("upload", "list_files", fs.list_files("/workspace/uploads"))
        data = bytes(range(256)) * 64
        files = [FileUpload(source=data, destination=f"/workspace/uploads/photo-{n}.bin") for n in range(2)]
        await self.call("upload", "upload_files", fs.upload_files(files))
        names = [each.name for each in await self.call("upload", "list_files", fs.list_files("/workspace/uploads"))]
        if "photo-0.bin" not in names:
            self.failed += 1
            say(event="failed", tool="upload", name="read-your-writes", sandbox=self.sandbox.id, error=f"only {names}")
        await self.call("upload", "get_file_info", fs.get_file_info("/workspace/uploads/photo-0.bin"))
        await self.call("upload", "download_file", fs.download_file("/workspace/uploads/photo-1.bin"))

    async def shell(self):
        """The shell tool: a session, commands in it, their logs; then a terminal."""
        process = self.sandbox.process
        session = f"shell-{self.number}"
        await self.call("shell", "create_session", process.create_session(session))
        for command in (
            "cd site && ls",
            "wc -l index.html | cut -d' ' -f1",
            "mkdir -p dist && cat index.html style.css > dist/bundle.txt && sha256sum dist/bundle.txt",
            "grep -c line dist/bundle.txt; test -f missing.txt",
        ):
            request = SessionExecuteRequest(command=command, var_async=False)
            answer = await self.call(
                "shell", "execute_session_command", process.execute_session_command(session, request)
            )
            await self.call(
                "shell", "get_session_command_logs", process.get_session_command_logs(session, answer.cmd_id)
            )
        await self.exec("shell", "echo $GREETING; pwd; exit 3", cwd="/workspace", env={"GREETING": "it's $HOME"})
        await self.terminal()
        await self.call("files", "list_files", self.sandbox.fs.list_files("/workspace/site/dist"))
        await self.call("files", "download_file", self.sandbox.fs.download_file("/workspace/site/dist/bundle.txt"))

    async def terminal(self):
        """A command typed into a terminal, read until its marker."""
        seen = bytearray()
        arrived = asyncio.Event()

        async def on_data(data):
            seen.extend(data)
            if seen.count(b"__DONE__") >= 2:
                arrived.set()

        process = self.sandbox.process
        name = f"cmd-{self.number}"
        pty = await self.call("shell", "create_pty_session", process.create_pty_session(name, on_data=on_data))
        await self.call("shell", "pty input", pty.send_input("echo hello > typed.txt; echo '__DONE__' $?\n"))
        await asyncio.wait_for(arrived.wait(), 20)
        await self.call("shell", "kill_pty_session", process.kill_pty_session(name))
        await pty.disconnect()

    async def browser(self):
        """The browser tool: curl to the API server inside the sandbox."""
        base = "http://localhost:${PORT:-8004}/api"
        ready = f"for i in $(seq 100); do curl -s -o /dev/null {base} && break; sleep 0.1; done; curl -s -X GET {base}"
        health = await self.exec("browser", ready, timeout=30)
        if "healthy" not in health.result:
            self.failed += 1
            say(event="failed", tool="browser", name="health", sandbox=self.sandbox.id, error=health.result[:200])
        post = f"curl -s -X POST {base}"
        body = "-H 'Content-Type: application/json' -d '{\"url\": \"http://shop.example/\"}'"
        await self.exec(
            "browser", f"{post}/init {body}", timeout=30, env={"GEMINI_API_KEY": "AIza-planted-demo-secret"}
        )
        await self.exec("browser", f"{post}/navigate {body}", timeout=30)
        await self.exec("browser", f"{post}/screenshot {body}", timeout=30)

    async def expose(self):
        await self.exec("expose", "cat /proc/net/tcp | wc -l > /dev/null && echo listening", timeout=5)
        await self.call("expose", "get_preview_link", self.sandbox.get_preview_link(8080))

    async def live(self, repeats, keep):
        await self.start()
        for _ in range(repeats):
            await self.website()
            await self.upload()
            await self.browser()
            await self.expose()
            await self.shell_once()
        if not keep:
            await self.call("lifecycle", "delete", self.daytona.delete(self.sandbox))

    async def shell_once(self):
        await self.shell()
        await self.call("shell", "delete_session", self.sandbox.process.delete_session(f"shell-{self.number}"))


async def wave(daytona, order, first):
    """A wave of agents, a bounded number at a time."""
    gate = asyncio.Semaphore(order.get("parallel", 4))
    agents = [Agent(daytona, first + n) for n in range(order["sandboxes"])]

    async def one(agent):
        async with gate:
            try:
                await agent.live(order.get("repeats", 1), order.get("keep", True))
            except Exception as error:
                say(event="agent ended", sandbox=getattr(agent.sandbox, "id", ""), error=repr(error)[:300])

    await asyncio.gather(*(one(agent) for agent in agents))
    say(
        event="wave",
        wave=order["wave"],
        calls=sum(agent.calls for agent in agents),
        failed=sum(agent.failed for agent in agents),
        sandboxes=[agent.sandbox.id for agent in agents if agent.sandbox],
    )


async def main(url, key):
    if crossfade_suna is not None:
        crossfade_suna.install()
    daytona = AsyncDaytona(DaytonaConfig(api_key=key, api_url=url, target="us"))
    loop = asyncio.get_running_loop()
    number = 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        await wave(daytona, order, number)
        number += order["sandboxes"]
    await daytona.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
