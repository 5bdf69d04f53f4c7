"""A store in a file, a switch before it, and flags that follow it."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from crossfade.decision import Subject
from crossfade.errors import Unreachable
from crossfade.ports import FlagRows
from crossfade.stage import Stage
from policies.buckets import bucket
from router.flags import schema
from router.flags.embedded import EmbeddedFlags
from router.store.flags import SqlFlagRows, open_flag_rows

SEED = 20_260_101
POLL_SECONDS = 0.05


class Switched:
    """Rows that can be broken, or hung, from outside."""

    def __init__(self, rows: FlagRows) -> None:
        self.rows = rows
        self.before: Callable[[], None] = lambda: None

    def read(self) -> tuple[int, Mapping[str, Mapping[str, object]]]:
        self.before()
        return self.rows.read()

    def write(self, flag: Mapping[str, object], *, author: str, reason: str, expected_version: int | None) -> int:
        return self.rows.write(flag, author=author, reason=reason, expected_version=expected_version)


class Given:
    """Rows that hold what they are given; garbage, too, which the store would not take."""

    def __init__(self, flags: Mapping[str, Any] | None = None) -> None:
        self.revision = 1
        self.flags: dict[str, Any] = dict(flags or {})

    def give(self, **flags: Any) -> None:
        self.flags = {**self.flags, **{schema.key_of(tool): flag for tool, flag in flags.items()}}
        self.revision += 1

    def give_kill(self, on: bool) -> None:
        self.flags = {**self.flags, schema.KILL: schema.kill(on, version=self.revision)}
        self.revision += 1

    def read(self) -> tuple[int, Mapping[str, Mapping[str, object]]]:
        return self.revision, self.flags

    def write(self, flag: Mapping[str, object], *, author: str, reason: str, expected_version: int | None) -> int:
        raise Unreachable("read only")


def subject(key: str = "sandbox-1", **more: Any) -> Subject:
    return Subject(routing_key=key, bucket=bucket(key, SEED), **more)


def flag(tool: str, text: str, version: int = 1, targets: Mapping[str, Stage] | None = None) -> dict[str, Any]:
    return schema.build(tool, schema.shares(text), version=version, seed=SEED, targets=targets)


def put(rows: FlagRows, tool: str, text: str, version: int = 1) -> None:
    expected = version - 1 or None
    rows.write(flag(tool, text, version), author="me", reason="test", expected_version=expected)


def stage(flags: EmbeddedFlags, tool: str = "files", key: str = "sandbox-1") -> str | None:
    found = flags.stage(tool, subject(key))
    return str(found.stage) if found else None


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[SqlFlagRows]:
    rows = open_flag_rows(f"sqlite:///{tmp_path}/state.db")
    yield rows
    rows.close()


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Callable[..., EmbeddedFlags]]:
    """Make flags that follow some rows; those left open are closed."""
    made: list[EmbeddedFlags] = []

    def make(rows: FlagRows, poll_seconds: float = POLL_SECONDS, start_seconds: float = 5.0) -> EmbeddedFlags:
        file = tmp_path / "last.flags.json"
        flags = EmbeddedFlags(rows, file, poll_seconds=poll_seconds, start_seconds=start_seconds)
        made.append(flags)
        flags.start()
        return flags

    yield make
    for flags in made:
        flags.close()
