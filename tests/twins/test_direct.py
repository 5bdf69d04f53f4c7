"""A mirrored read by callbacks: decoded when it is whole, let go when it is far more than was asked for."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.outcome import done as ok
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.compare.capture import TOO_LARGE
from router.twins.direct import Direct
from router.twins.sides import Sides
from router.twins.state import Twin
from router.wire.http1 import Pools
from tests.twins.stand import ROOT, HeldClock, Stand
from tests.twins.talking import talking
from tests.wire.origin import PATIENCE, Peer, answering, origin, until

READ = Operation(name="fs.info", sandbox="box", arguments={"path": "/workspace/a"})
LIMIT = 100_000
F = f"{ROOT}/f"


@dataclass
class Asked:
    """One GET, whose answer is its body."""

    base: str
    head: bytes = b"GET /x HTTP/1.1\r\nHost: h\r\n"
    body: bytes | None = None

    def decode(self, status: int, body: bytes) -> Outcome | None:
        return ok(body, status=status)


@dataclass
class Asking:
    """What asks, and what it was told."""

    direct: Direct
    twin: Twin
    told: list[tuple[Outcome | None, str]]

    async def ask(self) -> tuple[Outcome | None, str]:
        before = len(self.told)
        shadow = self.direct.ask(self.twin, Origin.NEW, READ, "call", self.note, limit=LIMIT)
        assert shadow is not None
        await until(lambda: len(self.told) > before)
        return self.told[-1]

    def note(self, outcome: Outcome | None, why: str) -> None:
        self.told.append((outcome, why))


def asking(base: str, pools: Pools) -> Asking:
    row = TwinRow(
        routing_key="key",
        id="box",
        seat=Origin.OLD,
        follower=FollowerState.JOINED,
        ids={Origin.OLD: "box", Origin.NEW: "there"},
    )
    direct = Direct(
        pools=pools,
        singles={Origin.NEW: lambda operation, purpose: Asked(base)},
        sides=Sides({Origin.OLD: None, Origin.NEW: None}, HeldClock()),  # type: ignore[dict-item]
        count=lambda origin, purpose: None,
        timed=lambda *_: None,
        seconds=PATIENCE,
        limit_bytes=10**7,
    )
    return Asking(direct, Twin(row), [])


@pytest.fixture
def sent() -> Iterator[list[int]]:
    yield []


def flooding(sent: list[int], *, chunked: bool) -> object:
    async def script(peer: Peer) -> None:
        await peer.request()
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 104857600"
        await peer.say(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
        piece = b"x" * 65_536
        try:
            for _ in range(1600):
                await peer.say(b"10000\r\n%b\r\n" % piece if chunked else piece)
                sent.append(len(piece))
        except ConnectionError:
            pass

    return script


async def test_an_answer_is_decoded() -> None:
    async with origin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")) as there, Pools() as pools:
        outcome, why = await asking(there.url, pools).ask()

    assert outcome is not None and outcome.ok and outcome.value.size == 2 and not why


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_a_flood_is_let_go_and_is_a_difference(sent: list[int], chunked: bool) -> None:
    async with origin(flooding(sent, chunked=chunked)) as there, Pools() as pools:  # type: ignore[arg-type]
        outcome, why = await asking(there.url, pools).ask()
        await until(lambda: pools.get(there.url).counts["open"] == 0)

    assert outcome is not None and outcome.status == 200 and outcome.value is None
    assert why == TOO_LARGE
    assert sum(sent) < 64 * 2**20  # most of the 100 MiB were never taken


async def test_an_origin_that_only_floods_is_left_alone(sent: list[int]) -> None:
    async with origin(flooding(sent, chunked=False)) as there, Pools() as pools:  # type: ignore[arg-type]
        asks = asking(there.url, pools)
        for _ in range(3):
            assert not asks.direct.sides.breakers[Origin.NEW].open
            await asks.ask()

    assert asks.direct.sides.breakers[Origin.NEW].open


async def test_a_flood_is_told_once(sent: list[int]) -> None:
    async with origin(flooding(sent, chunked=True)) as there, Pools() as pools:  # type: ignore[arg-type]
        asks = asking(there.url, pools)
        await asks.ask()
        await asyncio.sleep(0.1)

    assert len(asks.told) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_content_that_is_far_larger_differs_and_is_not_read_to_its_end(stand: Stand) -> None:
    taken: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 65_536

    async def flood(_operation: Operation, _outcome: Outcome) -> Outcome:
        return ok(Content(stream=endless()))

    await stand.old.put(F, b"small")
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        stand.follower.after["fs.download"] = flood
        said = await talk.say("fs.download", path=F)

        assert await said.verdict() == "differs"
        comparison = said.verdicts[0].comparison
        assert comparison is not None and comparison.limited == TOO_LARGE and not comparison.matched
    assert len(taken) < 5
