import asyncio

import httpx2
import pytest

from router.front.e2b.inject import KINDS, Injector, UnknownInjection
from tests.front.e2b.conftest import Sandbox, Server
from tests.front.e2b.test_processes import end, output


async def switch(server: Server, **wanted):
    answer = await server.http.post("/_crossfade/inject", json=wanted)
    assert answer.status_code == 200, answer.text


async def observe(sandbox: Sandbox, headers: dict[str, str] | None = None) -> dict[str, object]:
    """Every kind of answer that an injection may change."""
    extra = headers or {}
    await sandbox.call("filesystem.Filesystem/Remove", {"path": "/tmp/seen/new"}, **extra)
    identity = {"Accept-Encoding": "identity", **extra}
    run = await sandbox.start("cat /tmp/seen/b.txt; exit 4", extra)
    stat = await sandbox.call("filesystem.Filesystem/Stat", {"path": "/tmp/seen/b.txt"}, **extra)
    listed = (await sandbox.call("filesystem.Filesystem/ListDir", {"path": "/tmp/seen"}, **extra)).json()
    made = await sandbox.call("filesystem.Filesystem/MakeDir", {"path": "/tmp/seen/new"}, **extra)
    file = await sandbox.send("GET", "/files", params={"path": "/tmp/seen/b.txt"}, headers=identity)
    session = {**identity, "X-Crossfade-Operation": "session.exec"}
    log = await sandbox.send("GET", "/files", params={"path": "/tmp/seen/b.txt"}, headers=session)
    entry = stat.json().get("entry", {})
    return {
        "file": file.content,
        "info": (stat.status_code, entry.get("size"), entry.get("permissions")),
        "list": [one["name"] for one in listed["entries"]],
        "mkdir": made.status_code,
        "exit": end(run).get("exitCode", 0),
        "stdout": output(run),
        "session": log.content,
    }


SHOWS = {
    "file-byte": {"file": b"nne\ntwo\n"},
    "file-truncated": {"file": b"one\ntwo"},
    "file-missing": {"info": (404, None, None)},
    "list-missing-entry": {"list": ["a.txt"]},
    "list-extra-entry": {"list": ["a.txt", "b.txt", "zz-injected.txt"]},
    "mode-bit": {"info": (200, "8", "-rw-r--r-x")},
    "size-off-by-one": {"info": (200, "9", "-rw-r--r--")},
    "exec-exit-code": {"exit": 0},
    "exec-stdout": {"stdout": b"injected one\ntwo\n"},
    "exec-line-missing": {"stdout": b"one\n"},
    "session-output": {"session": b"OnE\ntwO\n"},
    "error-status": {"mkdir": 500},
}


@pytest.mark.parametrize("kind", SHOWS)
async def test_each_kind_changes_one_answer_and_no_state(server: Server, sandbox: Sandbox, kind):
    await sandbox.start("mkdir -p /tmp/seen; cd /tmp/seen; echo x > a.txt; printf 'one\\ntwo\\n' > b.txt")
    before = await observe(sandbox)
    await switch(server, kinds=[{"kind": kind}])
    during = await observe(sandbox)
    settling = await observe(sandbox, {"X-Crossfade-Purpose": "settle"})
    mirrored = await observe(sandbox, {"X-Crossfade-Purpose": "mirror"})
    await switch(server, kinds=[])
    after = await observe(sandbox)

    assert before == after == settling
    assert during == mirrored == {**before, **SHOWS[kind]}


def test_there_are_twelve_kinds_and_each_is_tested():
    assert set(KINDS) == set(SHOWS)
    assert len(KINDS) == 12


async def test_an_injection_may_be_meant_for_one_sandbox_or_for_some(server: Server):
    one, two, three = [await server.create(metadata={"dt_id": id}) for id in ("x", "y", "z")]
    await switch(
        server, kinds=[{"kind": "exec-stdout", "sandbox": one.id}, {"kind": "exec-stdout", "sandbox": "dt_id=y"}]
    )
    told = [output(await sandbox.start("echo hi")) for sandbox in (one, two, three)]

    assert told == [b"injected hi\n", b"injected hi\n", b"hi\n"]


async def test_sessions_and_terminals_are_no_plain_commands(server: Server, sandbox: Sandbox):
    await switch(server, kinds=[{"kind": "exec-stdout"}])

    assert output(await sandbox.start("echo hi", tag="session")) == b"hi\n"
    assert output(await sandbox.start("echo hi", {"X-Crossfade-Operation": "fs.find"})) == b"hi\n"


async def test_an_adapter_says_which_operation_a_request_is_part_of(server: Server, sandbox: Sandbox):
    await sandbox.start("touch /tmp/there")
    await switch(server, kinds=[{"kind": "file-missing"}, {"kind": "exec-stdout"}])
    probe = {"X-Crossfade-Operation": "fs.delete"}
    stat = await sandbox.call("filesystem.Filesystem/Stat", {"path": "/tmp/there"}, **probe)
    command = await sandbox.start("echo hi", {"X-Crossfade-Operation": "process.exec"}, tag="of the adapter")

    assert stat.status_code == 200
    assert output(command) == b"injected hi\n"


def test_command_line_forms_are_parsed():
    injector = Injector.parse(["file-byte", "mode-bit:iabc", "exec-stdout:dt_id=5=6"])

    assert [one.text for one in injector.injections] == ["file-byte", "mode-bit:iabc", "exec-stdout:dt_id=5=6"]
    assert injector.injections[2].metadata == ("dt_id", "5=6")


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(UnknownInjection, match=r"unknown kind 'flip'; known: file-byte, .*error-status"):
        Injector.parse(["flip"])


@pytest.mark.parametrize(
    "wanted",
    [{"kinds": [{"kind": "x"}]}, {"delay": 1}, {"delay_seconds": -1}, {"hang": 1}, {"fail": 404}, {"kinds": ["x"]}],
)
async def test_a_switch_that_cannot_be_meant_changes_nothing(server: Server, wanted):
    await switch(server, kinds=[{"kind": "file-byte"}])
    answer = await server.http.post("/_crossfade/inject", json=wanted)

    assert answer.status_code == 400
    assert (await server.http.get("/_crossfade/inject")).json()["kinds"] == [{"kind": "file-byte"}]


async def test_delay_failure_and_silence_hit_every_request(server: Server, sandbox: Sandbox):
    purpose = {"X-Crossfade-Purpose": "settle"}
    await switch(server, delay_seconds=0.2)
    started = asyncio.get_running_loop().time()
    await sandbox.send("GET", "/health", headers=purpose)
    assert asyncio.get_running_loop().time() - started >= 0.2
    await switch(server, delay_seconds=0, fail=429)
    assert (await sandbox.send("GET", "/health", headers=purpose)).status_code == 429
    assert (await server.api("GET", "/v2/sandboxes")).status_code == 429
    await switch(server, fail=0, hang=True)
    with pytest.raises(httpx2.ReadTimeout):
        await sandbox.send("GET", "/health", timeout=0.3)
    await switch(server, hang=False)
    assert (await sandbox.send("GET", "/health")).status_code == 204
