"""docs/benchmarks.md: what was measured, written between two marks; the words around it are a person's."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.goals import Kept, judged
from bench.programs import ROOT
from bench.results import Found, from_json, shown

PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def parts_of(value: Mapping[str, Any]) -> list[Found]:
    """The parts of a latest.json."""
    return [from_json(name, part) for name, part in value["parts"].items()]


def between(page: str, text: str) -> str:
    """The page with the text between its marks. Raises ValueError when it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has lost its marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def rendered(value: Mapping[str, Any]) -> str:
    """Everything measured, as Markdown."""
    parts = parts_of(value)
    machine = value["machine"]
    lines = [
        f"Commit `{value['commit']}`, {value['at']}, {value['seconds'] / 60:.0f} minutes. {machine['processors']} "
        f"processors ({machine['model']}), Linux {machine['kernel'].partition('-')[0]}, Python {machine['python']}, "
        f"load average {machine['load'][0]:g} before and {machine['load_after'][0]:g} after, of which the benchmark "
        f"itself makes 2 to 3. {', '.join(value['versions'])}.",
        "",
        "Values are medians of the rounds, quartiles in brackets.",
        "",
        "## Promised",
        "",
        *_promised(judged({name: each for part in parts for name, each in part.ratios.items()})),
    ]
    for part in parts:
        lines += ["", *_part(part)]
    return "\n".join(lines)


def _promised(goals: Sequence[Kept]) -> list[str]:
    rows = [
        f"| {goal.text} | {shown(goal.measured)} | {goal.limit} | {'yes' if goal.kept else '**no**'} |"
        for goal in goals
    ]
    return ["| | measured | promised | kept |", "|---|---|---|---|", *rows]


def _part(part: Found) -> list[str]:
    lines = [f"## {part.title}", "", part.method]
    for table in part.tables:
        lines += ["", *([f"### {table.title}", ""] if table.title else [])]
        lines += [f"| | {' | '.join(table.columns)} |", "|---|" + "---|" * len(table.columns)]
        lines += [
            f"| {name} | {' | '.join(shown(row.get(column)) for column in table.columns)} |"
            for name, row in table.rows.items()
        ]
    noise = [f"{name} {shown(each)}" for name, each in part.ratios.items() if name.startswith("noise_")]
    if noise:
        lines += ["", "Noise, the same thing measured twice, larger over smaller: " + "; ".join(noise) + "."]
    if part.facts:
        lines += ["", *(f"- {fact.text}{'' if fact.holds else ' **– which must not be**'}" for fact in part.facts)]
    if part.skipped:
        lines += ["", *(f"- not measured: {name} ({reason})" for name, reason in part.skipped.items())]
    return lines
