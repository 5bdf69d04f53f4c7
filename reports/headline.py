"""The report in a sentence or two: what to do, and what changed."""

from reports.language import ENGLISH, Language
from reports.model import DECISIONS, ReportData

_NOTABLE = 0.05  # of a share: less changes by itself
_ONE = {
    "ROLLBACK": "{tools} should go back to shadow",
    "BLOCKED": "{tools} cannot be judged",
    "HOLD-HARM": "{tools} needs a look before it goes on",
    "ADVANCE": "{tools} may go on",
    "HOLD-DATA": "{tools} needs more evidence",
}
_MANY = {
    "HOLD-HARM": "{tools} need a look before they go on",
    "HOLD-DATA": "{tools} need more evidence",
}


def headline(data: ReportData, t: Language = ENGLISH) -> str:
    """What is to be decided, in one sentence."""
    if not data.calls:
        return t("No calls were recorded in this window.")
    groups = {word: [tool.tool for tool in data.by_decision if tool.decision == word] for word in DECISIONS}
    said = []
    for word, one in _ONE.items():
        if names := groups[word]:
            said.append(t(one if len(names) == 1 else _MANY.get(word, one), tools=t.listed(names)))
    text = "; ".join(said) or t("nothing is to be decided")
    return f"{text[0].upper()}{text[1:]}."


def changes(data: ReportData, t: Language = ENGLISH) -> list[str]:
    """What is otherwise than in the week before, a sentence each."""
    said = []
    for tool in data.by_decision:
        before = tool.before
        if before is None:
            if data.week and tool.calls:
                said.append(t("{tool}: not called the week before.", tool=tool.tool))
            continue
        if before.decision != tool.decision:
            said.append(
                t("{tool}: {now}, was {before}.", tool=tool.tool, now=t(tool.decision), before=t(before.decision))
            )
        if abs(before.effective_share - tool.effective_share) >= _NOTABLE:
            shares = {"now": t.percent(tool.effective_share), "before": t.percent(before.effective_share)}
            said.append(t("{tool}: {now} of calls on new, was {before}.", tool=tool.tool, **shares))
    return said


def new_kinds(data: ReportData) -> list[tuple[str, str, int]]:
    """Kinds of difference first seen in the window that nobody explained: tool, name, calls; most calls first."""
    found = [
        (tool.tool, each.name, each.count)
        for tool in data.tools
        for each in tool.signatures
        if each.first_seen >= data.since and not each.explained and each.severity != "cosmetic"
    ]
    return sorted(found, key=lambda each: -each[2])
