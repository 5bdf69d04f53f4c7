"""Where results go: the terminal and bench/out/latest.json."""

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from bench.goals import judged
from bench.programs import ROOT, Missing, in_environment, tool
from bench.results import Found, as_json, shown

LATEST = ROOT / "bench" / "out" / "latest.json"


def show(found: Found, console: Console, seconds: float) -> None:
    """A part's tables, ratios and facts."""
    for table in found.tables:
        grid = Grid("", *table.columns, title=f"{found.title}{': ' + table.title if table.title else ''}", box=None)
        for name, row in table.rows.items():
            grid.add_row(name, *(shown(row.get(column)) for column in table.columns))
        console.print(grid)
    for name, value in found.ratios.items():
        console.print(f"  {name} = {shown(value)}", highlight=False)
    for fact in found.facts:
        console.print(f"  {'ok ' if fact.holds else 'NOT SO'} {fact.text}", highlight=False,
                      style=None if fact.holds else "red")  # fmt: skip
    for name, reason in found.skipped.items():
        console.print(f"  skipped {name}: {reason}", style="yellow", highlight=False)
    console.print(f"  {seconds:.0f} s", style="dim")


def goals(found: Sequence[Found], console: Console) -> bool:
    """What was promised; whether all of it was kept."""
    kept = judged({name: each for part in found for name, each in part.ratios.items()})
    if not kept:
        return True
    grid = Grid("", "measured", "promised", "", title="Promised", box=None)
    for goal in kept:
        grid.add_row(goal.text, shown(goal.measured), goal.limit, "kept" if goal.kept else "[red]missed[/red]")
    console.print(grid)
    return all(goal.kept for goal in kept)


def write(found: Sequence[Found], *, started: float, before: dict[str, Any], file: Path = LATEST) -> dict[str, Any]:
    """The whole run as JSON: `ratios` are medians, `parts` hold everything. `before`: the machine at the start."""
    ratios = {name: each for part in found for name, each in part.ratios.items()}
    value = {
        "schema": "crossfade.bench/1",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "commit": commit(),
        "machine": before | {"load_after": machine()["load"]},
        "versions": versions(),
        "ratios": {name: each.middle for name, each in ratios.items()},
        "goals": {goal.name: {"limit": goal.limit, "kept": goal.kept} for goal in judged(ratios)},
        "holds": all(part.holds for part in found),
        "parts": {part.part: as_json(part) for part in found},
    }
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return value


def commit() -> str:
    """What was measured: the commit, with a mark when the tree differs from it."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    """What it was measured on."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processors": os.cpu_count(),
        "model": models[0].partition(":")[2].strip() if models else platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(each, 2) for each in os.getloadavg()],
    }


def versions() -> list[str]:
    """Of the peers that are installed, by their own words."""
    asked: dict[str, Callable[[], tuple[str, ...]]] = {
        "nginx": lambda: (tool("nginx"), "-v"),
        "haproxy": lambda: (tool("haproxy"), "-v"),
        "envoy": lambda: (in_environment("envoy", "lib/python3*/site-packages/envoy/_bin/envoy"), "--version"),
        "mitmproxy": lambda: (in_environment("mitmproxy", "bin/mitmdump"), "--version"),
        "wrk": lambda: (tool("wrk"), "-v"),
    }
    found = []
    for name, command in asked.items():
        try:
            answer = subprocess.run(command(), capture_output=True, text=True, check=False)
        except Missing:
            continue
        number = re.search(r"(?<![\w.])\d+\.\d+(\.\d+)?", answer.stdout + answer.stderr)
        found.append(f"{name} {number[0]}" if number else name)
    return found
