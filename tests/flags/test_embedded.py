"""Stages from the store, evaluated by the SDK, through every failure of their source."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crossfade.errors import Unreachable
from crossfade.stage import TOOLS, Stage
from policies.buckets import bucket, on_new
from router.flags import schema
from router.flags.embedded import EmbeddedFlags
from router.store.flags import SqlFlagRows
from tests.flags.conftest import SEED, Given, Switched, flag, put, stage, subject, until

Following = Callable[..., EmbeddedFlags]
NEVER = 3600.0
PATIENCE = 30.0  # seconds; a busy machine is no failure
KEYS = [f"sandbox-{number}" for number in range(2_000)]

GARBAGE: dict[str, Any] = {
    "nothing of a flag": {"garbage": True},
    "a list": [],
    "no version": {**flag("files", "live"), "version": None},
    "a stage that is none": {**flag("files", "live"), "variations": ["off", "on"]},
    "an index past the end": {**flag("files", "live"), "fallthrough": {"variation": 17}},
    "an index before the beginning": {**flag("files", "live"), "fallthrough": {"variation": -1}},
    "weights that do not add up": {
        **flag("files", "live"),
        "fallthrough": {"rollout": {"contextKind": "sandbox", "variations": [{"variation": 3, "weight": 1}]}},
    },
    "a rollout by nobody known": {
        **flag("files", "live"),
        "fallthrough": {"rollout": {"variations": [{"variation": 3, "weight": 100_000}]}},
    },
    "a target without a stage": {**flag("files", "live"), "contextTargets": [{"values": ["sandbox-1"]}]},
    "a target of something else": {**flag("files", "live"), "contextTargets": [{"variation": 3, "values": 5}]},
    "a rule that is none": {**flag("files", "live"), "rules": [7]},
    "on in words": {**flag("files", "live"), "on": "yes"},
    "another tool's key": flag("web", "live"),
}


@dataclass
class Counted:
    """Rows that count how often they were read whole."""

    rows: SqlFlagRows
    reads: int = 0

    def read(self) -> tuple[int, Mapping[str, Mapping[str, object]]]:
        self.reads += 1
        return self.rows.read()

    def write(self, flag: Mapping[str, object], *, author: str, reason: str, expected_version: int | None) -> int:
        return self.rows.write(flag, author=author, reason=reason, expected_version=expected_version)


# Following the store...


def test_a_change_is_seen_within_a_second_at_the_router_s_own_pace(
    rows: SqlFlagRows, tmp_path: Path, following: Following
) -> None:
    put(rows, "files", "shadow")
    counted = Counted(rows)
    flags = following(counted, poll_seconds=0.25)
    seen = threading.Event()
    flags.listen(seen.set)
    before = flags.version
    reads = counted.reads
    put(rows, "files", "live", version=2)

    assert seen.wait(PATIENCE)
    # One read may have been under way when it was set: two at a quarter of a second are less than one.
    assert counted.reads - reads <= 2
    assert stage(flags) == "live"
    assert flags.version > before


def test_a_tool_whose_flag_was_never_set_is_off(rows: SqlFlagRows, following: Following) -> None:
    flags = following(rows)

    assert {stage(flags, tool) for tool in TOOLS} == {"off"}


def test_a_sandbox_s_own_stage_beats_its_share(following: Following) -> None:
    flags = following(Given({schema.key_of("files"): flag("files", "shadow", targets={"mine": Stage.COMPLETE})}))

    assert stage(flags, key="mine") == "complete"
    assert stage(flags, key="another") == "shadow"
    found = flags.stage("files", subject("mine", organization="some", account="one"))
    assert found is not None
    assert (found.stage, found.reason) == (Stage.COMPLETE, "target_match")


def test_a_value_carries_its_flag_s_version_and_reason(following: Following) -> None:
    found = following(Given({schema.key_of("web"): flag("web", "live=10,shadow=90", version=7)})).stage(
        "web", subject()
    )

    assert found is not None
    assert (found.version, found.reason) == (7, "fallthrough")


@pytest.mark.parametrize("percent", [10, 50])
def test_the_flag_cuts_where_our_own_buckets_do(percent: int, following: Following) -> None:
    flags = following(Given({schema.key_of("shell"): flag("shell", f"live={percent},shadow={100 - percent}")}))
    by_flag = {key for key in KEYS if stage(flags, "shell", key) == "live"}

    assert by_flag == {key for key in KEYS if on_new(bucket(key, SEED), percent)}


def test_all_tools_of_a_sandbox_move_together(following: Following) -> None:
    flags = following(Given({schema.key_of(tool): flag(tool, "live=50,shadow=50") for tool in TOOLS}))

    assert {len({stage(flags, tool, key) for tool in TOOLS}) for key in KEYS[:200]} == {1}


def test_a_listener_that_fails_keeps_no_change_from_the_others(following: Following) -> None:
    given = Given()
    flags = following(given)
    seen = threading.Event()
    flags.listen(lambda: [][0])
    flags.listen(seen.set)
    given.give(files=flag("files", "shadow"))

    assert seen.wait(5)
    seen.clear()
    given.give(files=flag("files", "live", 2))
    assert seen.wait(5)


def test_a_sandbox_without_a_key_is_old_whatever_the_flag_says(following: Following) -> None:
    found = following(Given({schema.key_of("files"): flag("files", "complete")})).stage("files", subject(""))

    assert found is not None
    assert (found.stage, found.reason) == (Stage.OFF, "no routing key")


# Killing...


def test_a_kill_turns_every_tool_and_every_single_sandbox_off_and_its_end_brings_them_back(
    following: Following,
) -> None:
    files = flag("files", "live", targets={"mine": Stage.COMPLETE})
    given = Given({schema.key_of("files"): files, schema.key_of("shell"): flag("shell", "live=50,shadow=50")})
    flags = following(given)
    before = {(tool, key): stage(flags, tool, key) for tool in TOOLS for key in ["mine", *KEYS[:20]]}
    given.give_kill(True)
    until(lambda: stage(flags) == "off")

    assert {stage(flags, tool, key) for tool, key in before} == {"off"}
    found = flags.stage("files", subject("mine"))
    assert found is not None
    assert found.reason == "killed by sandbox-migration-kill"
    given.give_kill(False)
    until(lambda: stage(flags) == "live")
    assert {(tool, key): stage(flags, tool, key) for tool, key in before} == before


def test_a_kill_in_the_store_is_seen_within_a_second_at_the_router_s_own_pace(
    rows: SqlFlagRows, following: Following
) -> None:
    put(rows, "files", "live")
    counted = Counted(rows)
    flags = following(counted, poll_seconds=0.25)
    seen = threading.Event()
    flags.listen(seen.set)
    reads = counted.reads
    rows.write(schema.kill(True, version=1), author="me", reason="test", expected_version=None)

    assert seen.wait(PATIENCE)
    assert counted.reads - reads <= 2
    assert stage(flags) == "off"


@pytest.mark.parametrize("garbage", [[], {}, {**schema.kill(True, version=2), "fallthrough": {"variation": 7}}])
def test_a_garbage_kill_keeps_its_last_good_form_and_kills_nothing_if_it_had_none(
    garbage: Any, following: Following
) -> None:
    given = Given({schema.key_of("files"): flag("files", "live"), schema.KILL: garbage})
    flags = following(given)
    assert stage(flags) == "live"

    given.give_kill(True)
    until(lambda: stage(flags) == "off")
    version = flags.version
    given.flags = {**given.flags, schema.KILL: garbage}
    given.give(web=flag("web", "live"))
    until(lambda: flags.version > version)
    assert stage(flags, "web") == "off"


def test_a_killed_migration_stays_killed_through_a_restart_without_the_store(following: Following) -> None:
    given = Given({schema.key_of("files"): flag("files", "live")})
    given.give_kill(True)
    following(given).close()
    switched = Switched(given)
    switched.before = _unreachable

    assert stage(following(switched)) == "off"


# Garbage...


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_a_garbage_flag_keeps_its_last_good_form_and_harms_no_other(garbage: Any, following: Following) -> None:
    given = Given({schema.key_of("files"): flag("files", "shadow")})
    flags = following(given)
    given.give(files=garbage, web=flag("web", "live"))

    until(lambda: stage(flags, "web") == "live")
    assert stage(flags) == "shadow"


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_a_flag_that_was_only_ever_garbage_is_unknown(garbage: Any, following: Following) -> None:
    flags = following(Given({schema.key_of("files"): garbage}))

    assert stage(flags) is None
    assert stage(flags, "web") == "off"


def test_a_garbage_flag_keeps_its_last_good_form_through_a_restart(following: Following) -> None:
    following(Given({schema.key_of("files"): flag("files", "live")})).close()
    for _ in range(2):
        flags = following(Given({schema.key_of("files"): {"garbage": True}}))
        flags.close()

    again = following(Given({schema.key_of("files"): {"garbage": True}}))
    assert stage(again) == "live"


# A source that fails...


def test_a_broken_store_keeps_the_last_flags_and_is_asked_again(rows: SqlFlagRows, following: Following) -> None:
    put(rows, "files", "live")
    switched = Switched(rows)
    flags = following(switched)
    broken = threading.Event()

    def fail() -> None:
        broken.set()
        raise Unreachable("no disk")

    switched.before = fail
    assert broken.wait(5)
    until(lambda: flags.fresh_at == 0)
    assert stage(flags) == "live"

    switched.before = lambda: None
    put(rows, "files", "shadow", version=2)
    until(lambda: stage(flags) == "shadow")
    until(lambda: flags.fresh_at > 0)  # said after the last good form is on disk


@pytest.mark.parametrize("error", [ValueError("not JSON"), RuntimeError("defect"), OSError("gone")], ids=repr)
def test_whatever_a_store_raises_following_goes_on(error: Exception, following: Following) -> None:
    given = Given({schema.key_of("files"): flag("files", "shadow")})
    switched = Switched(given)
    flags = following(switched)
    raised = threading.Event()

    def fail() -> None:
        raised.set()
        raise error

    switched.before = fail
    assert raised.wait(5)
    given.give(files=flag("files", "live", 2))
    switched.before = lambda: None

    until(lambda: stage(flags) == "live")


def _unreachable() -> None:
    raise Unreachable("no store")


def test_a_source_that_was_never_seen_leaves_stages_unknown(following: Following) -> None:
    switched = Switched(Given())
    switched.before = _unreachable

    flags = following(switched)
    assert [flags.stage(tool, subject()) for tool in TOOLS] == [None] * len(TOOLS)
    assert flags.version == 0


def test_flags_that_were_not_started_are_unknown(tmp_path: Path) -> None:
    assert EmbeddedFlags(Given(), tmp_path / "none").stage("files", subject()) is None


def test_a_restart_without_the_store_goes_on_with_the_last_good_flags(rows: SqlFlagRows, following: Following) -> None:
    put(rows, "files", "live=50,shadow=50")
    first = following(rows)
    before = {key: stage(first, key=key) for key in KEYS[:200]}
    first.close()
    switched = Switched(rows)
    switched.before = _unreachable

    again = following(switched)
    assert {key: stage(again, key=key) for key in KEYS[:200]} == before
    assert set(before.values()) == {"live", "shadow"}

    switched.before = lambda: None
    put(rows, "files", "shadow", version=2)
    until(lambda: {stage(again, key=key) for key in KEYS[:200]} == {"shadow"})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"flags": 3}', '{"flags": {"x": {}}}', json.dumps({"flags": None}), "\udcff"]
)
def test_a_damaged_fallback_file_is_no_reason_not_to_start(text: str, tmp_path: Path, following: Following) -> None:
    (tmp_path / "last.flags.json").write_bytes(text.encode(errors="surrogateescape"))
    switched = Switched(Given())
    switched.before = _unreachable

    assert stage(following(switched)) is None


def test_a_fallback_file_that_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    flags = EmbeddedFlags(Given({schema.key_of("files"): flag("files", "live")}), tmp_path / "no" / "such.json")
    flags.start()
    try:
        assert stage(flags) == "live"
    finally:
        flags.close()


# Starting and closing...


def test_close_returns_quickly_while_the_source_waits_for_its_next_look(following: Following) -> None:
    flags = following(Given(), poll_seconds=NEVER)
    started = time.monotonic()
    flags.close()

    assert time.monotonic() - started < 1.0
    assert "crossfade flags" not in {thread.name for thread in threading.enumerate()}


def test_a_store_that_hangs_stops_neither_start_nor_close(following: Following) -> None:
    following(Given({schema.key_of("files"): flag("files", "live")})).close()
    released = threading.Event()
    switched = Switched(Given())

    def hang() -> None:
        released.wait(60)

    switched.before = hang
    started = time.monotonic()
    try:
        flags = following(switched, start_seconds=0.2)
        assert stage(flags) == "live"
        flags.close()
        assert time.monotonic() - started < 5.0
    finally:
        released.set()


def test_a_flag_change_while_stages_are_asked_never_yields_anything_between(following: Following) -> None:
    given = Given({schema.key_of("files"): flag("files", "shadow")})
    flags = following(given, poll_seconds=0.001)
    seen: set[str | None] = set()

    def sees(wanted: str) -> bool:
        seen.add(found := stage(flags))
        return found == wanted

    for version in range(2, 40):
        wanted = ("shadow", "live")[version % 2]
        given.give(files=flag("files", wanted, version))
        until(partial(sees, wanted))

    assert seen == {"shadow", "live"}
