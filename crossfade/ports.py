"""Ports: what the parts ask of each other. One or two methods each."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from crossfade.decision import FlagValue, Subject
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.record import Record
from crossfade.results import StreamEnd
from crossfade.twin import TwinRow
from crossfade.upstream import Purpose


class Channel(Protocol):
    """A live stream to something in a sandbox: a PTY both ways, a followed log one way."""

    def output(self) -> AsyncIterator[bytes]:
        """Bytes as they come, until the end."""

    async def send(self, data: bytes) -> None:
        """Input; ignored where there is none."""

    async def close(self) -> None:
        """Detach. What runs behind it goes on."""

    @property
    def end(self) -> StreamEnd:
        """How it ended, once output() has."""


class Backend(Protocol):
    """A provider's sandboxes. Failures of the provider are outcomes; only defects of ours raise.

    The purpose says whose work it is; it is counted, and shadow work must not keep a sandbox awake.
    """

    @property
    def name(self) -> str:
        """What it is in settings and errors: daytona, e2b, local."""

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        """Carry it out. The body, if any, is read at most once; a Content in the outcome must be read or closed."""

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        """For stream operations (their kind says which): a channel, or the outcome that says why not."""


class Flags(Protocol):
    """Where stages come from. Answers from memory; never waits."""

    @property
    def version(self) -> int:
        """Rises with every change; a cached decision of another version is stale."""

    def stage(self, tool: str, subject: Subject) -> FlagValue | None:
        """The tool's stage for this subject. None: flags are unknown (source never seen, or stage not understood)."""


class Records(Protocol):
    """Takes finished records; writes them in batches."""

    def add(self, record: Record) -> None:
        """Queue it, or count it as lost. Never blocks."""

    def count(self, origin: str, purpose: Purpose) -> None:
        """Count one request sent to an origin. Never blocks."""


class Twins(Protocol):
    """Durable rows of twins. Every method returns once the change is on disk."""

    async def load(self) -> Sequence[TwinRow]:
        """Every row, at start."""

    async def save(self, row: TwinRow) -> None:
        """Insert or replace one row."""

    async def mark_dirty(self, twin: str, dirty: bool) -> None:
        """Set the dirty mark; calls waiting at once share one commit."""


class Clock(Protocol):
    """Time, so that tests can hold it."""

    def now(self) -> float:
        """Unix seconds."""

    def monotonic(self) -> float:
        """Seconds from some start; never goes back."""


class FlagRows(Protocol):
    """Durable flags of the embedded source, as LaunchDarkly flag JSON, with their history."""

    def read(self) -> tuple[int, Mapping[str, Mapping[str, object]]]:
        """(revision, flags by key). Raises Unreachable."""

    def write(self, flag: Mapping[str, object], *, author: str, reason: str, expected_version: int | None) -> int:
        """Store one flag, whose version must be the successor of `expected_version`. Raises Conflict, Unreachable."""


Listener = Callable[[], None]
