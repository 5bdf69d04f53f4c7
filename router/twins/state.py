"""What is known of one twin in memory (twins.md §1). Changed only by synchronous code, so that every step is atomic."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.twins.paths import any_touching, touching

# A path's stat on the seat when the follower was made equal: (size, modified_ns, mode, is_dir).
Token = tuple[int, int, int, bool]


@dataclass(slots=True, eq=False)
class OpenCall:
    """A call admitted and not yet finished."""

    seq: int
    paths: frozenset[str]
    mutates: bool
    unbounded: bool
    gen: int
    mutations: int  # Twin.mutations when admitted
    side: Origin
    overlapped: bool = False
    fresh_dirt: frozenset[str] = frozenset()  # paths that were not dirty before this call
    alike: bool = True  # of a split write: the follower had there what the seat had when it was admitted


@dataclass(slots=True, eq=False)
class Settling:
    """A settle of one path, or of the whole tree, in flight."""

    path: str
    overlapped: bool = False


@dataclass(slots=True, eq=False)
class Twin:
    """One seat, one follower. In any doubt the seat wins."""

    row: TwinRow
    gen: int = 0  # rises with every unbounded call, at admission and at its end
    clean_gen: int = -1  # the gen at which the trees were last equal
    hot: bool = False  # processes may be running that change files by themselves
    mutations: int = 0  # rises with every admitted mutation
    seq: int = 0
    dirty_paths: set[str] = field(default_factory=set)
    tokens: dict[str, Token] = field(default_factory=dict)
    open: dict[int, OpenCall] = field(default_factory=dict)
    settling: list[Settling] = field(default_factory=list)
    handles: dict[str, Origin] = field(default_factory=dict)
    unusable_until: float = 0.0  # monotonic; the follower may still receive orphaned writes until then
    suspended_until: float = 0.0  # monotonic; the follower failed and is left alone until then
    late: dict[str, float] = field(default_factory=dict)  # path -> monotonic: a lost write may still land until then
    marking: int = 0  # durable dirty marks on their way to disk
    fence: asyncio.Event | None = None  # calls wait for it, at most the fence's patience
    fence_seconds: float | None = None  # its patience where that is not the usual
    fence_process: asyncio.Event | None = None  # only process calls wait: the seat may move at birth
    creating: bool = False  # its follower is being made
    active: bool = False  # the follower answers file calls whose flag asks for its side
    turning_active: bool = False  # it is about to: nothing is run on it any more
    baseline: Counter[str] | None = None  # digests of processes at birth; None: not known
    ran_at: float = math.inf  # monotonic: the first call that may run something; -inf: before this process
    last_activity: float = 0.0  # monotonic; of its client
    moved_at: float = 0.0  # monotonic: files were seen to change while they were settled
    transitions: int = 0  # starts and stops of its client under way
    stopped: bool = False  # by a stop that we saw carried out; False: not known
    settled_at: float = 0.0  # Unix seconds: the trees were last known equal; 0: not since the router started
    keys: dict[str, float] = field(default_factory=dict)  # digest of an accepted client key -> monotonic, until when
    environment_secrets: tuple[str, ...] = ()  # values it was made with; in memory only
    call_secrets: dict[str, None] = field(
        default_factory=dict
    )  # values its calls brought, oldest first; in memory only

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def seat(self) -> Origin:
        return self.row.seat

    @property
    def joined(self) -> bool:
        return self.row.follower is FollowerState.JOINED

    def usable(self, now: float) -> bool:
        """Whether the follower may answer or be written at all."""
        return self.joined and now >= self.unusable_until and now >= self.suspended_until

    def clean(self, now: float) -> bool:
        """Whether the trees are known equal but for `dirty_paths`."""
        return self.gen == self.clean_gen and not self.hot and self.usable(now)

    def known_equal(self, paths: frozenset[str], now: float) -> bool:
        return self.clean(now) and not any_touching(paths, self.dirty_paths) and not self.late_paths(paths, now)

    def late_paths(self, paths: frozenset[str], now: float) -> bool:
        """Whether a write whose answer was lost may still land on one of them at the follower (P9)."""
        if not self.late:
            return False
        for path in [path for path, until in self.late.items() if until <= now]:
            del self.late[path]
        return any_touching(paths, self.late)

    def open_mutations(self, paths: frozenset[str]) -> list[OpenCall]:
        """Mutations under way that may touch these paths."""
        return [
            call for call in self.open.values() if call.mutates and (call.unbounded or any_touching(paths, call.paths))
        ]

    @contextmanager
    def transition(self) -> Iterator[None]:
        """While its client starts or stops it: no timer of ours may come in between."""
        self.transitions += 1
        try:
            yield
        finally:
            self.transitions -= 1

    def settles(self, path: str) -> bool:
        """Whether a settle under way may touch this path."""
        return any_touching((path,), (settling.path for settling in self.settling))

    def drop_tokens(self, paths: frozenset[str]) -> None:
        for token in [token for token in self.tokens if any(touching(token, path) for path in paths)]:
            del self.tokens[token]

    def unsettled(self) -> bool:
        """Whether the follower may differ in anything."""
        return bool(self.dirty_paths) or self.hot or self.gen != self.clean_gen
