"""Dialects: what a client's SDK version makes different in an answer (facts: marker bytes, list shapes, states)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

Version = tuple[int, ...]

_MARKED_OUTPUT: Version = (0, 27)  # session output carries marker bytes
_SPLIT_OUTPUT: Version = (0, 167)  # session output is split by the server, logs are JSON
_CURSOR_LISTS: Version = (0, 180)  # GET /sandbox answers {items, nextCursor}
_TYPED_ERRORS: Version = (0, 163)  # error parts of a bulk download are read as JSON
_OPEN_STATES: Version = (0, 163)  # unknown sandbox states are mapped by the SDK, not refused
_UPLOAD_REPORT: Version = (0, 116)  # bulk upload answers what it wrote

# States older SDKs refuse to parse, and the nearest they know.
_CLOSED_STATES = frozenset(
    (
        *("creating", "restoring", "destroyed", "destroying", "started", "stopped", "starting", "stopping"),
        *("error", "build_failed", "pending_build", "building_snapshot", "unknown", "pulling_snapshot"),
        *("archived", "archiving"),
    )
)
_NEAREST_STATE = {"pausing": "stopping", "paused": "stopped", "resuming": "starting"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one client is to be answered. `version` is None for clients that do not say theirs."""

    version: Version | None = None
    split_output: bool = False  # X-Daytona-Split-Output

    @property
    def marked(self) -> bool:
        """Whether session output carries marker bytes."""
        return self.version >= _MARKED_OUTPUT if self.version else self.split_output

    @property
    def split(self) -> bool:
        """Whether session output is given per stream as well."""
        return bool(self.version) and self.since(_SPLIT_OUTPUT)

    @property
    def cursor_lists(self) -> bool:
        return self.since(_CURSOR_LISTS)

    @property
    def typed_errors(self) -> bool:
        return self.since(_TYPED_ERRORS)

    @property
    def upload_report(self) -> bool:
        return self.since(_UPLOAD_REPORT)

    def since(self, version: Version) -> bool:
        """Whether the client is at least this new; one that says nothing is taken for the newest."""
        return self.version is None or self.version >= version

    def state(self, state: str) -> str:
        """A sandbox state in words the client can parse."""
        if self.since(_OPEN_STATES) or state in _CLOSED_STATES:
            return state
        return _NEAREST_STATE.get(state, "started")


def dialect_of(headers: Mapping[bytes, bytes], subprotocols: tuple[str, ...] = ()) -> Dialect:
    """The dialect of a request; browsers name the version in a websocket subprotocol."""
    said = headers.get(b"x-daytona-sdk-version", b"").decode("latin-1")
    for protocol in subprotocols:
        if not said and protocol.startswith("X-Daytona-SDK-Version~"):
            said = protocol.partition("~")[2]
    numbers = re.match(r"\d+(?:\.\d+)*", said)
    return Dialect(
        version=tuple(int(number) for number in numbers.group().split(".")) if numbers else None,
        split_output=headers.get(b"x-daytona-split-output", b"").lower() == b"true",
    )
