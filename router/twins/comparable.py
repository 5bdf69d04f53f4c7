"""What of a lane's evidence can be had: the rules by which a call is repeated on a follower, or dropped and why."""

from crossfade.decision import MirrorExecute
from crossfade.operation import Effect
from router.twins.evidence import Evidence
from router.twins.handles import LIFE
from router.twins.lane import Lane
from router.twins.state import Twin

NOT_EQUAL = "follower is not equal there"
NOTHING_RUN = "follower answers file calls, so nothing is run on it"


def why_not(twin: Twin, lane: Lane, evidence: Evidence, *, active: bool, now: float) -> str:
    """Why the evidence at the lane's head cannot be had now; empty when it can. `active`: the follower answers."""
    first, call = evidence.operations[0], evidence.call
    if call.overlapped and first.name not in LIFE:
        return "overlapped another call"
    if first.kind.stream:
        return "a live stream is not compared"
    if first.name.startswith("interpreter."):
        return "an interpreter context lives on one side, under an id that this side made"
    if evidence.answered_by is not twin.seat or active:
        return _why_not_active(twin, evidence, now)
    effect = first.kind.effect
    if effect is Effect.EXECUTE and (reason := _why_not_execute(evidence)):
        return reason
    if reason := lane.handles.why_not(first):
        return reason
    makes_or_ends_handle = first.name in LIFE
    if not lane.synced and not makes_or_ends_handle and (effect is not Effect.READ or not first.kind.handle):
        return "follower is behind"
    if effect is Effect.EXECUTE and not lane.processes_equal and not makes_or_ends_handle:
        return "a process that runs on the seat was not started on the follower"
    return ""


def _why_not_execute(evidence: Evidence) -> str:
    match evidence.mirror_execute:
        case MirrorExecute.NEVER:
            return "execute not repeated (mirror_execute = never)"
        case MirrorExecute.LOCAL if evidence.not_local:
            return f"execute not repeated (mirror_execute = local): {evidence.not_local}"
        case MirrorExecute.LOCAL | MirrorExecute.ALWAYS:
            return ""


def _why_not_active(twin: Twin, evidence: Evidence, now: float) -> str:
    first, call = evidence.operations[0], evidence.call
    if first.kind.effect is not Effect.READ:
        return NOTHING_RUN
    if first.kind.handle or not first.kind.bounded:
        return "follower answers file calls, so only one-path reads are repeated"
    if call.mutations != twin.mutations:
        return "superseded by a later change"
    if not twin.known_equal(call.paths, now):
        return NOT_EQUAL
    return ""
