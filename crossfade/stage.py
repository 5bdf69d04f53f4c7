"""Stages of a tool's migration, and the origins they name."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Origin(StrEnum):
    """One of the two sides."""

    OLD = "old"
    NEW = "new"

    @property
    def other(self) -> "Origin":
        return Origin.NEW if self is Origin.OLD else Origin.OLD


class Compared(StrEnum):
    """Which of a tool's calls are compared."""

    NOTHING = "nothing"
    MUTATIONS = "mutations"
    ALL = "all"


class Stage(StrEnum):
    """Where a tool stands; in this order, old first, as flag variations are listed (design §5)."""

    OFF = "off"
    DUALWRITE = "dualwrite"
    SHADOW = "shadow"
    LIVE = "live"
    RAMPDOWN = "rampdown"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRule:
    """What a stage asks for: who answers, and what is compared."""

    wish: Origin
    compared: Compared


STAGES = MappingProxyType(
    {
        Stage.OFF: StageRule(wish=Origin.OLD, compared=Compared.NOTHING),
        Stage.DUALWRITE: StageRule(wish=Origin.OLD, compared=Compared.MUTATIONS),
        Stage.SHADOW: StageRule(wish=Origin.OLD, compared=Compared.ALL),
        Stage.LIVE: StageRule(wish=Origin.NEW, compared=Compared.ALL),
        Stage.RAMPDOWN: StageRule(wish=Origin.NEW, compared=Compared.MUTATIONS),
        Stage.COMPLETE: StageRule(wish=Origin.NEW, compared=Compared.NOTHING),
    }
)

# The tools that migrate, in the order they usually do.
TOOLS = (
    *("files", "upload", "vision", "image", "web"),
    *("browser", "shell", "expose", "presentation", "kb"),
    *("lifecycle", "other"),
)

# Tools that share one process space: they have one seat per sandbox and move together (twins.md P6).
PROCESS_GROUP = ("shell", "browser", "expose", "presentation", "kb", "other")
