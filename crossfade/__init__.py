"""The shared words of the project: values, ports and errors. Standard library only."""

from crossfade.comparison import Change, Comparison, Difference, Pair, Severity
from crossfade.decision import Classification, Decision, FlagValue, MirrorExecute, Subject
from crossfade.errors import Conflict, CrossfadeError, Refused, SettingsError, Unreachable
from crossfade.operation import OPERATIONS, Effect, Operation, OperationKind
from crossfade.outcome import Fate, Outcome, done, refused, unknown, unsupported
from crossfade.record import Record
from crossfade.stage import PROCESS_GROUP, STAGES, TOOLS, Compared, Origin, Stage, StageRule
from crossfade.twin import FollowerState, TwinRow

__all__ = [
    "OPERATIONS",
    "PROCESS_GROUP",
    "STAGES",
    "TOOLS",
    "Change",
    "Classification",
    "Compared",
    "Comparison",
    "Conflict",
    "CrossfadeError",
    "Decision",
    "Difference",
    "Effect",
    "Fate",
    "FlagValue",
    "FollowerState",
    "MirrorExecute",
    "Operation",
    "OperationKind",
    "Origin",
    "Outcome",
    "Pair",
    "Record",
    "Refused",
    "SettingsError",
    "Severity",
    "Stage",
    "StageRule",
    "Subject",
    "TwinRow",
    "Unreachable",
    "done",
    "refused",
    "unknown",
    "unsupported",
]
