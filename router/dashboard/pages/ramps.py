"""A tool's ramp on its page: where it is, what it says, and what can be done with it."""

from collections.abc import Mapping, Sequence
from typing import Any

from router.dashboard import command_line
from router.dashboard.pages.sandboxes import Act
from router.dashboard.visit import Visit

ACTS: Mapping[str, Act] = {
    "plan": Act("Plan", "Keep this plan with the margins of now. Nothing moves before it is started."),
    "start": Act("Start", "Begin, or go on: evidence is counted from now."),
    "pause": Act("Pause", "Decide nothing until it is started again. The flag stays as it is."),
    "step": Act("Take the step", "Take the step that the evidence of this moment allows; it is refused if none is."),
    "back": Act("Back to shadow", "Set the flag to shadow, whatever the evidence says, and stop the ramp."),
}
# What each state lets people do.
_OFFERED: Mapping[str, Sequence[str]] = {
    "": ("plan",),
    "running": ("step", "pause", "back"),
    **dict.fromkeys(("planned", "paused", "stopped", "done"), ("start", "plan")),
}
STATES = tuple(state for state in _OFFERED if state)
SAID = ("back", "halt", "hold", "advance", "done")
MODES = ("dry-run", "suggest", "act")
_DEFAULTS: Mapping[str, Any] = {"steps": "10,50,100", "least_days": 7, "least_sandboxes": 30, "mode": "suggest"}


def shown(visit: Visit, tool: str, ramp: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the tool's page says of its ramp; with `ramp` in the query, also what that act would do."""
    chosen = visit.query.get("ramp") or visit.request.path_params.get("act", "")
    chosen = chosen if chosen in ACTS else ""
    plan = {name: (ramp or {}).get(name, default) for name, default in _DEFAULTS.items()}
    plan |= {name: visit.form[name] for name in _DEFAULTS if visit.form.get(name)}
    return {
        "ramp": ramp,
        "ramp_act": chosen,
        "ramp_acts": ACTS,
        "ramp_offered": _OFFERED.get(ramp["state"] if ramp else "", ()),
        "ramp_plan": plan,
        "ramp_modes": MODES,
        "ramp_command": command_line.ramp(chosen, tool, plan) if chosen else "",
    }


async def carry_out(visit: Visit, tool: str, chosen: str) -> None:
    """Do it. Raises Problem."""
    if chosen == "plan":
        asked = {name: visit.form.get(name, "") or default for name, default in _DEFAULTS.items()}
        await visit.api.change("PUT", "ramps", tool, body=visit.signed(**asked))
        return
    word, back = ("step", {"back": True}) if chosen == "back" else (chosen, {})
    await visit.api.change("POST", "ramps", tool, word, body=visit.signed(**back))
