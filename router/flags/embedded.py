"""The embedded flag source: our store's flags, evaluated by LaunchDarkly's own SDK, with no account and no network."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ldclient import Context
from ldclient.client import LDClient
from ldclient.config import Config
from ldclient.interfaces import DataSourceState, UpdateProcessor
from ldclient.versioned_data_kind import FEATURES, SEGMENTS

from crossfade.decision import FlagValue, Subject
from crossfade.errors import CrossfadeError, SettingsError
from crossfade.ports import FlagRows, Listener
from crossfade.stage import TOOLS, Stage
from router.flags import schema

log = logging.getLogger("crossfade.flags")
_START_SECONDS = 5.0
_UNKNOWN = "unknown"
Flags = Mapping[str, Mapping[str, Any]]


class EmbeddedFlags:
    """Stages from the store, followed within a second.

    A flag that cannot be read keeps its last good form; a source that was never seen leaves its stages unknown (None),
    and the caller then keeps to its pins.
    """

    def __init__(self, rows: FlagRows, fallback_file: Path, *, poll_seconds: float = 0.25) -> None:
        self._rows = rows
        self._file = fallback_file
        self._poll_seconds = poll_seconds
        self._listeners: list[Listener] = []
        self._stop = threading.Event()
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

    def listen(self, listener: Listener) -> None:
        """Call it after every change, on a thread of ours."""
        self._listeners.append(listener)

    def start(self) -> None:
        """Read the flags once and follow them. Blocks a few seconds at most; never fails for a broken source."""

        def make(config: Config, _store: object, ready: threading.Event) -> "_Source":
            self._source = _Source(config, ready)
            return self._source

        config = Config("embedded", update_processor_class=make, send_events=False, diagnostic_opt_out=True)
        self._client = LDClient(config, start_wait=_START_SECONDS)
        if not self._refresh():
            self._from_file()
        self._thread = threading.Thread(target=self._follow, name="crossfade flags", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following. Returns within seconds even where the SDK would hang."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_START_SECONDS)
        if self._client is not None:
            # The SDK's close may wait for ever (its issue 493): it is left behind, on a thread that ends with us.
            closing = threading.Thread(target=self._client.close, name="flags close", daemon=True)
            closing.start()
            closing.join(_START_SECONDS)

    def stage(self, tool: str, subject: Subject) -> FlagValue | None:
        """The tool's stage for this subject, from memory. None: flags are unknown."""
        if self._client is None or not self._known:
            return None
        detail = self._client.variation_detail(schema.PREFIX + tool, _context(subject), _UNKNOWN)
        if detail.value not in schema.VARIATIONS:
            return None
        kind = str((detail.reason or {}).get("kind", "")).lower()
        return FlagValue(stage=Stage(detail.value), version=self._version, reason=kind)

    # Following the store...

    def _follow(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            self._refresh()

    def _refresh(self) -> bool:
        try:
            revision, flags = self._rows.read()
        except CrossfadeError as error:
            if self.fresh_at:
                log.warning("flags cannot be read; the last good ones stay", extra={"reason": str(error)})
            self.fresh_at = 0.0
            return False
        self.fresh_at = time.monotonic()
        if revision != self._revision:
            self._revision = revision
            self._take(flags)
            self._keep()
        return True

    def _take(self, flags: Flags) -> None:
        """Make these the flags. One that cannot be meant keeps its last good form."""
        good = {}
        for tool in TOOLS:
            key = schema.PREFIX + tool
            flag = flags.get(key)
            if flag is None:
                good[key] = schema.build(tool, {Stage.OFF: schema.WHOLE}, version=1, seed=0)
                continue
            try:
                schema.check(flag)
                good[key] = dict(flag)
            except SettingsError as error:
                log.error("flag kept as it was", extra={"flag": key, "reason": str(error)})
                if key in self._good:
                    good[key] = dict(self._good[key])
        self._good = dict(good)
        self._publish()

    def _publish(self) -> None:
        assert self._source is not None
        self._source.publish(self._good)
        self._known = True
        self._version += 1
        for listener in self._listeners:
            listener()

    # The last good flags on disk...

    def _keep(self) -> None:
        spare = self._file.with_suffix(".new")
        try:
            spare.write_text(json.dumps({"schema": "crossfade.flags/1", "flags": self._good}), encoding="utf-8")
            spare.replace(self._file)
        except OSError as error:
            log.warning("last good flags not kept", extra={"reason": str(error)})

    def _from_file(self) -> None:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))["flags"]
            for flag in kept.values():
                schema.check(flag)
        except (OSError, ValueError, KeyError, AttributeError, SettingsError) as error:
            log.warning("flags are unknown; sandboxes keep to their pins", extra={"reason": str(error)})
            return
        self._good = kept
        self._publish()


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

    def publish(self, flags: Flags) -> None:
        """Replace everything: the SDK's store would keep a flag whose version went back."""
        assert self._sink is not None  # set by the SDK before it makes its update processor
        self._sink.init({FEATURES: {key: dict(flag) for key, flag in flags.items()}, SEGMENTS: {}})
        self._sink.update_status(DataSourceState.VALID, None)


def _context(subject: Subject) -> Context:
    sandbox = Context.builder(subject.routing_key).kind("sandbox").set("bucket", subject.bucket)
    if subject.account:
        sandbox.set("account", subject.account)
    if not subject.organization:
        return sandbox.build()
    return Context.create_multi(sandbox.build(), Context.create(subject.organization, "org"))


if TYPE_CHECKING:
    from crossfade.ports import Flags as FlagsPort

    _: type[FlagsPort] = EmbeddedFlags
