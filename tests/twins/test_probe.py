"""The probe: who runs, since when, and whether anybody but those who were born with the sandbox."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.outcome import refused
from crossfade.stage import Origin
from router.twins import probe
from router.twins.probe import Process, born, counted, quiet, read
from router.twins.sides import Sides
from tests.backends.asking import Asking
from tests.twins.stand import Stand, answering, twin_of, wait_until

loop = pytest.mark.asyncio(loop_scope="module")
OUTPUT = b"ticks 100\n100 0 /sbin/init \nprobe 5000\n4000 0 python app.py \n4990 34816 bash \n? ? odd\n"


def test_an_output_is_read() -> None:
    processes = read(OUTPUT)
    assert processes is not None

    assert [process.seconds for process in processes] == [49.0, 10.0, 0.1, None]
    assert [process.terminal for process in processes] == [False, False, True, True]
    assert len(counted(processes)) == 4


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"/proc is not there\n",
        OUTPUT.replace(b"probe 5000\n", b""),
        OUTPUT.replace(b"ticks 100", b"ticks 0"),
        OUTPUT.replace(b"ticks 100", b"ticks ?"),
        OUTPUT.replace(b"probe 5000", b"probe ?"),
        OUTPUT + b"probe 5000\n",
    ],
)
def test_what_is_no_whole_probe_says_nothing(output: bytes) -> None:
    """An empty list would be taken for: nothing runs."""
    assert read(output) is None


def test_who_is_older_than_the_first_run_was_born_with_the_sandbox() -> None:
    processes = read(OUTPUT)
    assert processes is not None
    one, two, _, _ = (process.digest for process in processes)

    assert born(processes, since_first_run=60) == Counter()
    assert born(processes, since_first_run=20) == Counter([one])
    assert born(processes, since_first_run=5) == Counter([one, two])
    assert born(processes, since_first_run=float("inf")) == Counter(), "what ran before our time is not known"


def test_a_process_with_a_terminal_is_never_taken_for_born() -> None:
    shell = Process(digest="shell", seconds=1000.0, terminal=True)

    assert born([shell], since_first_run=1.0) == Counter()


@given(
    started=st.floats(-1000, 1000),
    first_run=st.floats(0, 1000),
    probe_started=st.floats(0, 100),
    took=st.floats(0, 100),
    paused=st.floats(0, 1000),
    rate=st.floats(0.999, 1.001),
    tick=st.integers(0, 2),
)
def test_nothing_that_a_call_started_is_ever_taken_for_born(
    started: float, first_run: float, probe_started: float, took: float, paused: float, rate: float, tick: int
) -> None:
    """Router time: the process starts, the first call may have started it, the probe runs, its answer comes."""
    probe_started += max(first_run, started)
    age = max(0.0, (probe_started - started) * rate - paused) + tick / 100  # by the sandbox's clock, in whole ticks
    found = born([Process(digest="p", seconds=age, terminal=False)], since_first_run=probe_started + took - first_run)

    if found:
        assert started < first_run


def test_a_process_more_of_the_same_kind_is_not_quiet() -> None:
    baseline = Counter(worker=2)

    assert quiet(Counter(worker=1), baseline)
    assert not quiet(Counter(worker=3), baseline)
    assert not quiet(Counter(other=1), baseline)


async def running(side: Asking) -> list[Process]:
    processes = read((await side.sh(probe.COMMAND))[1].encode())
    assert processes is not None
    return processes


@loop
async def test_a_sandbox_at_rest_is_found_so_and_a_process_in_it_is_found(stand: Stand) -> None:
    at_rest = counted(await running(stand.old))
    await stand.old.session("s")
    await stand.old.ask("session.exec", session="s", command="sleep 300 & exec -a 'a (b) c' sleep 300", run_async=True)
    await asyncio.sleep(0)
    for _ in range(200):
        with_it = await running(stand.old)
        if not quiet(counted(with_it), at_rest):
            break

    assert not quiet(counted(with_it), at_rest)
    assert counted(await running(stand.old)) != at_rest
    await stand.old.ask("session.delete", session="s")


@loop
async def test_ages_are_the_sandbox_s_own(stand: Stand) -> None:
    born_at = stand.clock.monotonic()
    await wait_until(lambda: stand.clock.monotonic() > born_at + 0.3, "some age")
    before = stand.clock.monotonic()
    await stand.old.ask("process.exec", command="(sleep 301 >/dev/null 2>&1 &)")
    processes = await running(stand.old)
    since = stand.clock.monotonic() - before
    found = born(processes, since_first_run=since)

    assert sum(found.values()) == len(processes) - 1, "all but the sleep"
    await stand.old.sh("pkill -f 'sleep 301'")


@loop
async def test_a_side_that_does_not_answer_says_nothing(stand: Stand) -> None:
    stand.seat.before["process.exec"] = answering(refused(400, "BAD_REQUEST", "not running"))

    assert await probe.ask(stand.sides, stand.twin) is None
    assert await probe.ask(Sides(stand.gates, stand.clock), twin_of("", stand.new.id)) is None


@loop
async def test_only_what_the_lane_started_is_ended(stand: Stand) -> None:
    await stand.new.ask("process.exec", command="(sleep 302 >/dev/null 2>&1 &)", env={"CROSSFADE_SHADOW": "1"})
    await stand.new.ask("process.exec", command="(sleep 303 >/dev/null 2>&1 &)", env={"CROSSFADE_SHADOW": "10"})
    await stand.new.sh(probe.END_SHADOWS)
    _, left = await stand.new.sh("pgrep -fa 'sleep 30[23]' | grep -v pgrep; true")

    assert "sleep 303" in left
    assert "sleep 302" not in left
    assert stand.twin.row.ids[Origin.NEW] == stand.new.id
    await stand.new.sh("pkill -f 'sleep 303'")
