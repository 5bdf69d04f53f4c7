"""The process group: tools that share processes have one seat per sandbox and move together (twins.md P6)."""

from collections.abc import Mapping

from crossfade.stage import PROCESS_GROUP, STAGES, Origin, Stage


def seat_wish(stages: Mapping[str, Stage]) -> Origin:
    """New only if every tool of the group asks for new; so no tool is ever answered where its flag forbids."""
    return Origin.OLD if limiting(stages) else Origin.NEW


def limiting(stages: Mapping[str, Stage]) -> tuple[str, ...]:
    """The tools of the group that keep the seat on old; a tool without a stage is one of them."""
    return tuple(tool for tool in PROCESS_GROUP if tool not in stages or STAGES[stages[tool]].wish is not Origin.NEW)
