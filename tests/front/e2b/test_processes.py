import asyncio
import base64

import pytest

from router.front.e2b.running import signal_words
from tests.front.e2b.conftest import Sandbox, Server, frame

PROCESS = "process.Process"


def output(messages: list, name: str = "stdout") -> bytes:
    chunks = [message.get("event", {}).get("data", {}).get(name, "") for _, message in messages]
    return b"".join(base64.b64decode(chunk) for chunk in chunks)


def end(messages: list):
    return next((one["event"]["end"] for _, one in messages if "end" in one.get("event", {})), None)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_command_is_start_data_end_and_the_last_frame(sandbox: Sandbox):
    messages = await sandbox.start("echo out; echo err >&2")

    assert "pid" in messages[0][1]["event"]["start"]
    assert (output(messages), output(messages, "stderr")) == (b"out\n", b"err\n")
    assert end(messages) == {"exited": True, "status": "exit status 0"}
    assert [flags for flags, _ in messages[:-1]] == [0] * (len(messages) - 1)
    assert messages[-1] == (2, {})


@pytest.mark.parametrize(
    ("command", "event"),
    [
        ("exit 3", {"exitCode": 3, "exited": True, "status": "exit status 3", "error": "exit status 3"}),
        ("kill -9 $$", {"exitCode": -1, "status": "signal: killed", "error": "signal: killed"}),
        ("kill -TERM $$", {"exitCode": -1, "status": "signal: terminated", "error": "signal: terminated"}),
    ],
)
async def test_the_end_says_how(sandbox: Sandbox, command, event):
    assert end(await sandbox.start(command)) == event


def test_signals_have_gos_words():
    assert [signal_words(number) for number in (9, 15, 11)] == ["killed", "terminated", "segmentation fault"]


async def test_a_program_that_does_not_exist_is_127_and_a_directory_that_does_not_is_refused(sandbox: Sandbox):
    missing = [one async for one in sandbox.events(f"{PROCESS}/Start", {"process": {"cmd": "no-such-program"}})]
    nowhere = [
        one async for one in sandbox.events(f"{PROCESS}/Start", {"process": {"cmd": "/bin/true", "cwd": "/none"}})
    ]

    assert end(missing)["exitCode"] == 127
    assert nowhere[-1][0] == 2
    assert nowhere[-1][1]["error"]["code"] == "invalid_argument"
    assert "/none" in nowhere[-1][1]["error"]["message"]


async def test_the_deadline_kills_the_process_and_not_its_children(sandbox: Sandbox):
    command = "(sleep 30; echo never) >/dev/null 2>&1 & echo $! > /tmp/child; exec sleep 40"
    messages = await sandbox.start(command, {"Connect-Timeout-Ms": "400"})
    alive = await sandbox.start("kill -0 $(cat /tmp/child) && echo alive")
    listed = (await sandbox.call(f"{PROCESS}/List", {})).json()

    assert messages[-1][1]["error"]["code"] == "deadline_exceeded"
    assert output(alive) == b"alive\n"
    assert listed.get("processes", []) == []


async def test_a_client_that_leaves_does_not_end_the_process(sandbox: Sandbox):
    message = {"process": {"cmd": "/bin/bash", "args": ["-c", "read x; echo got $x"]}, "tag": "mine"}
    stream = sandbox.events(f"{PROCESS}/Start", message)
    pid = (await anext(stream))[1]["event"]["start"]["pid"]
    await stream.aclose()
    (listed,) = (await sandbox.call(f"{PROCESS}/List", {})).json()["processes"]
    again = sandbox.events(f"{PROCESS}/Connect", {"process": {"pid": pid}})
    assert (await anext(again))[1] == {"event": {"start": {"pid": pid}}}
    await sandbox.call(f"{PROCESS}/SendInput", {"process": {"tag": "mine"}, "input": {"stdin": b64("it\n")}})
    rest = [one async for one in again]
    late = [one async for one in sandbox.events(f"{PROCESS}/Connect", {"process": {"pid": pid}})]

    assert (listed["pid"], listed["tag"], listed["config"]["cmd"]) == (pid, "mine", "/bin/bash")
    assert output(rest) == b"got it\n"
    assert end(late) == {"exited": True, "status": "exit status 0"}
    assert output(late) == b""


async def test_output_without_a_reader_is_discarded_and_does_not_stop_the_process(sandbox: Sandbox):
    command = "read x; head -c 3000000 /dev/zero; echo done > /tmp/mark; read y"
    stream = sandbox.events(f"{PROCESS}/Start", {"process": {"cmd": "/bin/bash", "args": ["-c", command]}})
    pid = (await anext(stream))[1]["event"]["start"]["pid"]
    await stream.aclose()
    await sandbox.call(f"{PROCESS}/SendInput", {"process": {"pid": pid}, "input": {"stdin": b64("go\n")}})

    async with asyncio.timeout(10):
        while (await sandbox.send("GET", "/files", params={"path": "/tmp/mark"})).status_code != 200:
            await asyncio.sleep(0.01)
    await sandbox.call(f"{PROCESS}/SendSignal", {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"})


async def test_a_keepalive_comes_when_nothing_else_does(sandbox: Sandbox):
    messages = await sandbox.start("sleep 1.3", {"Keepalive-Ping-Interval": "1"})

    assert {"event": {"keepalive": {}}} in [message for _, message in messages]


async def test_a_terminal_is_resized_and_written_to(sandbox: Sandbox):
    message = {
        "process": {"cmd": "/bin/bash", "args": ["--norc", "-i"], "envs": {"PS1": "> "}},
        "pty": {"size": {"cols": 91, "rows": 31}},
    }
    stream = sandbox.events(f"{PROCESS}/Start", message)
    pid = (await anext(stream))[1]["event"]["start"]["pid"]
    first = await sandbox.call(f"{PROCESS}/SendInput", {"process": {"pid": pid}, "input": {"pty": b64("stty size\n")}})
    seen = b""
    while b"31 91" not in seen:
        seen += output([await anext(stream)], "pty")
    size = {"cols": 100, "rows": 40}
    resized = await sandbox.call(f"{PROCESS}/Update", {"process": {"pid": pid}, "pty": {"size": size}})
    await sandbox.call(f"{PROCESS}/SendInput", {"process": {"pid": pid}, "input": {"pty": b64("stty size; exit 5\n")}})
    rest = [one async for one in stream]
    wrong = await sandbox.call(f"{PROCESS}/SendInput", {"process": {"pid": pid}, "input": {"pty": b64("x")}})

    assert (first.status_code, resized.status_code) == (200, 200)
    assert b"40 100" in output(rest, "pty")
    assert end(rest)["exitCode"] == 5
    assert wrong.json()["code"] == "not_found"


async def test_streamed_input_and_its_end(sandbox: Sandbox):
    stream = sandbox.events(f"{PROCESS}/Start", {"process": {"cmd": "cat"}})
    pid = (await anext(stream))[1]["event"]["start"]["pid"]
    selector = {"pid": pid}

    async def frames():
        yield frame({"start": {"process": selector}})
        for text in ("one ", "two ", "three"):
            yield frame({"data": {"input": {"stdin": b64(text)}}})

    headers = {"Content-Type": "application/connect+json"}
    answer = await sandbox.send("POST", f"/{PROCESS}/StreamInput", content=frames(), headers=headers)
    closed = await sandbox.call(f"{PROCESS}/CloseStdin", {"process": selector})
    rest = [one async for one in stream]

    assert answer.content == frame({}).replace(b"{}", b"{}") + frame({}, 2)
    assert closed.status_code == 200
    assert output(rest) == b"one two three"


@pytest.mark.parametrize(
    ("call", "message", "code"),
    [
        ("SendSignal", {"process": {"pid": 999999}, "signal": "SIGNAL_SIGKILL"}, "not_found"),
        ("SendInput", {"process": {"tag": "none"}, "input": {"stdin": ""}}, "not_found"),
        ("Update", {}, "invalid_argument"),
        ("Nonsense", {}, "unimplemented"),
    ],
)
async def test_unary_refusals(sandbox: Sandbox, call, message, code):
    answer = await sandbox.call(f"{PROCESS}/{call}", message)

    assert answer.json()["code"] == code


async def test_input_needs_the_kind_the_process_was_started_with(sandbox: Sandbox):
    message = {"process": {"cmd": "sleep", "args": ["30"]}, "stdin": False}
    stream = sandbox.events(f"{PROCESS}/Start", message)
    selector = {"pid": (await anext(stream))[1]["event"]["start"]["pid"]}
    refused = [
        await sandbox.call(f"{PROCESS}/SendInput", {"process": selector, "input": {"stdin": b64("x")}}),
        await sandbox.call(f"{PROCESS}/SendInput", {"process": selector, "input": {"pty": b64("x")}}),
        await sandbox.call(f"{PROCESS}/CloseStdin", {"process": selector}),
        await sandbox.call(f"{PROCESS}/Update", {"process": selector, "pty": {"size": {"cols": 1, "rows": 1}}}),
    ]
    unknown = await sandbox.call(f"{PROCESS}/SendSignal", {"process": selector, "signal": "SIGNAL_SIGHUP"})
    await sandbox.call(f"{PROCESS}/SendSignal", {"process": selector, "signal": "SIGNAL_SIGTERM"})
    rest = [one async for one in stream]

    assert {one.json()["code"] for one in refused} == {"internal"}
    assert unknown.json()["code"] == "unimplemented"
    assert end(rest)["status"] == "signal: terminated"


async def test_a_killed_sandbox_ends_streams_without_an_exit_code(server: Server, sandbox: Sandbox):
    stream = sandbox.events(f"{PROCESS}/Start", {"process": {"cmd": "sleep", "args": ["30"]}})
    await anext(stream)
    await server.api("DELETE", f"/sandboxes/{sandbox.id}")
    rest = [one async for one in stream]

    assert end(rest) is None
    assert rest[-1][1]["error"]["code"] == "unavailable"


async def test_a_pause_keeps_files_and_no_processes(server: Server, sandbox: Sandbox):
    await sandbox.start("echo kept > /tmp/kept; tail -f /dev/null >/dev/null 2>&1 &")
    await server.api("POST", f"/sandboxes/{sandbox.id}/pause")
    await server.api("POST", f"/v2/sandboxes/{sandbox.id}/connect", json={})
    messages = await sandbox.start("cat /tmp/kept; pgrep -x tail")

    assert output(messages) == b"kept\n"
