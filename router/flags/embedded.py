"""Flags followed and evaluated: rows of flag JSON, from our store or a LaunchDarkly account, in LaunchDarkly's own SDK.

The SDK evaluates in this process, from memory; no account and no network are needed for that.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ldclient.client import LDClient
from ldclient.config import Config
from ldclient.interfaces import DataSourceState, UpdateProcessor
from ldclient.versioned_data_kind import FEATURES, SEGMENTS

from crossfade.decision import FlagValue, Subject
from crossfade.errors import SettingsError
from crossfade.ports import FlagRows, Listener
from crossfade.stage import TOOLS, Stage
from router.flags import schema
from router.flags.sdk import context, decodable, why_not

log = logging.getLogger("crossfade.flags")
_CLOSE_SECONDS = 2.0
_UNKNOWN = "unknown"
Flags = Mapping[str, Mapping[str, Any]]
# What a store that does not hold a flag means by that.
_UNSET: Flags = {
    **{schema.key_of(tool): schema.build(tool, {Stage.OFF: schema.WHOLE}, version=0, seed=0) for tool in TOOLS},
    schema.KILL: schema.kill(False, version=0),
}


class EmbeddedFlags:
    """Stages from rows of flags, followed within a second.

    A flag that cannot be read keeps its last good form; a source that was never seen leaves its stages unknown (None),
    and the caller then keeps to its pins.
    """

    def __init__(
        self,
        rows: FlagRows,
        fallback_file: Path,
        *,
        poll_seconds: float = 0.25,
        start_seconds: float = 5.0,
        segments: Callable[[], Flags] = dict,
        keep_missing: bool = False,
    ) -> None:
        """`segments`: those that rules of flags name. `keep_missing`: a flag that is no longer there stays as it was.

        In our own store a flag that is not there was never set. In an account anybody may archive it, or give us the
        key of another environment: that must not send every sandbox home.
        """
        self._rows = rows
        self._segments_now = segments
        self._keep_missing = keep_missing
        self._beside: Flags = {}  # flags that ours have as prerequisites
        self._segments: Flags = {}
        self._file = fallback_file
        self._poll_seconds = poll_seconds
        self._start_seconds = start_seconds  # how long a store may hang before the last good flags are taken
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()  # taking and publishing
        self._stop = threading.Event()
        self._read_once = threading.Event()
        self._thread: threading.Thread | None = None
        self._client: LDClient | None = None
        self._source: _Source | None = None
        self._good: dict[str, Mapping[str, Any]] = {}
        self._revision = -1
        self._version = 0
        self._known = False
        self.fresh_at = 0.0  # monotonic: when the store was last read

    @property
    def version(self) -> int:
        """Rises with every change."""
        return self._version

    @property
    def current(self) -> Flags:
        """The flags that are evaluated, by key, as they were read; the kill switch is one of them."""
        return self._good

    def listen(self, listener: Listener) -> None:
        """Call it after every change, on a thread of ours."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Read the flags once and follow them. Blocks a few seconds at most; never fails for a broken source."""

        def make(config: Config, _store: object, ready: threading.Event) -> "_Source":
            self._source = _Source(config, ready)
            return self._source

        # Before the store is read: a flag that is garbage there has its last good form here.
        self._good = self._kept()
        config = Config("embedded", update_processor_class=make, send_events=False, diagnostic_opt_out=True)
        self._client = LDClient(config, start_wait=self._start_seconds)
        self._thread = threading.Thread(target=self._follow, name="crossfade flags", daemon=True)
        self._thread.start()
        self._read_once.wait(self._start_seconds)
        with self._lock:
            if not self._known and self._good:
                log.warning("flags are the last good ones, until the store can be read")
                self._publish()
            elif not self._known:
                log.warning("flags are unknown; sandboxes keep to their pins")

    def close(self) -> None:
        """Stop following. Returns within seconds even where the store or the SDK hangs."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)
        if self._client is not None:
            # The SDK's close may wait for ever (its issue 493): it is left behind, on a thread that ends with us.
            closing = threading.Thread(target=self._client.close, name="flags close", daemon=True)
            closing.start()
            closing.join(_CLOSE_SECONDS)

    def stage(self, tool: str, subject: Subject) -> FlagValue | None:
        """The tool's stage for this subject, from memory; off for one without a key. None: flags are unknown."""
        key = schema.PREFIX + tool
        flag = self._good.get(key)
        if self._client is None or not self._known or flag is None:
            return None
        if not subject.routing_key:
            return FlagValue(stage=Stage.OFF, version=int(flag["version"]), reason="no routing key")
        detail = self._client.variation_detail(key, context(subject), _UNKNOWN)
        if detail.value not in schema.VARIATIONS:
            return None
        return FlagValue(stage=Stage(detail.value), version=int(flag["version"]), reason=_said(detail.reason or {}))

    # Following the store...

    def _follow(self) -> None:
        self._refresh()
        self._read_once.set()
        while not self._stop.wait(self._poll_seconds):
            self._refresh()

    def _refresh(self) -> None:
        try:
            revision, flags = self._rows.read()
            if revision != self._revision:
                with self._lock:
                    self._take(flags)
                    self._revision = revision
                self._keep()
            self.fresh_at = time.monotonic()
        except Exception as error:  # an edge: whatever a broken store raises, this thread goes on asking
            if self.fresh_at or not self._read_once.is_set():
                log.warning("flags cannot be read; the last good ones stay", extra={"reason": repr(error)})
            self.fresh_at = 0.0

    def _take(self, flags: Flags) -> None:
        """Make these the flags. One that cannot be meant keeps its last good form; one never set is off."""
        good: dict[str, Mapping[str, Any]] = {}
        for key, unset in _UNSET.items():
            if key not in flags:
                good[key] = self._good.get(key, unset) if self._keep_missing else unset
                continue
            try:
                good[key] = _meant(key, flags[key])
            except SettingsError as error:
                log.error("flag kept as it was", extra={"flag": key, "reason": str(error)})
                if key in self._good:
                    good[key] = self._good[key]
                elif key == schema.KILL:
                    good[key] = unset  # a kill that was never readable kills nothing
        self._good = good
        self._beside = _beside(good, flags)
        self._segments = decodable(SEGMENTS, self._segments_now())
        self._publish()

    def _publish(self) -> None:
        assert self._source is not None
        kill = schema.as_switch(self._good.get(schema.KILL, _UNSET[schema.KILL]))
        tools = {key: schema.under_kill(flag, kill) for key, flag in self._good.items() if key != schema.KILL}
        self._source.publish({**self._beside, schema.KILL: kill, **tools}, self._segments)
        self._known = True
        self._version += 1
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # an edge: one who listens must not keep the flags from everybody else
                log.exception("a listener to flags failed")

    # The last good flags on disk...

    def _keep(self) -> None:
        spare = self._file.with_suffix(".new")
        try:
            kept = {"flags": self._good, "beside": self._beside, "segments": self._segments}
            spare.write_text(json.dumps({"schema": "crossfade.flags/1", **kept}), encoding="utf-8")
            spare.replace(self._file)
        except OSError as error:
            log.warning("last good flags not kept", extra={"reason": str(error)})

    def _kept(self) -> dict[str, Mapping[str, Any]]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            good = {key: _meant(key, flag) for key, flag in kept["flags"].items()}
            self._beside = decodable(FEATURES, kept.get("beside") or {})
            self._segments = decodable(SEGMENTS, kept.get("segments") or {})
            return good
        except FileNotFoundError:
            return {}  # the first start
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SettingsError) as error:
            log.warning("last good flags cannot be read", extra={"file": str(self._file), "reason": str(error)})
            return {}


def _meant(key: str, flag: object) -> Mapping[str, Any]:
    """The flag, if it is one that the SDK can evaluate for everybody. Raises SettingsError."""
    if key == schema.KILL:
        schema.as_switch(flag)
    else:
        schema.check(flag)
    assert isinstance(flag, Mapping)
    if flag["key"] != key:
        raise SettingsError(f"flag '{key}' says that it is '{flag['key']}'")
    if (error := why_not(FEATURES, flag)) is not None:
        raise SettingsError(f"flag '{key}' cannot be evaluated: {error}; set it anew")
    return dict(flag)


def _beside(good: Flags, flags: Flags) -> Flags:
    """The flags that these have as prerequisites, and those that they have."""
    found: dict[str, Mapping[str, Any]] = {}
    waiting = list(good.values())
    while waiting:
        for each in waiting.pop().get("prerequisites") or ():
            key = str(each.get("key"))
            if key in flags and key not in good and key not in found:
                found[key] = flags[key]
                waiting.append(flags[key])
    return decodable(FEATURES, found)


def _said(reason: Mapping[str, Any]) -> str:
    """Why the SDK came to a value, in a word or two."""
    kind = str(reason.get("kind", "")).lower()
    if kind != "prerequisite_failed":
        return kind
    key = reason.get("prerequisiteKey")
    return f"killed by {schema.KILL}" if key == schema.KILL else f"prerequisite {key} is not met"


class _Source(UpdateProcessor):
    """Feeds the SDK from us instead of from LaunchDarkly's stream."""

    def __init__(self, config: Config, ready: threading.Event) -> None:
        self._sink = config.data_source_update_sink
        self._ready = ready
        self._filled = False

    def start(self) -> None:
        # Ready at once: whether there are flags is for EmbeddedFlags to say, and nothing must wait for them here.
        self._ready.set()

    def stop(self) -> None:
        pass

    def initialized(self) -> bool:
        return True

    def publish(self, flags: Flags, segments: Flags) -> None:
        """Replace everything: the SDK's store would keep a flag whose version went back."""
        assert self._sink is not None  # set by the SDK before it makes its update processor
        plain = {key: dict(flag) for key, flag in flags.items()}
        self._sink.init({FEATURES: plain, SEGMENTS: {key: dict(each) for key, each in segments.items()}})
        self._sink.update_status(DataSourceState.VALID, None)


if TYPE_CHECKING:
    from crossfade.ports import Flags as FlagsPort

    _: type[FlagsPort] = EmbeddedFlags
