"""Commands through a whole router: what is a read leaves the follower as good as it was; what is local is compared."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from crossfade.errors import SettingsError
from crossfade.operation import Operation
from crossfade.stage import Origin
from policies.commands.commands import Commands
from policies.commands.rules import built_in
from router.engine.commands import not_local, only_reads, rules_of
from router.settings import Mirror
from router.store.calls import tail
from tests.preview.rig import Box, Rig, origins, router, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
COMMANDS = Commands(built_in())
MAY_REACH = "execute not repeated (shadow_egress = blocked): the follower may reach other machines"
LOCAL = '[tools.shell]\nmirror_execute = "local"\n'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    directory = tmp_path_factory.mktemp("rig")
    async with origins(directory) as programs, router(directory, programs, extra=LOCAL) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def box(rig: Rig) -> Box:
    made = await rig.create()
    await made.joined()
    await until(lambda: not made.twin.row.dirty and not made.twin.unsettled() and not made.twin.settling)
    return made


async def post(box: Box, path: str, **body: object) -> httpx2.Response:
    async with box.rig.client() as client:
        answer = await client.post(f"/api/toolbox/{box.id}/toolbox/process/{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer


async def dropped(box: Box, count: int) -> list[str | None]:
    """What became of its last calls as evidence, oldest first; empty: compared."""
    found = []

    def all_there() -> bool:
        box.rig.app.records.flush()
        found[:] = [each.record for each in tail(box.rig.app.database, limit=200) if each.record.sandbox == box.id]
        return len([each for each in found if each.operation.startswith("process")]) >= count

    await until(all_there)
    mine = sorted((each for each in found if each.operation.startswith("process")), key=lambda each: each.at)
    return [each.dropped for each in mine[-count:]]


async def test_a_command_that_reads_makes_no_follower_doubtful(box: Box) -> None:
    before = (box.twin.gen, box.twin.hot, box.twin.mutations, box.twin.row.dirty)
    answer = await post(box, "execute", command="echo seen; ls -la /workspace | head -3")
    await post(box, "execute", command="grep -c x /etc/passwd || true", timeout=10)

    assert answer.json()["result"].startswith("seen\n")
    assert (box.twin.gen, box.twin.hot, box.twin.mutations, box.twin.row.dirty) == before


@pytest.mark.parametrize(
    "body",
    [
        {"command": "ls > /workspace/files"},
        {"command": "ls; frobnicate"},
        {"command": "ls", "envs": {"LD_PRELOAD": "/tmp/x.so"}},
    ],
    ids=["redirected", "unknown", "environment"],
)
async def test_any_other_command_does(box: Box, body: dict[str, object]) -> None:
    gen = box.twin.gen
    await post(box, "execute", **body)

    assert box.twin.gen > gen
    assert box.twin.hot


async def test_in_a_session_only_what_means_the_same_in_any_shell_is_a_read(box: Box) -> None:
    await post(box, "session", sessionId="s")
    gen = box.twin.gen
    await post(
        box, "session/s/exec", command="tmux has-session -t b 2>/dev/null || echo 'not_exists'", **{"async": False}
    )
    polled = box.twin.gen
    await post(box, "session/s/exec", command="ls", **{"async": False})

    assert polled == gen
    assert box.twin.gen > gen


async def test_local_commands_are_compared_and_others_are_copied(box: Box) -> None:
    await post(box, "execute", command="echo one > /workspace/f; cat /workspace/f")
    [compared] = await dropped(box, 1)
    shut_in = await box.rig.app.sides.backends[Origin.NEW].reaches_out(box.twin.row.ids[Origin.NEW]) is False
    await post(box, "execute", command="python3 none.py || true")
    reason = (await dropped(box, 2))[1]

    # Where the machine has no namespaces, embedded sandboxes cannot be shut in, and say so.
    assert compared == ("" if shut_in else MAY_REACH)
    assert reason == "execute not repeated (mirror_execute = local): class unknown"


@pytest.mark.parametrize(
    ("operation", "reads"),
    [
        (Operation(name="process.exec", arguments={"command": "ls"}), True),
        (Operation(name="process.exec", arguments={"command": "ls", "env": {"LANG": "C"}}), True),
        (Operation(name="process.exec", arguments={"command": "ls", "env": {"PATH": "."}}), False),
        (Operation(name="process.exec", arguments={"command": None}), False),
        (Operation(name="session.exec", arguments={"command": "tmux ls", "run_async": True}), False),
        (Operation(name="session.exec", arguments={"command": "tmux ls", "run_async": False}), True),
        (Operation(name="process.code", arguments={"code": "1", "language": "python"}), False),
        (Operation(name="session.input", arguments={"command": "ls"}), False),
        (Operation(name="fs.find", arguments={}), False),
    ],
)
async def test_which_calls_run_a_command_that_reads(operation: Operation, reads: bool) -> None:
    assert only_reads(COMMANDS, (operation,)) is reads
    assert not only_reads(COMMANDS, (operation, operation))
    assert not only_reads(COMMANDS, ())


async def test_what_runs_nothing_is_never_held_back() -> None:
    assert not_local(COMMANDS, (Operation(name="fs.upload", arguments={"path": "f"}),), ()) == ""
    assert not_local(COMMANDS, (Operation(name="sandbox.start"),), ()) == "only one-shot commands are"


async def test_rules_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    assert rules_of(Mirror()) is built_in()
    with pytest.raises(SettingsError, match=r"cannot read mirror\.command_rules"):
        rules_of(Mirror(command_rules=str(tmp_path / "none.toml")))
    (tmp_path / "odd.toml").write_text("[programs.x]\nclass = 1\n")
    with pytest.raises(SettingsError, match=r"programs\.x: class 1 is none of"):
        rules_of(Mirror(command_rules=str(tmp_path / "odd.toml")))
