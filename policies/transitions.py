"""Transitions: what becomes of a twin when what its flags ask for changes (design §5).

Only the wish of now counts, never the way it was reached: so a change that was missed, or made while no router ran,
ends in the same place. No flag change parts a running process from its state: a seat that is to move goes at birth, at
a start after a stop, or when nothing runs any more, and until then it answers where it is.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from crossfade.stage import Origin


class Wish(StrEnum):
    """What the flags of all tools together ask of a sandbox."""

    NOTHING = "nothing"  # every tool is off: nobody is mirrored
    OLD = "old"
    NEW = "new"


class Standing(StrEnum):
    """Where a twin stands: who has its seat, and whether there is a follower."""

    OLD = "seat on old, follower joined"
    NEW = "seat on new, follower joined"
    DETACHED = "seat on old, follower let go"
    ALONE_OLD = "seat on old, no follower"
    ALONE_NEW = "seat on new, no follower"


class Happening(StrEnum):
    """What becomes of it. MOVE: the seat, once nothing is left behind by it. HOLD: it cannot, and goes on answering."""

    KEEP = "keep"
    JOIN = "join"
    DETACH = "detach"
    MOVE = "move"
    HOLD = "hold"


_KEEP, _JOIN, _DETACH, _MOVE, _HOLD = (
    Happening.KEEP, Happening.JOIN, Happening.DETACH, Happening.MOVE, Happening.HOLD,
)  # fmt: skip
TABLE: Mapping[Standing, Mapping[Wish, Happening]] = MappingProxyType(
    {
        Standing.OLD: {Wish.NOTHING: _DETACH, Wish.OLD: _KEEP, Wish.NEW: _MOVE},
        Standing.NEW: {Wish.NOTHING: _MOVE, Wish.OLD: _MOVE, Wish.NEW: _KEEP},
        Standing.DETACHED: {Wish.NOTHING: _KEEP, Wish.OLD: _JOIN, Wish.NEW: _JOIN},
        Standing.ALONE_OLD: {Wish.NOTHING: _KEEP, Wish.OLD: _KEEP, Wish.NEW: _HOLD},
        Standing.ALONE_NEW: {Wish.NOTHING: _HOLD, Wish.OLD: _HOLD, Wish.NEW: _KEEP},
    }
)


def wish(*, all_off: bool, seat: Origin) -> Wish:
    """The wish, from whether every tool is off and the side that the process tools ask for together."""
    if all_off:
        return Wish.NOTHING
    return Wish.NEW if seat is Origin.NEW else Wish.OLD


def standing(*, seat: Origin, joined: bool, detached: bool) -> Standing:
    """The standing, from the seat and what is known of the follower."""
    if joined:
        return Standing.NEW if seat is Origin.NEW else Standing.OLD
    if seat is Origin.NEW:
        return Standing.ALONE_NEW
    return Standing.DETACHED if detached else Standing.ALONE_OLD


def happening(now: Standing, wished: Wish) -> Happening:
    """What becomes of a twin in that standing under that wish."""
    return TABLE[now][wished]


def after(now: Standing, what: Happening) -> Standing:
    """The standing once it has happened."""
    if what is Happening.MOVE:
        return Standing.OLD if now is Standing.NEW else Standing.NEW
    return {Happening.JOIN: Standing.OLD, Happening.DETACH: Standing.DETACHED}.get(what, now)


def answering(now: Standing) -> Origin:
    """Who answers process calls in that standing."""
    return Origin.NEW if now in (Standing.NEW, Standing.ALONE_NEW) else Origin.OLD
