"""Flags of a LaunchDarkly account: streamed by LaunchDarkly's own SDK, followed and evaluated like those of our store.

The SDK's client here only receives. What it receives goes, as flag JSON, to the same follower that reads the store
(`embedded.py`): one evaluator, one way to keep the last good form of every flag, the same answers for the same JSON.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ldclient.client import LDClient
from ldclient.config import Config
from ldclient.feature_store import InMemoryFeatureStore
from ldclient.interfaces import DataSourceState
from ldclient.versioned_data_kind import FEATURES, SEGMENTS, VersionedDataKind

from crossfade.errors import SettingsError, Unreachable
from router.flags.sdk import Json, decodable

log = logging.getLogger("crossfade.flags")
_START_SECONDS = 3.0  # for the first flags; then the last good ones are taken until they come
_CLOSE_SECONDS = 2.0
_RECONNECT_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Which environment, and how it is reached. Empty addresses: LaunchDarkly's own; others: a relay proxy's."""

    sdk_key: str = field(repr=False)
    stream_url: str = ""
    base_url: str = ""
    events_url: str = ""
    send_events: bool = True

    def config(self, store: InMemoryFeatureStore) -> Config:
        """The SDK's settings."""
        addresses = {"stream_uri": self.stream_url, "base_uri": self.base_url, "events_uri": self.events_url}
        more: dict[str, Any] = {name: url.rstrip("/") for name, url in addresses.items() if url}
        return Config(
            self.sdk_key,
            feature_store=store,
            send_events=self.send_events,
            initial_reconnect_delay=_RECONNECT_SECONDS,
            context_keys_capacity=100_000,  # beyond it nearly every event would repeat its context
            application={"id": "crossfade"},
            **more,
        )


class LaunchDarklyRows:
    """What LaunchDarkly has sent, as rows to be followed. Reads answer from memory; the stream is the SDK's."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = _Raw()
        self._client: LDClient | None = None
        self._starting: threading.Thread | None = None

    @property
    def client(self) -> LDClient | None:
        """The SDK's client, for its events; None until it stands."""
        return self._client

    def start(self) -> None:
        """Connect, on a thread of its own: the SDK may block for as long as it likes. Waits seconds; never fails."""
        self._starting = threading.Thread(target=self._connect, name="launchdarkly start", daemon=True)
        self._starting.start()
        self._starting.join(_START_SECONDS)

    def close(self) -> None:
        """Let go. Returns within seconds even where the SDK hangs (its issue 493)."""
        if self._starting is not None:
            self._starting.join(_CLOSE_SECONDS)
        if self._client is not None:
            closing = threading.Thread(target=self._client.close, name="launchdarkly close", daemon=True)
            closing.start()
            closing.join(_CLOSE_SECONDS)

    def read(self) -> tuple[int, Mapping[str, Json]]:
        """(revision, flags by key) as last received. Raises Unreachable while there is no stream to trust."""
        client = self._client
        if client is None:
            raise Unreachable("LaunchDarkly's SDK has not started yet")
        status = client.data_source_status_provider.status
        if status.state is not DataSourceState.VALID:
            raise Unreachable(f"LaunchDarkly's stream is {status.state.value}{_why(status.error)}")
        return self._store.revision, self._store.flags

    def segments(self) -> Mapping[str, Json]:
        """Segments by key, for the rules of flags that name them."""
        return self._store.segments

    def write(self, flag: Mapping[str, object], *, author: str, reason: str, expected_version: int | None) -> int:
        """LaunchDarkly's flags are changed there. Raises SettingsError."""
        raise SettingsError("flags are LaunchDarkly's (flags.source): change them in its dashboard")

    def _connect(self) -> None:
        try:
            self._client = LDClient(self._account.config(self._store), start_wait=_START_SECONDS)
        except Exception as error:  # an edge: whatever the SDK raises, the last good flags go on
            log.error("LaunchDarkly's SDK did not start", extra={"reason": type(error).__name__})


def _why(error: Any) -> str:
    """The cause in words that hold no key and no address."""
    if error is None:
        return ""
    status = f" {error.status_code}" if error.status_code else ""
    return f": {error.kind.value}{status}"


class _Raw(InMemoryFeatureStore):
    """The SDK's store, which also keeps what came as it came: a flag it cannot decode is still ours to report."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.revision = 0
        self.flags: Mapping[str, Json] = {}
        self.segments: Mapping[str, Json] = {}
        self._changing = threading.Lock()

    def init(self, all_data: Mapping[VersionedDataKind, Mapping[str, Any]]) -> None:
        """Everything, anew."""
        raw = {kind: {key: _plain(item) for key, item in items.items()} for kind, items in all_data.items()}
        super().init({kind: decodable(kind, items) for kind, items in raw.items()})  # type: ignore[no-untyped-call]
        with self._changing:
            self.flags, self.segments = raw.get(FEATURES, {}), raw.get(SEGMENTS, {})
            self.revision += 1

    def upsert(self, kind: VersionedDataKind, item: Any) -> None:
        """One flag or segment; an older version than the one that is here changes nothing."""
        plain = _plain(item)
        if decodable(kind, {str(plain.get("key")): plain}):
            super().upsert(kind, item)  # type: ignore[no-untyped-call]
        self._change(kind, str(plain.get("key")), plain)

    def delete(self, kind: VersionedDataKind, key: str, version: int) -> None:
        """It is there no more."""
        super().delete(kind, key, version)
        self._change(kind, key, None, version)

    def _change(self, kind: VersionedDataKind, key: str, item: Json | None, version: object = None) -> None:
        version = version if item is None else item.get("version")
        with self._changing:
            held = dict(self.flags if kind is FEATURES else self.segments)
            before = held.get(key, {}).get("version")
            if isinstance(before, int) and isinstance(version, int) and before >= version:
                return
            held.pop(key, None)
            if item is not None:
                held[key] = item
            # Replaced, never changed: a reader may be in the middle of the old one.
            if kind is FEATURES:
                self.flags = held
            else:
                self.segments = held
            self.revision += 1


def _plain(item: Any) -> dict[str, Any]:
    plain = item.to_json_dict() if hasattr(item, "to_json_dict") else item
    return dict(plain) if isinstance(plain, Mapping) else {}


if TYPE_CHECKING:
    from crossfade.ports import FlagRows

    _: type[FlagRows] = LaunchDarklyRows
