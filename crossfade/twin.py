"""Twins: the two sandboxes behind one client-visible sandbox, as kept on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from crossfade.stage import Origin


class FollowerState(StrEnum):
    """Life of the side that does not hold the seat (twins.md §1)."""

    ABSENT = "absent"
    CREATING = "creating"
    FILLING = "filling"
    JOINED = "joined"
    DETACHED = "detached"
    DELETING = "deleting"
    GONE = "gone"
    SURVIVOR = "survivor"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinRow:
    """One twin's durable facts. `dirty` means: the follower may differ."""

    id: str  # client-visible sandbox id
    routing_key: str
    seat: Origin = Origin.OLD
    epoch: int = 0
    follower: FollowerState = FollowerState.ABSENT
    dirty: bool = False
    bypass: bool = False  # others may write to it behind the router: never known equal, and its seat stays
    ids: Mapping[str, str] = field(default_factory=dict)  # origin -> that provider's sandbox id
    nonce: str = ""  # of the birth, in labels and metadata on both sides
    organization: str = ""
    owner: str = ""  # digest of the key that created it
    held: str = ""  # why it may not move or join; empty when nothing holds it
    stages: Mapping[str, str] = field(default_factory=dict)  # tool -> stage last seen: the pin
    handles: Mapping[str, str] = field(default_factory=dict)  # "session:<id>" -> origin where it lives
    baseline: Mapping[str, int] | None = None  # digest of a command line -> processes at birth; None: not known
    control: Mapping[str, Any] = field(default_factory=dict)  # last control-plane object, secrets left out
    created_at: float = 0.0  # Unix seconds
    seat_since: float = 0.0  # Unix seconds; 0: since it was made
    stopped_at: float = 0.0  # Unix seconds; 0: it runs, as far as we know
    marker: int = 0  # the generation last written on a seat on new; 0: none yet
    lost: Sequence[str] = ()  # paths whose last changes stayed behind when the seat was moved from a dead side
