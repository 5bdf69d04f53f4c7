"""What to do next with each tool: the verdict of every tool's evidence (verdicts.py), and what tools owe each other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from crossfade.evidence import Evidence, Quality, Verdict, Word
from crossfade.said import Said
from crossfade.stage import PROCESS_GROUP
from policies.margins import MARGINS, Margins
from policies.verdicts import budget_at, share_on_new, verdict

__all__ = ["budget_after", "next_steps", "quality_of", "share_on_new"]

# Reasons that say "we could not keep up", not "a comparison would be meaningless": they make the rest a biased sample.
CAPACITY_DROPS = (
    *("lane full", "all lanes full", "our own failure", "follower not usable", "answer or body too large"),
    *("no follower: detached", "no follower: quarantined", "call timed out"),
)
_HARM = (Word.BLOCKED, Word.ROLLBACK, Word.HOLD_HARM)


def next_steps(tools: Sequence[Evidence], margins: Margins = MARGINS) -> Mapping[str, Verdict]:
    """The next step of every tool; a process tool waits for one that harms, because they move together."""
    steps = {evidence.tool: verdict(evidence, margins) for evidence in tools}
    harming = [tool for tool in PROCESS_GROUP if tool in steps and steps[tool].word in _HARM]
    for tool in PROCESS_GROUP:
        if harming and tool in steps and steps[tool].word is Word.ADVANCE:
            said = Said("Ready by itself, but limited by {tools}: the process tools move together.", tools=harming)
            steps[tool] = replace(steps[tool], word=Word.HOLD_HARM, said=said, because="group")
    return steps


def budget_after(stages: Mapping[str, float]) -> float:
    """The mismatch that must be excluded before the tool's next step."""
    return budget_at(share_on_new(stages))


def quality_of(quality: Quality, dropped: Mapping[str, int]) -> Quality:
    """The quality, with the calls that were not compared (by reason) sorted: for want of capacity, or by rule."""
    missed = {reason: count for reason, count in dropped.items() if reason.startswith(CAPACITY_DROPS)}
    left_out = {reason: count for reason, count in dropped.items() if reason not in missed}
    return replace(quality, missed=missed, left_out=left_out)
