"""A million routing keys: shares are met, nested exactly, the same from store and account, later and elsewhere."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from policies.buckets import BUCKETS, on_new
from router.flags import schema
from router.flags.embedded import EmbeddedFlags
from router.flags.source import FlagSource
from tests.flags.conftest import SEED, Given, flag, stage, subject, until
from tests.flags.launchdarkly_server import Server, serving
from tests.flags.test_launchdarkly import opened  # noqa: F401 - a fixture
from tests.reading import ROOT

# Files at 10 %, upload at 50 %, vision at 100 %: three tools, so that one pass over the keys sees them all.
STEPS = {"files": 10.0, "upload": 50.0, "vision": 100.0}
WITHIN = 0.3  # points
COUNTS = [100_000, pytest.param(1_000_000, marks=pytest.mark.full)]
_ELSEWHERE = """
import sys
from tests.flags.test_routing_keys import digest_elsewhere
print(digest_elsewhere(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def given() -> dict[str, Any]:
    """The three flags."""
    parts = {tool: f"live={percent:g},shadow={100 - percent:g}" for tool, percent in STEPS.items() if percent < 100}
    return {schema.key_of(tool): flag(tool, parts.get(tool, "live")) for tool in STEPS}


def keys(count: int) -> Iterator[str]:
    """Like the ids of sandboxes."""
    for number in range(count):
        text = hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest()
        yield f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def on_new_at(flags: EmbeddedFlags, key: str) -> tuple[bool, ...]:
    """For each step, whether the key is on new."""
    who = subject(key)
    return tuple((found := flags.stage(tool, who)) is not None and found.stage == "live" for tool in STEPS)


def digest(flags: EmbeddedFlags, count: int) -> str:
    """Stands for the answers on all keys."""
    seen = hashlib.sha256()
    for key in keys(count):
        seen.update(bytes(on_new_at(flags, key)))
    return seen.hexdigest()


def digest_elsewhere(directory: str, count: int) -> str:
    """The same, in a process of its own."""
    flags = EmbeddedFlags(Given(given()), Path(directory) / "elsewhere.json")
    flags.start()
    try:
        return digest(flags, count)
    finally:
        flags.close()


@pytest.mark.parametrize("count", COUNTS)
def test_shares_are_met_and_10_lies_in_50_lies_in_100(count: int, following: Callable[..., EmbeddedFlags]) -> None:
    flags = following(Given(given()))
    on = [0] * len(STEPS)
    outside = 0
    for key in keys(count):
        answers = on_new_at(flags, key)
        on = [total + each for total, each in zip(on, answers, strict=True)]
        outside += list(answers) != sorted(answers)
        place = subject(key).bucket
        assert answers == tuple(on_new(place, percent) for percent in STEPS.values()), (key, place, BUCKETS)

    assert outside == 0
    for total, percent in zip(on, STEPS.values(), strict=True):
        assert abs(100 * total / count - percent) < WITHIN
    assert on[-1] == count


def test_an_account_a_restart_and_another_process_say_the_same(
    server: Server,
    opened: Callable[..., FlagSource],  # noqa: F811
    following: Callable[..., EmbeddedFlags],
    tmp_path: Path,
) -> None:
    count = 5_000
    server.put(*given().values())
    account = opened().flags
    until(lambda: stage(account, "vision") == "live")
    first = following(Given(given()))
    store = digest(first, count)
    first.close()
    again = following(Given(given()))
    words = [sys.executable, "-c", _ELSEWHERE, str(tmp_path), str(count)]
    elsewhere = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True, timeout=120)

    assert SEED > 0
    assert {store, digest(again, count), digest(account, count), elsewhere.stdout.split()[-1]} == {store}
