"""Where flags are changed from the admin API: our store, or a LaunchDarkly account by its REST API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from crossfade.errors import Conflict, SettingsError
from crossfade.stage import Stage
from router.flags import patches, schema
from router.flags.account import AccountApi
from router.flags.embedded import EmbeddedFlags
from router.flags.shown import kill_state, known_targets, shares_of, version_of
from router.settings import FlagSettings
from router.store.audit import SqlAudit
from router.store.flags import FlagChange, SqlFlagRows

Flag = Mapping[str, Any]
_HISTORY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of one tool's flag, as it was asked for. `weights` None: the shares stay."""

    tool: str
    weights: Mapping[Stage, int] | None  # of 100,000
    expected: int  # the version that was looked at
    author: str
    reason: str
    sandboxes: Mapping[str, Stage | None] = field(default_factory=dict)  # by routing key; None takes its own stage back
    dry_run: bool = False


class Desk(Protocol):
    """Flags as they are looked at and changed; blocks, so it is asked on a thread."""

    def read(self) -> Mapping[str, Flag]:
        """Flags by key, as LaunchDarkly's SDKs have them."""

    def change(self, change: Change) -> tuple[Flag | None, Flag]:
        """The flag before and after. Raises Conflict where another version is there than the one looked at."""

    def switch(self, on: bool, author: str, reason: str, expected: int | None) -> tuple[bool, int]:
        """Turn the kill switch: whether that changed it, and its version. Raises Conflict."""

    def history(self, target: str) -> Sequence[Mapping[str, Any]]:
        """Changes of a tool, or of `kill`, the newest first."""


@dataclass(frozen=True, slots=True)
class StoreDesk:
    """Flags of the store."""

    rows: SqlFlagRows
    seed: int

    def read(self) -> Mapping[str, Flag]:
        return self.rows.read()[1]

    def change(self, change: Change) -> tuple[Flag | None, Flag]:
        before = self.read().get(schema.key_of(change.tool))
        found = version_of(before)
        _seen(schema.key_of(change.tool), found, change.expected)
        weights = change.weights
        if weights is None:
            weights = schema.weights_of(before) if before else {Stage.OFF: schema.WHOLE}
        wanted = {**known_targets(before), **change.sandboxes}
        targets = {key: stage for key, stage in wanted.items() if stage is not None}
        flag = schema.build(change.tool, weights, version=found + 1, seed=self.seed, targets=targets)
        if not change.dry_run:
            expected = found if before else None
            self.rows.write(flag, author=change.author, reason=change.reason, expected_version=expected)
        return before, flag

    def switch(self, on: bool, author: str, reason: str, expected: int | None) -> tuple[bool, int]:
        before = self.read().get(schema.KILL)
        found = version_of(before)
        if expected is not None:
            _seen(schema.KILL, found, expected)
        if kill_state(before) is on:
            return False, found
        flag = schema.kill(on, version=found + 1)
        self.rows.write(flag, author=author, reason=reason, expected_version=found if before else None)
        return True, found + 1

    def history(self, target: str) -> Sequence[Mapping[str, Any]]:
        return [change_line(each) for each in self.rows.history(schema.PREFIX + target, limit=_HISTORY)]


@dataclass(frozen=True, slots=True)
class AccountDesk:
    """Flags of a LaunchDarkly account: read as the router follows them, changed by a semantic patch with a comment.

    LaunchDarkly patches whatever version is there, so another change within the same moment is not noticed; its own
    audit log has both.
    """

    flags: EmbeddedFlags
    settings: FlagSettings
    audit: SqlAudit

    def read(self) -> Mapping[str, Flag]:
        return self.flags.current

    def change(self, change: Change) -> tuple[Flag | None, Flag]:
        if change.weights is None or change.sandboxes:
            raise SettingsError("single sandboxes of an account are targeted in LaunchDarkly's dashboard")
        key, before = schema.key_of(change.tool), self.read().get(schema.key_of(change.tool))
        with self._api() as api:
            there, version = self._there(api, key, change.expected)
            instructions = patches.shares(there, change.weights, api.environment)
            if not change.dry_run:
                told = api.change(key, instructions, f"{change.reason} ({change.author})")
                version = self._version(told)
        after = schema.build(change.tool, change.weights, version=version, seed=self.settings.seed)
        if not change.dry_run:
            details = {"before": {"shares": shares_of(before)}, "after": {"shares": shares_of(after)}}
            self._note(change.author, change.reason, "flag.set", change.tool, details)
        return before, after

    def switch(self, on: bool, author: str, reason: str, expected: int | None) -> tuple[bool, int]:
        before = kill_state(self.read().get(schema.KILL))
        with self._api() as api:
            there, version = self._there(api, schema.KILL, expected)
            if before is on:
                return False, version
            version = self._version(
                api.change(schema.KILL, patches.switched(there, api.environment, on=on), f"{reason} ({author})")
            )
        self._note(author, reason, "kill.set", "kill", {"before": {"killed": before}, "after": {"killed": on}})
        return True, version

    def history(self, target: str) -> Sequence[Mapping[str, Any]]:
        return [
            {"at": each.at, "author": each.author, "reason": each.reason, "key": schema.PREFIX + target, **each.details}
            for each in self.audit.entries(target=target, limit=_HISTORY)
        ]

    def _api(self) -> AccountApi:
        mine = self.settings
        return AccountApi(mine.api_url, mine.api_token, mine.project, mine.environment)

    def _there(self, api: AccountApi, key: str, expected: int | None) -> tuple[Flag, int]:
        there = api.flag(key)
        if there is None:
            raise SettingsError(f"the account has no flag '{key}'; make it by `crossfade flags push`")
        version = self._version(there)
        if expected is not None:
            _seen(key, version, expected)
        return there, version

    def _version(self, flag: Flag) -> int:
        """Of the flag in our environment: the number that the SDKs are sent."""
        return int(((flag.get("environments") or {}).get(self.settings.environment) or {}).get("version") or 0)

    def _note(self, author: str, reason: str, action: str, target: str, details: Mapping[str, Any]) -> None:
        self.audit.add(author=author, reason=reason, action=action, target=target, details=details)


def desk_of(settings: FlagSettings, flags: EmbeddedFlags, rows: SqlFlagRows, audit: SqlAudit) -> Desk:
    """The one that the settings' source of flags asks for."""
    return StoreDesk(rows, settings.seed) if settings.source == "embedded" else AccountDesk(flags, settings, audit)


def change_line(change: FlagChange) -> dict[str, Any]:
    """A change of a flag in the store, in values."""
    before, after = (_side(change.key, each) for each in (change.before, change.after))
    signed = {"author": change.author, "reason": change.reason, "before": before, "after": after}
    return {"seq": change.seq, "at": change.at, "key": change.key, **signed}


def _side(key: str, flag: Flag | None) -> dict[str, Any]:
    return {"killed": kill_state(flag)} if key == schema.KILL else {"shares": shares_of(flag)}


def _seen(key: str, found: int, expected: int) -> None:
    if found != expected:
        message = f"flag '{key}' is at version {found}, not {expected}: changed by someone else"
        raise Conflict(f"{message} meanwhile; read it and try again")


if TYPE_CHECKING:
    _: type[Desk] = StoreDesk
    __: type[Desk] = AccountDesk
