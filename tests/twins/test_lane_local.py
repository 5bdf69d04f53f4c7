"""Where only local executes are repeated: which are, and what becomes of the others."""

import asyncio

import pytest

from crossfade.decision import MirrorExecute
from crossfade.operation import Operation
from tests.twins.stand import ROOT, Stand
from tests.twins.talking import Talk, talking

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"
WHY = "execute not repeated (mirror_execute = local): "


async def said(talk: Talk, **arguments: object) -> str:
    return await (await talk.say("process.exec", **arguments)).verdict()


async def test_reads_and_local_commands_are_repeated(stand: Stand) -> None:
    await stand.old.put(F, b"here\n")
    await stand.settler.everything(stand.twin)
    async with talking(stand) as talk:
        talk.mirror_execute = MirrorExecute.LOCAL
        talk.lanes.settled(talk.twin)
        verdicts = [
            await said(talk, command=f"cat {F}"),
            await said(talk, command=f"echo more >> {F}; cat {F}"),
            await said(talk, command=f"sh -c 'wc -l {F}'"),
        ]

    assert verdicts == ["compared"] * 3
    assert await stand.new.get(F) == b"here\nmore\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"command": "python3 -c 'import time'"}, "class unknown"),
        ({"command": "ping -c 1 -W 1 127.0.0.1 || true"}, "class external"),
        ({"command": "ps aux > /dev/null"}, "it reads the state of processes"),
        ({"command": "sleep 0.01 > /dev/null 2>&1 &"}, "it leaves something running"),
        ({"command": f"echo a > {F}", "env": {"LD_BIND_NOW": "1"}}, "its environment may change what programs do"),
        ({"command": f"sleep 2.1; echo a > {F}"}, "it took more than 2 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_everything_else_is_not_sent_and_what_comes_after_it_waits_for_a_copy(
    stand: Stand, arguments: dict[str, object], why: str
) -> None:
    async with talking(stand) as talk:
        talk.mirror_execute = MirrorExecute.LOCAL
        talk.lanes.settled(talk.twin)

        assert await said(talk, **arguments) == WHY + why
        assert await said(talk, command=f"echo b > {F}") == "follower is behind"
        assert stand.follower.seen == []


async def test_sessions_are_not_repeated(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.mirror_execute = MirrorExecute.LOCAL
        talk.lanes.settled(talk.twin)
        made = await talk.say("session.create", session="s")
        ran = await talk.say("session.exec", session="s", command="ls", run_async=False)

        assert await made.verdict() == await ran.verdict() == WHY + "only one-shot commands are"
        assert stand.follower.seen == []


async def test_a_repetition_that_hangs_is_over_long_before_other_calls_would_be(stand: Stand) -> None:
    """The seat answered at once, so the follower has five seconds and not the lane's thirty."""

    async def hanging(_operation: Operation) -> None:
        await asyncio.sleep(60)

    stand.follower.before["process.exec"] = hanging
    async with talking(stand, seconds=30) as talk:
        talk.mirror_execute = MirrorExecute.LOCAL
        talk.lanes.settled(talk.twin)
        async with asyncio.timeout(20):
            hung = await talk.say("process.exec", command=f"echo a > {F}")
            await hung.over.wait()

        assert hung.verdicts[0].fate == "unknown"
        assert await said(talk, command=f"echo b > {F}") != "compared"
