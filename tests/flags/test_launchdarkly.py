"""Flags of a LaunchDarkly account: the genuine SDK against a server that speaks its stream and takes its events."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade.errors import SettingsError, Unreachable
from crossfade.record import Record
from crossfade.stage import TOOLS, Stage
from router.flags import schema
from router.flags.launchdarkly import Account, LaunchDarklyRows
from router.flags.source import FlagSource, flag_source
from router.settings import FlagSettings
from tests.flags.conftest import Given, flag, stage, subject, until
from tests.flags.launchdarkly_server import KEY, Server, serving

KEYS = [f"sandbox-{number}" for number in range(500)]
FILES = schema.key_of("files")


def account_kill(*, on: bool, serves: bool, version: int = 1) -> dict[str, Any]:
    """As an account has it: true before false, and off where nobody is killed."""
    return {
        "key": schema.KILL, "version": version, "on": on, "salt": "x", "variations": [True, False], "offVariation": 1,
        "fallthrough": {"variation": 0 if serves else 1}, "targets": [], "rules": [], "prerequisites": [],
        "clientSideAvailability": {"usingMobileKey": False}, "trackEvents": False,
    }  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def opened(server: Server, tmp_path: Path) -> Iterator[Callable[..., FlagSource]]:
    """Make a source that follows the server; those left open are closed."""
    made: list[FlagSource] = []

    def make(**more: Any) -> FlagSource:
        addresses = dict.fromkeys(("stream_url", "base_url", "events_url"), server.url)
        values: dict[str, Any] = {"source": "launchdarkly", "sdk_key": KEY, **addresses, **more}
        source = flag_source(FlagSettings(**values), Given(), tmp_path / "last.flags.json")
        made.append(source)
        source.start()
        return source

    yield make
    for source in made:
        source.close()


def test_stages_come_from_the_stream_and_follow_it(server: Server, opened: Callable[..., FlagSource]) -> None:
    server.put(flag("files", "shadow"))
    flags = opened().flags
    until(lambda: stage(flags) == "shadow")
    seen, before = threading.Event(), flags.version
    flags.listen(seen.set)
    started = time.monotonic()

    server.put(flag("files", "live", version=2))

    assert seen.wait(5)
    assert time.monotonic() - started < 1.0
    assert stage(flags) == "live"
    assert flags.version > before
    assert flags.fresh_at > 0


def test_the_same_json_gives_the_same_answers_from_an_account_and_from_the_store(
    server: Server, opened: Callable[..., FlagSource], following: Callable[..., Any]
) -> None:
    shares = {"files": "live=10,shadow=90", "shell": "off=20,shadow=30,live=50", "web": "complete", "kb": "dualwrite"}
    made = {schema.key_of(tool): flag(tool, text) for tool, text in shares.items()}
    server.put(*made.values())
    account, store = opened().flags, following(Given(made))
    until(lambda: stage(account, "web") == "complete")

    for tool in shares:
        assert {key: stage(account, tool, key) for key in KEYS} == {key: stage(store, tool, key) for key in KEYS}


def test_an_account_s_own_kind_of_flag_is_understood(server: Server, opened: Callable[..., FlagSource]) -> None:
    """Four stages, rules by bucket, by organisation and by segment, a prerequisite that is none of ours."""
    included = [{"contextKind": "sandbox", "values": ["in-segment"]}]
    server.segments = {"canary": {"key": "canary", "version": 1, "includedContexts": included, "salt": "s"}}
    stages = ["off", "shadow", "live", "complete"]
    rules = [
        {"id": "segment", "variation": 3, "clauses": [{"attribute": "", "op": "segmentMatch", "values": ["canary"]}]},
        {"id": "org", "variation": 2, "clauses": [
            {"contextKind": "org", "attribute": "key", "op": "in", "values": ["beta"]}]},
        {"id": "bucket", "variation": 1, "clauses": [
            {"contextKind": "sandbox", "attribute": "bucket", "op": "greaterThanOrEqual", "values": [0]}]},
    ]  # fmt: skip
    enabled = {"key": "enabled", "version": 1, "on": True, "salt": "e", "variations": [True, False], "offVariation": 1,
               "fallthrough": {"variation": 0}}  # fmt: skip
    tool = {"key": FILES, "version": 3, "on": True, "salt": "f", "variations": stages, "offVariation": 0,
            "prerequisites": [{"key": "enabled", "variation": 0}], "targets": [], "contextTargets": [], "rules": rules,
            "fallthrough": {"variation": 0}, "migration": {"checkRatio": 1}}  # fmt: skip
    server.put(enabled, tool, {"key": "somebody else's", "version": 1})
    flags = opened().flags
    until(lambda: stage(flags) == "shadow")

    assert stage(flags, key="in-segment") == "complete"
    found = flags.stage("files", subject("any", organization="beta"))
    assert found is not None and found.stage == "live"

    server.put({**enabled, "version": 2, "on": False})
    until(lambda: stage(flags) == "off")
    found = flags.stage("files", subject())
    assert found is not None and found.reason == "prerequisite enabled is not met"


@pytest.mark.parametrize(
    ("on", "serves", "killed"), [(False, True, False), (True, False, False), (True, True, True)],
    ids=["off", "on and false", "on and true"],
)  # fmt: skip
def test_an_account_s_kill_switch(
    on: bool, serves: bool, killed: bool, server: Server, opened: Callable[..., FlagSource]
) -> None:
    server.put(flag("files", "live"), account_kill(on=on, serves=serves))
    flags = opened().flags
    until(lambda: stage(flags) == ("off" if killed else "live"))

    server.put(account_kill(on=True, serves=not killed, version=2))
    until(lambda: stage(flags) == ("live" if killed else "off"))


# An outage...


def answers(source: FlagSource) -> dict[tuple[str, str], str | None]:
    return {(tool, key): stage(source.flags, tool, key) for tool in TOOLS for key in KEYS[:50]}


def test_an_outage_changes_no_answer_and_is_seen_within_seconds(
    server: Server, opened: Callable[..., FlagSource]
) -> None:
    server.put(*(flag(tool, "live=50,shadow=50") for tool in TOOLS))
    source = opened()
    until(lambda: stage(source.flags) in ("live", "shadow"))
    before = answers(source)
    server.stop()
    started = time.monotonic()
    until(lambda: source.flags.fresh_at == 0)

    assert time.monotonic() - started < 5.0
    assert answers(source) == before

    server.flags = {}
    server.put(*(flag(tool, "complete", version=2) for tool in TOOLS))
    server.start()
    until(lambda: stage(source.flags) == "complete", 20)
    until(lambda: source.flags.fresh_at > 0)


@pytest.mark.parametrize("how", ["dead", "refusing", "hung", "garbage"])
def test_a_start_without_the_account_goes_on_with_the_last_good_flags(
    how: str, server: Server, opened: Callable[..., FlagSource]
) -> None:
    server.put(*(flag(tool, "live=50,shadow=50") for tool in TOOLS))
    first = opened()
    until(lambda: stage(first.flags) in ("live", "shadow"))
    until(lambda: first.flags.fresh_at > 0)
    before = answers(first)
    first.close()
    match how:
        case "dead":
            server.stop()
        case "refusing":
            server.refusing = 503
        case "hung":
            server.garbage = b""
        case _:
            server.garbage = b'event: put\ndata: {"path"\n\n'

    started = time.monotonic()
    again = opened()

    assert time.monotonic() - started < 10.0
    assert answers(again) == before


def test_a_garbage_flag_keeps_its_last_good_form_and_hides_no_other(
    server: Server, opened: Callable[..., FlagSource]
) -> None:
    server.put(flag("files", "live"), flag("web", "shadow"))
    flags = opened().flags
    until(lambda: stage(flags) == "live")
    unknown_stage = {**flag("files", "live", version=2), "variations": ["off", "on"]}

    server.put(unknown_stage, flag("web", "complete", version=2))
    until(lambda: stage(flags, "web") == "complete")

    assert stage(flags) == "live"


def test_what_the_sdk_itself_cannot_read_leaves_every_flag_as_it_was_and_is_seen(
    server: Server, opened: Callable[..., FlagSource]
) -> None:
    server.put(flag("files", "live"), flag("web", "shadow"))
    flags = opened().flags
    until(lambda: stage(flags) == "live")

    server.put({"key": FILES, "version": 3, "rules": [7]})
    until(lambda: flags.fresh_at == 0)

    assert (stage(flags), stage(flags, "web")) == ("live", "shadow")


def test_a_flag_that_is_archived_sends_no_sandbox_home(server: Server, opened: Callable[..., FlagSource]) -> None:
    server.put(flag("files", "complete"), flag("web", "live"))
    flags = opened().flags
    until(lambda: stage(flags) == "complete")

    server.delete(FILES)
    server.put(flag("web", "shadow", version=2))
    until(lambda: stage(flags, "web") == "shadow")

    assert stage(flags) == "complete"


def test_a_wrong_key_leaves_flags_unknown_and_says_so_without_the_key(
    opened: Callable[..., FlagSource], caplog: pytest.LogCaptureFixture
) -> None:
    source = opened(sdk_key="sdk-wrong-secret")

    assert stage(source.flags) is None
    assert source.account is not None
    with pytest.raises(Unreachable, match="error_response 401"):
        until_unreachable(source.account)
    assert "sdk-wrong-secret" not in caplog.text
    assert "sdk-wrong-secret" not in repr(source.account._account)


def until_unreachable(rows: LaunchDarklyRows) -> None:
    """Raises what reading does once the server has answered."""
    deadline = time.monotonic() + 10
    while True:
        try:
            rows.read()
        except Unreachable as error:
            if "401" in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def test_flags_of_an_account_are_not_written_here() -> None:
    rows = LaunchDarklyRows(Account(sdk_key=KEY))
    with pytest.raises(SettingsError, match="LaunchDarkly"):
        rows.write(flag("files", "live"), author="me", reason="test", expected_version=None)


# Migration events...


def compared(**more: Any) -> Record:
    values: dict[str, Any] = {
        "id": "c", "at": 1.0, "operation": "fs.info", "effect": "read", "tool": "files", "classified_by": "default",
        "sandbox": "box", "reason": "", "route": "GET /x",
        "routing_key": "sandbox-1", "answering": "old", "status": 200, "fate": "ok", "seconds": 0.2,
        "origin_seconds": 0.1, "mirrored": True, "shadow_fate": "ok", "shadow_seconds": 0.3, "matched": True,
    }  # fmt: skip
    return Record(**{**values, **more})


def test_compared_calls_become_migration_events(server: Server, opened: Callable[..., FlagSource]) -> None:
    server.put(flag("files", "shadow"))
    source = opened(events_sample=1.0)
    until(lambda: stage(source.flags) == "shadow")
    heard: list[Record] = []
    observe = source.observing(heard.append)
    observe(compared())
    observe(compared(answering="new", matched=False, shadow_fate="failed", effect="execute"))
    observe(compared(matched=None))
    source.close()  # flushes
    until(lambda: len(server.told("migration_op")) == 2)

    assert len(heard) == 3
    first, second = server.told("migration_op")
    assert (first["operation"], first["evaluation"]["value"]) == ("read", Stage.SHADOW)
    measured = {each["key"]: each["values"] for each in first["measurements"] if "values" in each}
    assert measured["invoked"] == {"old": True, "new": True}
    assert measured["latency_ms"] == {"old": 100, "new": 300}
    assert next(each for each in first["measurements"] if each["key"] == "consistent")["value"] is True
    assert second["operation"] == "write"
    errors = {each["key"]: each["values"] for each in second["measurements"] if "values" in each}["error"]
    assert errors == {"old": True}


def test_a_share_of_them_is_sent(server: Server, opened: Callable[..., FlagSource]) -> None:
    source = opened(events_sample=0.0)
    assert source.events is not None
    source.observing(lambda _: None)(compared())
    source.close()

    assert source.events.sent == 0


def test_nothing_is_sent_where_that_is_not_wanted(server: Server, opened: Callable[..., FlagSource]) -> None:
    server.put(flag("files", "shadow"))
    source = opened(send_events=False)
    until(lambda: stage(source.flags) == "shadow")
    source.close()

    assert source.events is None
    assert server.events == []
