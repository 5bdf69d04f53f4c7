"""Every operation a SUNA-like client uses, errors included, driven through one genuine Daytona SDK.

Runs inside an environment that holds that SDK (scripts/sdk_env.sh), against DAYTONA_API_URL with DAYTONA_API_KEY.
Prints one JSON line per scenario: {"name": ..., "result": ...}, ids, addresses and times replaced, so that the runs of
one SDK against two servers can be held together. Arguments are names of scenarios; none: all that this SDK can do.
"""

import asyncio
import contextlib
import io
import json
import os
import re
import sys
import warnings

warnings.simplefilter("ignore")

try:
    import daytona_sdk as sdk
except ImportError:
    import daytona as sdk

URL = os.environ["DAYTONA_API_URL"]
KEY = os.environ["DAYTONA_API_KEY"]
BIG = bytes(range(256)) * 12_288  # 3 MiB
WAIT = 30
SCENARIOS = []


def version():
    from importlib.metadata import version as installed

    return tuple(int(part) for part in installed(sdk.__name__).split(".")[:2])


VERSION = version()
OLD = VERSION < (0, 100)


def scenario(function=None, *, since=(0, 0), before=(99, 0)):
    """Register it under its name; SDKs outside the range skip it."""

    def register(function):
        if since <= VERSION < before:
            SCENARIOS.append(function)
        return function

    return register(function) if function else register


class World:
    """What scenarios share: one client, one sandbox."""

    def __init__(self):
        config = sdk.DaytonaConfig(api_key=KEY, api_url=URL, target="us")
        self.client = sdk.AsyncDaytona(config)
        self.sandbox = None

    @property
    def fs(self):
        return self.sandbox.fs

    @property
    def process(self):
        return self.sandbox.process

    async def create(self, label="main"):
        parameters = sdk.CreateSandboxFromSnapshotParams(
            snapshot="kortix/suna:0.1.3.25",
            public=True,
            labels={"suite": label},
            env_vars={"RESOLUTION": "1048x768x24", "QUOTED": 'it\'s "$HOME"'},
            auto_stop_interval=15,
            auto_archive_interval=30,
        )
        return await self.client.create(parameters)

    async def start(self):
        self.sandbox = await self.create()
        await self.fs.create_folder("/workspace/files", "755")

    async def close(self):
        with contextlib.suppress(Exception):
            await self.client.delete(self.sandbox)
        if hasattr(self.client, "close"):
            await self.client.close()


def said(error):
    """An error as what a caller can see of it."""
    seen = {"error": type(error).__name__, "message": str(error)}
    for name in ("status_code", "status"):
        if isinstance(getattr(error, name, None), int):
            seen["status"] = getattr(error, name)
    body = getattr(error, "body", None)
    if body:  # raw client errors of SDK 0.21 print their headers too
        with contextlib.suppress(ValueError):
            seen["message"] = json.loads(body).get("message")
    return seen


async def failure(work):
    """The error of a call that has to fail."""
    try:
        return {"unexpected": repr(await work)[:200]}
    except Exception as error:
        return said(error)


def state(sandbox):
    return str(getattr(sandbox.state, "value", sandbox.state))


def info(entry):
    # Directories have sizes of their file system's own; times differ by nature.
    return {
        "name": entry.name,
        "dir": entry.is_dir,
        "size": None if entry.is_dir else entry.size,
        "mode": entry.mode,
        "permissions": entry.permissions,
    }


async def until(predicate, *, seconds=WAIT):
    """Wait for a condition that an on_data callback or a server brings about."""
    async with asyncio.timeout(seconds):
        while True:
            value = predicate()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.02)


# Sandboxes...


@scenario
async def sandbox_created(world):
    sandbox = world.sandbox
    return {
        "state": state(sandbox),
        "labels": {name: value for name, value in sandbox.labels.items() if name == "suite"},
        "public": sandbox.public,
        "env": sandbox.env.get("RESOLUTION"),
        "auto_stop": sandbox.auto_stop_interval,
    }


@scenario
async def sandbox_got_by_id(world):
    sandbox = await world.client.get(world.sandbox.id)
    return {"same": sandbox.id == world.sandbox.id, "state": state(sandbox)}


@scenario
async def sandbox_unknown(world):
    return await failure(world.client.get("no-such-sandbox"))


@scenario
async def sandboxes_listed_by_label(world):
    label = f"list-{world.sandbox.id}"
    made = await world.create(label)
    try:
        if OLD:
            found = await world.client.list({"suite": label})
        elif VERSION < (0, 180):
            found = (await world.client.list({"suite": label})).items
        else:
            found = [each async for each in world.client.list(sdk.ListSandboxesQuery(labels={"suite": label}))]
        return [each.id == made.id for each in found]
    finally:
        await world.client.delete(made)


@scenario
async def sandbox_stopped_and_started(world):
    made = await world.create("stop")
    await made.fs.upload_file(b"kept", "/workspace/kept.txt")
    await made.stop()
    stopped = state(made)
    await made.start()
    started = state(made)
    kept = await made.fs.download_file("/workspace/kept.txt")
    await world.client.delete(made)
    return {"stopped": stopped, "started": started, "kept": kept.decode()}


@scenario
async def sandbox_deleted(world):
    made = await world.create("delete")
    await world.client.delete(made)

    async def gone():
        try:
            return state(await world.client.get(made.id)) in ("destroyed", "destroying")
        except Exception:
            return True

    return {"gone": await until(gone)}


@scenario
async def preview_link(world):
    link = await world.sandbox.get_preview_link(8080)
    return {"url": bool(link.url), "token": isinstance(link.token, str)}


@scenario
async def labels_set(world):
    made = await world.create("labels")
    labels = await made.set_labels({"suite": "labelled", "b": "2"})
    await world.client.delete(made)
    return dict(sorted(getattr(labels, "labels", labels).items()))


@scenario
async def interval_set(world):
    made = await world.create("interval")
    await made.set_autostop_interval(20)
    again = await world.client.get(made.id)
    await world.client.delete(made)
    return again.auto_stop_interval


# Commands...


def executed(response):
    return {"exit": response.exit_code, "output": response.result}


@scenario
async def exec_ok(world):
    return executed(await world.process.exec("echo hello; echo world"))


@scenario
async def exec_nonzero(world):
    return executed(await world.process.exec("echo before; echo problem >&2; exit 3"))


@scenario
async def exec_cwd(world):
    return executed(await world.process.exec("pwd", cwd="/workspace/files"))


@scenario
async def exec_environment(world):
    env = {"PLAIN": "a b", "QUOTED": 'it\'s "fine"', "EXPANDS": "$(echo no) $HOME `id`", "UNICODE": "grüße 🌍"}
    command = 'printf \'%s\\n\' "$PLAIN" "$QUOTED" "$EXPANDS" "$UNICODE" "$RESOLUTION"'
    return executed(await world.process.exec(command, env=env))


@scenario
async def exec_quotes_and_pipes(world):
    return executed(await world.process.exec("""echo "a 'b' \\"c\\"" | tr a-c A-C; X='$(echo no)'; echo "$X" """))


@scenario
async def exec_unicode(world):
    return executed(await world.process.exec("echo 'grüße 🌍'; printf '%s' žluťoučký | wc -c"))


@scenario
async def exec_binary_output(world):
    return executed(await world.process.exec("printf 'a\\377b\\n'"))


@scenario
async def exec_many_lines(world):
    response = await world.process.exec("seq 1 20000")
    lines = response.result.split()
    return {"exit": response.exit_code, "lines": len(lines), "last": lines[-1]}


@scenario
async def exec_heredoc(world):
    return executed(await world.process.exec("cat <<'END'\n$one\n  two\nEND\necho after"))


@scenario
async def exec_bad_cwd(world):
    response = await world.process.exec("pwd", cwd="/no/such/directory")
    return {"exit": response.exit_code, "said": "no such file or directory" in response.result}


@scenario
async def exec_timeout(world):
    return await failure(world.process.exec("sleep 20", timeout=1))


@scenario
async def exec_timeout_not_reached(world):
    return executed(await world.process.exec("echo quick", timeout=20))


@scenario
async def exec_background_redirected(world):
    return executed(await world.process.exec("sleep 5 >/dev/null 2>&1 & echo started"))


@scenario
async def code_run(world):
    return executed(await world.process.code_run("print('from python', 6 * 7)"))


# Sessions...


async def run(world, session, command, **options):
    return await world.process.execute_session_command(session, sdk.SessionExecuteRequest(command=command, **options))


def in_session(response):
    seen = {"exit": response.exit_code, "output": response.output}
    for name in ("stdout", "stderr"):
        if not OLD:
            seen[name] = getattr(response, name)
    return seen


def logged(logs):
    if isinstance(logs, str):
        return {"output": logs}
    return {"output": logs.output, "stdout": logs.stdout, "stderr": logs.stderr}


@scenario
async def session_keeps_its_state(world):
    await world.process.create_session("state")
    await run(world, "state", "cd /workspace/files && export A='b c' && f() { echo \"f $1\"; }")
    return in_session(await run(world, "state", "pwd; echo $A; f x"))


@scenario
async def session_exit_codes(world):
    await world.process.create_session("codes")
    return [(await run(world, "codes", command)).exit_code for command in ("true", "(exit 7)", "no_such_command")]


@scenario
async def session_streams(world):
    await world.process.create_session("streams")
    out = await run(world, "streams", "echo out")
    err = await run(world, "streams", "echo err >&2")
    return [in_session(out), in_session(err)]


@scenario
async def session_logs(world):
    await world.process.create_session("logs")
    command = await run(world, "logs", "echo one; echo two")
    return logged(await world.process.get_session_command_logs("logs", command.cmd_id))


@scenario
async def session_async_and_logs(world):
    await world.process.create_session("async")
    command = await run(world, "async", "for i in 1 2 3; do echo line $i; sleep 0.1; done", run_async=True)

    async def ended():
        return (await world.process.get_session_command("async", command.cmd_id)).exit_code is not None

    await until(ended)
    found = await world.process.get_session_command("async", command.cmd_id)
    logs = await world.process.get_session_command_logs("async", command.cmd_id)
    return {"at_once": command.exit_code, "exit": found.exit_code, "logs": logged(logs)}


@scenario
async def session_follow(world):
    await world.process.create_session("follow")
    command = await run(
        world, "follow", "for i in 1 2 3; do echo out $i; sleep 0.1; done; echo err >&2", run_async=True
    )
    out, err = [], []
    handlers = (out.append,) if OLD else (out.append, err.append)
    async with asyncio.timeout(WAIT):
        await world.process.get_session_command_logs_async("follow", command.cmd_id, *handlers)
    text = "".join(out)
    # Of the two streams the order among each other is not told.
    return {"out": [line for line in text.splitlines() if line != "err"], "err": "err" in text + "".join(err)}


@scenario
async def session_read_back(world):
    await world.process.create_session("read")
    await run(world, "read", "echo hi")
    session = await world.process.get_session("read")
    return {"id": session.session_id, "commands": [(each.command, each.exit_code) for each in session.commands]}


@scenario
async def sessions_listed(world):
    await world.process.create_session("listed")
    sessions = await world.process.list_sessions()
    return "listed" in [each.session_id for each in sessions]


@scenario
async def session_deleted(world):
    await world.process.create_session("deleted")
    await world.process.delete_session("deleted")
    return await failure(world.process.get_session("deleted"))


@scenario
async def session_twice(world):
    await world.process.create_session("twice")
    return await failure(world.process.create_session("twice"))


@scenario
async def session_unknown(world):
    return await failure(world.process.get_session("never-made"))


@scenario
async def session_command_unknown(world):
    await world.process.create_session("nocommand")
    return await failure(world.process.get_session_command("nocommand", "no-such-command"))


# Terminals...


async def terminal(world, name, **options):
    seen = bytearray()

    async def on_data(data):
        seen.extend(data)

    handle = await world.process.create_pty_session(name, on_data=on_data, **options)
    return handle, seen


def pty_size(cols, rows):
    from importlib import import_module

    return import_module(f"{sdk.__name__}.common.pty").PtySize(cols=cols, rows=rows)


@scenario(since=(0, 100))
async def pty_echo_and_exit(world):
    handle, seen = await terminal(world, "echo")
    await handle.send_input("echo sum=$((40 + 2))\n")
    await until(lambda: b"sum=42" in seen)
    await handle.send_input("exit 0\n")
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    return {"exit": result.exit_code, "error": result.error}


@scenario(since=(0, 100))
async def pty_nonzero_exit(world):
    handle, _seen = await terminal(world, "nonzero")
    await handle.send_input("exit 3\n")
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    return {"exit": result.exit_code, "failed": bool(result.error)}


@scenario(since=(0, 100))
async def pty_size_and_environment(world):
    options = {"cwd": "/workspace/files", "envs": {"GIVEN": "x y"}, "pty_size": pty_size(100, 30)}
    handle, seen = await terminal(world, "sized", **options)
    await handle.send_input("stty size; pwd; echo \"[$GIVEN]\"; echo $TERM; echo 'do''ne'\n")
    await until(lambda: b"done\r\n" in seen)
    text = seen.decode()
    found = [word in text for word in ("30 100", "/workspace/files", "[x y]", "xterm-256color")]
    await handle.resize(pty_size(120, 40))
    await handle.send_input("stty size\n")
    await until(lambda: b"40 120" in seen)
    await world.process.kill_pty_session("sized")
    return found


@scenario(since=(0, 100))
async def pty_killed(world):
    handle, _ = await terminal(world, "killed")
    listed = "killed" in [each.id for each in await listed_ptys(world)]
    await world.process.kill_pty_session("killed")
    async with asyncio.timeout(WAIT):
        result = await handle.wait()
    return {"listed": listed, "exit": result.exit_code}


async def listed_ptys(world):
    found = await world.process.list_pty_sessions()
    return getattr(found, "sessions", found)


@scenario(since=(0, 100))
async def pty_twice(world):
    handle, _ = await terminal(world, "same")
    second = await failure(terminal(world, "same"))
    await world.process.kill_pty_session("same")
    await handle.disconnect()
    return second


@scenario(since=(0, 100))
async def pty_unknown(world):
    return await failure(world.process.get_pty_session_info("never-made"))


# Files...


@scenario
async def file_up_and_down(world):
    await world.fs.upload_file(b"content\n", "/workspace/files/a.txt")
    return (await world.fs.download_file("/workspace/files/a.txt")).decode()


@scenario
async def file_every_byte(world):
    data = bytes(range(256)) + b"\r\n--boundary--\r\n"
    await world.fs.upload_file(data, "/workspace/files/bytes.bin")
    return await world.fs.download_file("/workspace/files/bytes.bin") == data


@scenario
async def file_empty(world):
    await world.fs.upload_file(b"", "/workspace/files/empty")
    content = await world.fs.download_file("/workspace/files/empty")
    return [content == b"", info(await world.fs.get_file_info("/workspace/files/empty"))]


@scenario
async def file_big(world):
    await world.fs.upload_file(BIG, "/workspace/files/big.bin")
    size = (await world.fs.get_file_info("/workspace/files/big.bin")).size
    return {"size": size, "same": await world.fs.download_file("/workspace/files/big.bin") == BIG}


@scenario
async def file_many(world):
    uploads = [
        sdk.FileUpload(source=b"one", destination="/workspace/many/1.txt"),
        sdk.FileUpload(source=b"two", destination="/workspace/many/deep/2.txt"),
        sdk.FileUpload(source=b"three", destination="/workspace/many/3 with space.txt"),
    ]
    await world.fs.upload_files(uploads)
    return [each.name for each in sorted(await world.fs.list_files("/workspace/many"), key=lambda each: each.name)]


@scenario(since=(0, 100))
async def files_downloaded_together(world):
    await world.fs.upload_file(b"one", "/workspace/files/one")
    sources = ["/workspace/files/one", "/workspace/files/not-there"]
    found = await world.fs.download_files([request(source) for source in sources])
    return [(each.source, each.result and bytes(each.result).decode(), bool(each.error)) for each in found]


def request(source):
    from importlib import import_module

    return import_module(f"{sdk.__name__}.common.filesystem").FileDownloadRequest(source=source)


@scenario
async def file_odd_names(world):
    names = ["grüße 🌍.txt", "a b&c=d#e?.txt", "quo\"te'.txt", "per%20cent+plus.txt"]
    found = []
    for name in names:
        path = f"/workspace/odd/{name}"
        await world.fs.upload_file(name.encode(), path)
        try:
            found.append((await world.fs.download_file(path)).decode() == name)
        except Exception as error:
            found.append([name, str(error)])
    listed = sorted(each.name for each in await world.fs.list_files("/workspace/odd"))
    return {"read": found, "listed": listed == sorted(names)}


@scenario
async def file_relative_path(world):
    await world.fs.upload_file(b"relative", "relative/r.txt")
    return (await world.fs.download_file("relative/r.txt")).decode()


@scenario
async def file_info(world):
    await world.fs.upload_file(b"12345", "/workspace/files/info.txt")
    return info(await world.fs.get_file_info("/workspace/files/info.txt"))


@scenario
async def directory_info(world):
    await world.fs.create_folder("/workspace/files/dir", "755")
    return info(await world.fs.get_file_info("/workspace/files/dir"))


@scenario
async def files_listed(world):
    await world.fs.create_folder("/workspace/listed/sub", "755")
    for name in ("b.txt", "a.txt", ".hidden"):
        await world.fs.upload_file(name.encode(), f"/workspace/listed/{name}")
    return [info(each) for each in sorted(await world.fs.list_files("/workspace/listed"), key=lambda each: each.name)]


@scenario
async def permissions_set(world):
    await world.fs.upload_file(b"#!/bin/sh\necho ran\n", "/workspace/files/tool.sh")
    await world.fs.set_file_permissions("/workspace/files/tool.sh", mode="750")
    ran = await world.process.exec("/workspace/files/tool.sh")
    return [info(await world.fs.get_file_info("/workspace/files/tool.sh")), executed(ran)]


@scenario
async def folder_made_twice(world):
    await world.fs.create_folder("/workspace/files/twice", "700")
    await world.fs.create_folder("/workspace/files/twice", "755")
    return info(await world.fs.get_file_info("/workspace/files/twice"))["permissions"]


@scenario
async def folder_on_a_file(world):
    await world.fs.upload_file(b"", "/workspace/files/occupied")
    return await failure(world.fs.create_folder("/workspace/files/occupied", "755"))


@scenario
async def file_deleted(world):
    await world.fs.upload_file(b"", "/workspace/files/short-lived")
    await world.fs.delete_file("/workspace/files/short-lived")
    return await failure(world.fs.get_file_info("/workspace/files/short-lived"))


@scenario
async def file_delete_missing(world):
    return await failure(world.fs.delete_file("/workspace/files/never-there"))


@scenario(since=(0, 100))
async def directory_deleted(world):
    await world.fs.upload_file(b"", "/workspace/tree/deep/file")
    plain = await failure(world.fs.delete_file("/workspace/tree"))
    await world.fs.delete_file("/workspace/tree", recursive=True)
    return [plain, await failure(world.fs.get_file_info("/workspace/tree"))]


@scenario
async def file_moved(world):
    await world.fs.upload_file(b"moving", "/workspace/files/from.txt")
    await world.fs.move_files("/workspace/files/from.txt", "/workspace/files/to.txt")
    return (await world.fs.download_file("/workspace/files/to.txt")).decode()


@scenario
async def file_moved_onto_another(world):
    for name in ("m1", "m2"):
        await world.fs.upload_file(name.encode(), f"/workspace/files/{name}")
    return await failure(world.fs.move_files("/workspace/files/m1", "/workspace/files/m2"))


@scenario
async def info_missing(world):
    return await failure(world.fs.get_file_info("/workspace/never-there"))


@scenario
async def list_missing(world):
    return await failure(world.fs.list_files("/workspace/never-there"))


@scenario
async def list_on_a_file(world):
    await world.fs.upload_file(b"", "/workspace/files/plain")
    return await failure(world.fs.list_files("/workspace/files/plain"))


@scenario
async def download_missing(world):
    return await failure(world.fs.download_file("/workspace/never-there"))


@scenario
async def download_directory(world):
    await world.fs.create_folder("/workspace/files/adir", "755")
    return await failure(world.fs.download_file("/workspace/files/adir"))


@scenario
async def upload_onto_a_directory(world):
    await world.fs.create_folder("/workspace/files/target", "755")
    return await failure(world.fs.upload_file(b"x", "/workspace/files/target"))


@scenario
async def text_found(world):
    await world.fs.upload_file(b"one\nneedle here\nthree\n", "/workspace/find/f.txt")
    found = await world.fs.find_files("/workspace/find", "needle")
    return [(each.file, each.line, each.content) for each in found]


@scenario
async def names_searched(world):
    await world.fs.upload_file(b"", "/workspace/search/x.py")
    await world.fs.upload_file(b"", "/workspace/search/sub/y.py")
    found = await world.fs.search_files("/workspace/search", "*.py")
    return sorted(found.files)


@scenario
async def text_replaced(world):
    await world.fs.upload_file(b"a old b old", "/workspace/files/replace.txt")
    results = await world.fs.replace_in_files(["/workspace/files/replace.txt"], "old", "new")
    content = (await world.fs.download_file("/workspace/files/replace.txt")).decode()
    return {"success": [each.success for each in results], "content": content}


# Other keys...


@scenario
async def wrong_key(world):
    config = sdk.DaytonaConfig(api_key="not-a-key", api_url=URL, target="us")
    stranger = sdk.AsyncDaytona(config)
    try:
        return await failure(stranger.get(world.sandbox.id))
    finally:
        if hasattr(stranger, "close"):
            await stranger.close()


_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{16,40}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:?\d\d)?")
_ADDRESS = re.compile(r"(?:https?|wss?)://[^\s'\"/]+")


def placed(value, ids):
    """With everything that differs from run to run replaced."""
    if isinstance(value, str):
        for each in ids:
            value = value.replace(each, "<sandbox>")
        return _ADDRESS.sub("<url>", _TIME.sub("<time>", _UUID.sub("<id>", value)))
    if isinstance(value, dict):
        return {name: placed(each, ids) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [placed(each, ids) for each in value]
    return value


async def main(names):
    world = World()
    out = sys.stdout
    chosen = [each for each in SCENARIOS if not names or each.__name__ in names]
    try:
        await world.start()
        for each in chosen:
            # SDK 0.115 prints to stdout of its own accord.
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    async with asyncio.timeout(60):
                        result = await each(world)
                except Exception as error:
                    result = {"broken": said(error)}
            line = {"name": each.__name__, "result": placed(result, [world.sandbox.id])}
            print(json.dumps(line), file=out, flush=True)
    finally:
        if world.sandbox is not None:
            await world.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
