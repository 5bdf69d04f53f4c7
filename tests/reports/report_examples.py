"""A store as a week of migration leaves it: every decision occurs, and samples bite."""

import random
from collections.abc import Iterator
from typing import Any

from crossfade.comparison import Change, Difference, Severity
from crossfade.record import Record
from crossfade.upstream import Purpose
from router.store.database import Database
from router.store.flags import SqlFlagRows
from router.store.records import SqlRecords

NOW = 1_795_349_400.0
_STAGES = ["off", "dualwrite", "shadow", "live", "rampdown", "complete"]
NASTY = "<script>alert('new')</script>\n\x1b[31mred\x1b[0m & `tick` | pipe"

_DAY = 86_400.0
_SANDBOXES = 320
# tool -> (operation, live share, calls, share compared, share differing, milliseconds)
_TOOLS = {
    "files": ("fs.info", 0.5, 2_400, 0.97, 0.0, 6),
    "upload": ("fs.upload", 0.5, 500, 0.9, 0.004, 12),
    "shell": ("process.exec", 0.1, 1_500, 0.6, 0.0, 60),
    "browser": ("process.exec", 0.1, 700, 0.55, 0.045, 140),
    "web": ("fs.download", 0.0, 90, 0.9, 0.0, 8),
    "vision": ("fs.download", 0.5, 300, 0.6, 0.0, 20),
    "expose": ("sandbox.preview", 0.0, 60, 0.0, 0.0, 15),
    "lifecycle": ("sandbox.get", 0.0, 400, 0.0, 0.0, 25),
}


def fill(database: Database) -> None:
    """Write records, requests and flags."""
    for version, share in ((1, 0.1), (2, 0.5)):
        flags = SqlFlagRows(database, now=lambda at=NOW - (10 - version) * _DAY: at)  # type: ignore[misc]
        for tool, (_, live, *_rest) in _TOOLS.items():
            if tool != "lifecycle" and (version == 1 or live > 0.1):
                expected = version - 1 or None
                reason = "first step" if version == 1 else "a quiet week"
                flag = _flag(tool, version, min(live, share))
                flags.write(flag, author="operator", reason=reason, expected_version=expected)
    records = SqlRecords(database)
    for record in _records(random.Random(7)):
        records.add(record)
        if record.answering != "router":
            records.count(record.answering, Purpose.ANSWER)
        if record.mirrored:
            records.count("old" if record.answering == "new" else "new", Purpose.MIRROR)
    for _ in range(230):
        records.count("new", Purpose.SETTLE)
    records.flush()
    records.close()


def _flag(tool: str, version: int, live: float) -> dict[str, object]:
    weights = [{"variation": 2, "weight": round(100_000 * (1 - live))}, {"variation": 3, "weight": round(1e5 * live)}]
    return {
        "key": f"sandbox-migration-{tool}",
        "version": version,
        "on": True,
        "variations": _STAGES,
        "offVariation": 0,
        "fallthrough": {"rollout": {"variations": weights}},
    }


def _records(chance: random.Random) -> Iterator[Record]:
    number = 0
    for tool, (operation, live, calls, compared, differing, milliseconds) in _TOOLS.items():
        for _ in range(calls):
            number += 1
            sandbox = chance.randrange(_SANDBOXES)
            # Its place on the line of buckets has nothing to do with when it was born.
            wish = "new" if sandbox * 7 % _SANDBOXES < _SANDBOXES * live else "old"
            answering = wish if chance.random() > 0.06 else "old"
            is_compared = chance.random() < compared
            times = {"old": chance.lognormvariate(0, 0.5), "new": chance.lognormvariate(0.25, 0.7)}
            seconds = {side: milliseconds / 1e3 * each for side, each in times.items()}
            other = "old" if answering == "new" else "new"
            fields: dict[str, Any] = {
                "id": f"{number:012x}{chance.getrandbits(56):014x}",
                "at": NOW - 7.8 * _DAY * (sandbox + 1) / _SANDBOXES + chance.random() * 1_800,
                "operation": operation,
                "effect": "read",
                "tool": tool,
                "classified_by": "default",
                "sandbox": f"sb-{sandbox}",
                "stage": "live" if wish == "new" else "shadow",
                "wish": wish,
                "answering": answering,
                "flag_version": 2 if live > 0.1 else 1,
                "reason": f"{tool} is live"
                if answering == wish
                else f"{tool} is live; held on old: follower is behind",
                "route": "GET /toolbox/{id}/…",
                "status": 200,
                "seconds": seconds[answering] + 0.001,
                "origin_seconds": seconds[answering],
            }
            if is_compared:
                fields |= {"mirrored": True, "matched": True, "shadow_status": 200, "shadow_fate": "ok"}
                fields["shadow_seconds"] = seconds[other] * 1.2
                if chance.random() < differing:
                    fields |= _difference(chance, operation)
            elif tool in ("vision", "browser"):
                fields["dropped"] = "lane full" if tool == "vision" else "superseded by a later change"
            elif compared:
                fields["dropped"] = chance.choice(["superseded by a later change", "overlapped another call"])
            yield Record(**fields)


def _difference(chance: random.Random, operation: str) -> dict[str, Any]:
    if operation == "fs.upload":
        return _differing(operation, "content", Change.VALUE, Severity.CONTENT, NASTY, NASTY.replace("red", "blue"))
    if chance.random() < 0.4:
        return _differing(operation, "exit_code", Change.VALUE, Severity.CONTRACT, "0", "127")
    if chance.random() < 0.5:
        listing = "total 3\n-rw-r--r-- a.txt\n-rw-r--r-- b.txt\n"
        return _differing(operation, "output", Change.MISSING, Severity.CONTENT, listing, listing[:-18])
    return _differing(operation, "pid", Change.VALUE, Severity.COSMETIC, "4711", "815")


def _differing(operation: str, path: str, change: Change, severity: Severity, old: str, new: str) -> dict[str, Any]:
    difference = Difference(path=path, change=change, severity=severity, old=old, new=new)
    from comparators import signature

    return {
        "matched": False,
        "severity": str(severity),
        "differences": (difference,),
        "signatures": (signature(operation, difference),),
    }
