"""What a button does, as the line one would type instead."""

import shlex
from collections.abc import Mapping, Sequence


def line(*words: str, reason: str = "") -> str:
    """A `crossfade` command, quoted for a shell. The reason stands at its end, as the page has it."""
    return shlex.join(["crossfade", *words, "--reason", reason or "..."])


def set_flag(tool: str, value: str) -> str:
    """`crossfade flags set`."""
    return line("flags", "set", tool, value)


def kill(*, on: bool) -> str:
    """`crossfade kill`."""
    return line("kill", *_flags([("--lift", not on)]))


def ramp(act: str, tool: str, plan: Mapping[str, object]) -> str:
    """`crossfade ramp ...`; the acts are those of ACTS in pages/ramps.py."""
    if act != "plan":
        return line("ramp", "step", tool, "--back") if act == "back" else line("ramp", act, tool)
    options = {"steps": "--steps", "least_days": "--days", "least_sandboxes": "--sandboxes", "mode": "--mode"}
    return line("ramp", "plan", tool, *(word for name, flag in options.items() for word in (flag, str(plan[name]))))


def twin(act: str, id: str) -> str:
    """`crossfade twins ...`; the acts are those of ACTS in pages/sandboxes.py."""
    if act == "verify":
        return shlex.join(["crossfade", "twins", "verify", id])
    word, _, side = act.partition("-")
    return line("twins", word, id, *(["--to", side] if side else []))


def say(saying: str, subject: str, owner: str, until: str) -> str:
    """`crossfade diffs accept|ignore|fixed|reopen`."""
    rule = ["--until", until, "--owner", owner] if saying == "ignore" else []
    return line("diffs", saying, subject, *rule)


def _flags(each: Sequence[tuple[str, bool]]) -> list[str]:
    return [name for name, wanted in each if wanted]
