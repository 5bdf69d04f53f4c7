"""What the commands of `crossfade diffs` open and say."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.admin.kinds import Differences


@contextlib.contextmanager
def opened(config: str | None, store: str | None) -> Iterator[Differences]:
    """The kinds of the store named, or the settings'. Raises Unreachable, Refused, SettingsError."""
    from router.admin.kinds import Differences
    from router.cli.report import store_url
    from router.store.database import open_database

    database = open_database(store_url(config, store), create=False)
    try:
        yield Differences(database, time.time())
    finally:
        database.close()


def found(effect: int) -> str:
    """An effect in words."""
    if effect < 0:
        return f"{-effect:,} recorded calls count again"
    return f"{effect:,} recorded calls no longer count as differing"


def day(at: float | None) -> str:
    """A moment, to the minute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" if at is not None else "-"
