"""Admission: which side answers a call, decided in one synchronous step (twins.md §1; rules marked ◆ there)."""

from dataclasses import dataclass
from enum import StrEnum

from crossfade.stage import Origin
from router.twins.paths import any_touching
from router.twins.state import OpenCall, Twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A call as admission sees it. `paths` are normal; `unbounded` means it may change anything."""

    wish: Origin
    paths: frozenset[str] = frozenset()
    bounded: bool = False
    mutates: bool = False
    unbounded: bool = False
    lists: bool = False  # fs.list: cannot be validated by one stat
    handle: str = ""


class How(StrEnum):
    """What the answering side needs beside it."""

    SEAT = "seat"  # the seat answers alone
    CLEAN = "clean"  # the follower answers alone: known equal
    TOKEN = "token"  # the follower answers if the seat's stat equals the token
    BOTH = "both"  # both are asked: the follower's answer if equal
    THROUGH = "through"  # a write that goes to both


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Admitted. `mark_dirty_first`: the durable mark must be written before the first upstream byte."""

    side: Origin
    how: How
    call: OpenCall
    mark_dirty_first: bool
    reason: str


def admit(twin: Twin, ask: Ask, now: float) -> Go:
    """Decide who answers, and note the call as open. Never waits. The caller must call `finish` once."""
    side, how, reason = side_of(twin, ask, now)
    if ask.unbounded:
        twin.gen += 1  # ◆ at admission, not at the answer: its effects may show at once
        twin.hot = True
        twin.ran_at = min(twin.ran_at, now)
    call = OpenCall(
        seq=twin.seq,
        paths=ask.paths,
        mutates=ask.mutates,
        unbounded=ask.unbounded,
        gen=twin.gen,
        mutations=twin.mutations,
        side=side,
        alike=how is not How.THROUGH or _alike(twin, ask.paths, now),
    )
    twin.seq += 1
    if ask.mutates:
        _note_mutation(twin, ask, call)
    elif ask.paths:
        call.overlapped = bool(twin.open_mutations(ask.paths))
    twin.open[call.seq] = call
    mark = ask.mutates and twin.joined and not twin.row.dirty  # ◆ before the first byte, not before the answer
    return Go(side=side, how=how, call=call, mark_dirty_first=mark, reason=reason)


def side_of(twin: Twin, ask: Ask, now: float) -> tuple[Origin, How, str]:
    """Which side would answer, how, and why. Notes nothing."""
    if ask.handle and (made := twin.handles.get(ask.handle)) is not None:
        return made, How.SEAT, f"{ask.handle.split(':')[0]} lives on {made}"
    seat = twin.seat
    if not ask.bounded or ask.wish is seat:
        return seat, How.SEAT, "" if ask.wish is seat else f"only the seat ({seat}) runs processes and walks trees"
    if not twin.usable(now):
        return seat, How.SEAT, f"follower is {_why_unusable(twin, now)}"
    follower = seat.other
    if ask.mutates:
        return follower, How.THROUGH, "written to both sides"
    if twin.late_paths(ask.paths, now):
        return seat, How.SEAT, "a lost write may still land on the follower"
    if twin.open_mutations(ask.paths):
        return seat, How.SEAT, "a write of it is under way"  # ◆ no reads at the follower under an open write
    if twin.known_equal(ask.paths, now):
        return follower, How.CLEAN, "follower is equal"
    if ask.lists:
        return follower, How.BOTH, "follower's list is held against the seat's"
    if all(path in twin.tokens for path in ask.paths):
        return follower, How.TOKEN, "follower's copy is validated on the seat"
    return seat, How.SEAT, "not on the follower yet"


def _alike(twin: Twin, paths: frozenset[str], now: float) -> bool:
    """Whether the follower holds there what the seat does, as far as we know, with no write under way."""
    known = twin.known_equal(paths, now) or all(path in twin.tokens for path in paths)
    return known and not twin.open_mutations(paths)


def _why_unusable(twin: Twin, now: float) -> str:
    if not twin.joined:
        return str(twin.row.follower)
    return "waiting out a lost answer" if now < twin.unusable_until else "failing"


def _note_mutation(twin: Twin, ask: Ask, call: OpenCall) -> None:
    twin.mutations += 1
    for other in twin.open.values():
        if not _meet(call, other):
            continue
        other.overlapped = True  # a read under way may see either value; it is answered, but not compared
        if other.mutates:
            call.overlapped = True  # ◆ two overlapped writes are never ordered: the path is copied
    for settling in twin.settling:
        if ask.unbounded or any_touching(ask.paths, (settling.path,)):
            settling.overlapped = call.overlapped = True  # ◆ settles count
    if ask.unbounded:
        twin.tokens.clear()
        return
    twin.drop_tokens(ask.paths)
    # Effects follow admission, not success: dirty now, taken back when both sides are known to agree.
    call.fresh_dirt = frozenset(path for path in ask.paths if not any_touching((path,), twin.dirty_paths))
    twin.dirty_paths |= ask.paths


def _meet(one: OpenCall, other: OpenCall) -> bool:
    return one.unbounded or other.unbounded or any_touching(one.paths, other.paths)


def finish(twin: Twin, call: OpenCall, *, equal: bool) -> None:
    """The call is over. `equal`: a write that both sides carried out completely, with the same class of outcome."""
    twin.open.pop(call.seq, None)
    if not call.mutates:
        return
    if call.unbounded:
        twin.gen += 1
        return
    undisturbed = not call.overlapped and call.gen == twin.gen == twin.clean_gen and not twin.hot
    if equal and undisturbed:
        twin.dirty_paths -= call.fresh_dirt
