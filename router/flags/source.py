"""The flag source that the settings name: our store, or a LaunchDarkly account."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossfade.ports import FlagRows
from crossfade.record import Record
from router.flags.embedded import EmbeddedFlags
from router.flags.events import MigrationEvents
from router.flags.launchdarkly import Account, LaunchDarklyRows
from router.settings import FlagSettings


@dataclass(slots=True, eq=False)
class FlagSource:
    """Flags, and what keeps them coming."""

    flags: EmbeddedFlags
    account: LaunchDarklyRows | None = None
    events: MigrationEvents | None = None

    def start(self) -> None:
        """Connect and read once. Blocks a few seconds at most; never fails for a broken source."""
        if self.account is not None:
            self.account.start()
        if self.events is not None:
            self.events.start()
        self.flags.start()

    def observing(self, observe: Callable[[Record], None]) -> Callable[[Record], None]:
        """Who hears of every record: `observe`, and the account where it is told."""
        if self.events is None:
            return observe
        note = self.events.note

        def both(record: Record) -> None:
            observe(record)
            note(record)

        return both

    def close(self) -> None:
        """Let go, within seconds."""
        self.flags.close()
        if self.events is not None:
            self.events.close()
        if self.account is not None:
            self.account.close()


def flag_source(settings: FlagSettings, rows: FlagRows, fallback_file: Path) -> FlagSource:
    """The source that is set; `rows` are the store's."""
    if settings.source == "embedded":
        return FlagSource(EmbeddedFlags(rows, fallback_file))
    account = LaunchDarklyRows(
        Account(
            sdk_key=settings.sdk_key,
            stream_url=settings.stream_url,
            base_url=settings.base_url,
            events_url=settings.events_url,
            send_events=settings.send_events,
        )
    )
    # The account's last good flags are not the store's: a change of source must not bring the other's back.
    kept = fallback_file.with_suffix(".launchdarkly.json")
    flags = EmbeddedFlags(account, kept, segments=account.segments, keep_missing=True)
    events = MigrationEvents(lambda: account.client, settings.events_sample) if settings.send_events else None
    return FlagSource(flags, account, events)


def last_good_file(store_url: str) -> Path:
    """Beside the store: the last good flags, for a start while their source is broken."""
    prefix = "sqlite:///"
    if not store_url.startswith(prefix):
        return Path("crossfade-flags.json")
    return Path(store_url.removeprefix(prefix)).with_suffix(".flags.json")
