"""Beyond the shared contract: the adapter against the embedded E2B front, over a socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crossfade.operation import Operation
from crossfade.results import STDOUT_MARK
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router.backends.e2b.backend import E2BBackend
from router.backends.e2b.commands import Commands
from router.backends.e2b.control import Control
from router.backends.e2b.envd import Envd
from router.backends.local.sandboxes import LocalSandboxes
from router.front.e2b.app import e2b_app
from router.wire.http1.client import Http1Upstream
from tests.backends.asking import PATIENCE, Asking, everything, refusal, until
from tests.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Served:
    """A server, and as many adapters to it as a test wants: a second one is a router that was restarted."""

    def __init__(self, url: str, upstream: Http1Upstream) -> None:
        self.url, self.upstream = url, upstream
        self.backend = self.adapter()

    def adapter(self) -> E2BBackend:
        return E2BBackend(
            self.upstream, api_url=self.url, sandbox_url=self.url, domain="sandbox.test", key="key",
            templates={"*": "base"}, origin=Origin.NEW,
        )  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    directory: Path = tmp_path_factory.mktemp("served")
    sandboxes = LocalSandboxes(directory)
    await sandboxes.open()
    try:
        async with serving(e2b_app(sandboxes, keys=["key"])) as url, Http1Upstream() as upstream:
            yield Served(url, upstream)
    finally:
        await sandboxes.close()


@pytest_asyncio.fixture(loop_scope="module")
async def box(served: Served) -> AsyncIterator[Asking]:
    created = await served.backend.perform(Operation(name="sandbox.create"))
    yield Asking(served.backend, created.value.id)
    await served.backend.perform(Operation(name="sandbox.delete", sandbox=created.value.id))


async def test_sessions_are_found_again_after_a_restart_with_their_state(served: Served, box: Asking) -> None:
    id = await box.session("kept ä/1")
    await box.ask("session.exec", session=id, command="cd /tmp; export A=1")
    running = await box.ask("session.exec", session=id, command="read x; echo got $x", run_async=True)
    restarted = Asking(served.adapter(), box.id)

    assert [each.id for each in (await restarted.ask("session.list")).value] == [id]
    command = running.value.command_id
    assert (await restarted.ask("session.input", session=id, command_id=command, data="this")).status == 204
    outcome = await restarted.ask("session.exec", session=id, command="echo $PWD $A")

    assert outcome.value.marked == STDOUT_MARK + b"/tmp 1\n"
    logs = (await restarted.ask("session.logs", session=id, command_id=command)).value.marked
    assert STDOUT_MARK + b"got this\n" in logs


async def test_terminals_are_found_again_after_a_restart(served: Served, box: Asking) -> None:
    await box.ask("pty.create", pty="kept")
    restarted = Asking(served.adapter(), box.id)

    assert [each.id for each in (await restarted.ask("pty.list")).value] == ["kept"]
    terminal = await restarted.channel("pty.connect", pty="kept")
    output = terminal.output()
    await terminal.send(b"echo he''re; exit 4\n")
    await until(output, b"here")
    await everything(output)

    assert terminal.end.exit_code == 4


async def test_what_a_terminal_wrote_unseen_is_shown_to_the_first_who_comes(box: Asking) -> None:
    await box.ask("pty.create", pty="t")
    one = await box.channel("pty.connect", pty="t")
    await one.send(b"sleep 0.1; echo un''seen > /workspace/told; cat /workspace/told\n")
    await one.close()
    async with asyncio.timeout(PATIENCE):
        while not (await box.ask("fs.info", path="told")).ok:
            pass

    again = await box.channel("pty.connect", pty="t")

    await until(again.output(), b"unseen")


async def test_a_session_takes_a_command_of_any_size_and_shows_it(box: Asking) -> None:
    id = await box.session()
    text = "x='" + "y" * 300_000 + "'; echo ${#x}"

    outcome = await box.ask("session.exec", session=id, command=text)

    assert outcome.value.marked == STDOUT_MARK + b"300000\n"
    assert (await box.ask("session.get", session=id)).value.commands[0].command == text


async def test_code_of_any_size_runs(box: Asking) -> None:
    code = "# " + "x" * 200_000 + "\nimport sys; print(sys.argv[1:])"

    outcome = await box.ask("process.code", code=code, argv=["a b", "c"])

    assert outcome.value.output == b"['a b', 'c']\n"


async def test_a_command_whose_client_left_is_still_cut_off_in_time(box: Asking) -> None:
    command = "touch /workspace/up; sleep 54321"
    asking = asyncio.create_task(box.ask("process.exec", command=command, timeout=1))
    async with asyncio.timeout(PATIENCE):
        while not (await box.ask("fs.info", path="up")).ok:
            pass
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

        while "54321" in await cmdlines(box):
            pass


async def test_nothing_waits_for_the_time_limit_of_a_command_that_ended_after_its_client_left(
    served: Served, box: Asking
) -> None:
    control = Control(
        upstream=served.upstream, origin=Origin.NEW, api_url=served.url, key="key", templates={"*": "base"}
    )
    envd = Envd(
        upstream=served.upstream, origin=Origin.NEW, sandbox_url=served.url, domain="sandbox.test", user="root",
        verify=control.verify, used=lambda _sandbox, _purpose: None,
    )  # fmt: skip
    commands = Commands(envd=envd, work_dir="/workspace", look_seconds=0.05)
    handle = await control.handle(box.id, Purpose.ANSWER)
    script = ["-c", "touch /workspace/begun; until [ -e /workspace/end ]; do sleep 0.05; done"]
    asking = asyncio.create_task(commands.run(handle, script, purpose=Purpose.ANSWER, timeout=2**31))
    async with asyncio.timeout(PATIENCE):
        while not (await box.ask("fs.info", path="begun")).ok:
            pass
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        assert waiting()

        await box.sh("touch /workspace/end")
        while waiting():
            await asyncio.sleep(0.02)


def waiting() -> list[str]:
    """Tasks that look after a command whose client left."""
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("end of crossfade:")]


async def cmdlines(box: Asking) -> str:
    """All command lines inside."""
    return (await box.sh('cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "'))[1]


async def test_nobody_reads_a_log_that_nobody_follows(box: Asking) -> None:
    id = await box.session()
    command = (await box.ask("session.exec", session=id, command="echo up; read x", run_async=True)).value.command_id
    following = await box.channel("session.follow", session=id, command_id=command)
    output = following.output()
    await until(output, b"up")
    assert "tail -c +1" in await cmdlines(box)

    await following.close()
    await everything(output)

    assert "tail -c +1" not in await cmdlines(box)


async def test_a_deleted_sandbox_that_another_router_knew_is_404(served: Served, box: Asking) -> None:
    other = served.adapter()
    known: Any = await other.perform(Operation(name="fs.list", sandbox=box.id, arguments={"path": ""}))
    assert known.ok
    await box.ask("sandbox.delete")

    assert refusal(await Asking(other, box.id).ask("process.exec", command="true")) == (404, "NOT_FOUND")


async def test_a_relative_search_answers_in_relative_paths(box: Asking) -> None:
    await box.put("src/a.py", b"x = 1\r\n")

    assert (await box.ask("fs.search", path="src", pattern="*.py")).value == ("src/a.py",)
    found = (await box.ask("fs.find", path="src", pattern="x =")).value
    assert [(each.path, each.content) for each in found] == [("src/a.py", "x = 1")]


async def test_an_empty_path_is_never_the_work_dir_to_a_delete(box: Asking) -> None:
    await box.put("kept", b"")

    assert refusal(await box.ask("fs.delete", path="", recursive=True)) == (400, "BAD_REQUEST")
    assert await box.names("") == ["kept"]


async def test_odd_names_come_through_every_call(box: Asking) -> None:
    name = 'it\'s a "name" $(x) `y` * ü \\'
    await box.put(f"/workspace/{name}", b"v")

    assert (await box.ask("fs.chmod", path=name, mode="600")).ok
    assert (await box.ask("fs.info", path=name)).value.mode == 0o600
    assert (await box.ask("fs.move", source=name, destination=name + "2")).ok
    assert (await box.ask("fs.replace", files=[name + "2"], pattern="v", new_value="w")).value[0].success
    assert await box.get(f"/workspace/{name}2") == b"w"
    assert (await box.ask("fs.delete", path=name + "2")).status == 204


async def test_two_signs_are_not_one_letter_of_two_bytes(box: Asking) -> None:
    assert (await box.ask("process.exec", command="mkdir letters && touch letters/ä letters/ab")).ok
    found = await box.ask("fs.search", path="letters", pattern="??")
    assert found.value == ("letters/ab",)


async def test_a_run_is_renewed_and_the_sandbox_goes_on(served: Served) -> None:
    """That processes go on, too, is E2B's part: the embedded server keeps files over a pause, and no memory."""
    created = await served.backend.perform(Operation(name="sandbox.create", arguments={}))
    box = Asking(served.backend, created.value.id)
    try:
        await box.put("/workspace/kept", b"1")
        before = served.backend.running_since(box.id)
        await asyncio.sleep(0.05)
        outcome = await served.backend.renew(box.id)

        assert outcome.ok, outcome
        assert served.backend.running_since(box.id) > before
        assert await box.sh("cat /workspace/kept") == (0, "1")
    finally:
        await box.ask("sandbox.delete")
