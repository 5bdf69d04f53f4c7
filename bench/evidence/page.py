"""The tables of docs/evidence.md, from what was simulated."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.evidence.chance import clopper_pearson
from bench.evidence.power import FAMILIES, MOST, Case
from bench.evidence.rivals import RIVALS
from bench.evidence.runs import Tally
from bench.evidence.worlds import WORLDS
from comparators.evidence.share import ALPHA

PARTS = ("claims", "power")
OURS = ("pairs: sign", "pairs: difference", "arms: leaning", "arms: difference")
# In the other simulations: what must not happen in more than alpha of the runs.
PROMISED = ("band of", "ratio of", "truth outside", "right split", "false among")


@dataclass(slots=True)
class Results:
    """Everything that was simulated, by name."""

    runs: int
    seed: int
    parts: Sequence[str] = PARTS
    worlds: dict[Any, Tally] = field(default_factory=dict)
    others: dict[Any, Mapping[str, float]] = field(default_factory=dict)
    power: dict[Any, Mapping[str, Sequence[tuple[int, int]]]] = field(default_factory=dict)


def broken(results: Results) -> list[str]:
    """Promises that did not hold: the share of errors is over alpha even at the lower end of its interval."""
    counts = {
        f"{name}: {what}": count for name, tally in results.worlds.items() for what, count in errors(tally).items()
    } | {
        f"{name}: {what}": round(share * results.runs)
        for name, shares in results.others.items()
        for what, share in shares.items()
        if what.startswith(PROMISED)
    }
    return [what for what, count in counts.items() if clopper_pearson(count, results.runs)[0] > ALPHA]


def errors(tally: Tally) -> dict[str, int]:
    """Runs of a world in which a method of ours was wrong, at any look."""
    found = {f"bound of {name}": count for name, count in tally.missed.items()}
    if tally.world.worse == 0:
        found |= {f"alarm of {name}": tally.alarms[name] for name in OURS}
    if tally.world.worse >= 0.01:
        found |= {f"clearing by {name}": count for name, count in tally.cleared.items()}
    return found


def tables(results: Results) -> dict[str, str]:
    """Each part that was simulated, in Markdown."""
    claims = (_head(results), _wrong(results), _beside(results), _others(results))
    power = (_head(results), _needed(results), _harm(results))
    return {
        part: "\n\n".join("\n".join(table) for table in of)
        for part, of in (("claims", claims), ("power", power))
        if part in results.parts
    }


def filled(page: str, texts: Mapping[str, str]) -> str:
    """The page with each text between its marks. ValueError if it has none."""
    for part, text in texts.items():
        begin, end = f"<!-- make evidence: {part} -->", f"<!-- make evidence: end of {part} -->"
        before, rest = page.split(begin)
        _, after = rest.split(end)
        page = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    return page


def _head(results: Results) -> Iterator[str]:
    worst = clopper_pearson(round(ALPHA * results.runs), results.runs)
    yield (
        f"{results.runs:,} runs of each, seed {results.seed}. Percentages are of runs, in brackets the 99 % "
        f"Clopper-Pearson interval; 5 % seen means [{100 * worst[0]:.1f}, {100 * worst[1]:.1f}]."
    )


def _wrong(results: Results) -> Iterator[str]:
    tallies = _in_order(results)
    names = {what: None for tally in tallies for what in errors(tally)}
    yield "### Wrong at any of 2,000 looks: in at most 5 % of the runs"
    yield ""
    yield _row("wrong, %", *(_short(tally.world.name) for tally in _in_order(results)))
    yield _row("---", *("---:" for _ in _in_order(results)))
    for what in names:
        yield _row(what, *(_cell(errors(tally).get(what), tally.runs) for tally in tallies))


def _beside(results: Results) -> Iterator[str]:
    yield "### Who says that new is worse, on the same 2,000 calls"
    yield ""
    yield _row("says so, %", *(_short(tally.world.name) for tally in _in_order(results)))
    yield _row("---", *("---:" for _ in _in_order(results)))
    for name in (*OURS, *(rival.name for rival in RIVALS)):
        cells = (_cell(tally.alarms[name], tally.runs) for tally in _in_order(results))
        yield _row(f"**{name}**" if name in OURS else name, *cells)


def _others(results: Results) -> Iterator[str]:
    yield "### Latency, sample ratio, noise"
    yield ""
    yield _row("simulation", "what", "% of runs")
    yield _row("---", "---", "---:")
    for name in sorted(results.others):
        for what, share in results.others[name].items():
            # An average of shares is no count; its interval as if it were one is too wide, not too narrow.
            yield _row(name, what, _cell(round(share * results.runs), results.runs))


def _needed(results: Results) -> Iterator[str]:
    columns = ("mismatch", "parity", "arms 50 %", "arms 10 %")
    yield "### Sandboxes until it is proven: half of the runs (nine tenths); arms: a quarter of the runs"
    yield ""
    yield _row("calls each", "ICC", "rate", "mismatch under 5 %", "pairs: within 1 point", *_arms("within 1 point"))
    yield _row(*("---:" for _ in range(3 + len(columns))))
    for case in _cases(results):
        yield _row(*_of(case), *(_count(results.power[case][name][0]) for name in columns))


def _harm(results: Results) -> Iterator[str]:
    yield "### Sandboxes until harm of 2 points is found: half of the runs (nine tenths), by the size of the family"
    yield ""
    yield _row(
        *("calls each", "ICC", "rate"),
        *(f"{name}, {family}" for name in ("pairs", *_arms("")) for family in FAMILIES),
    )
    yield _row(*("---:" for _ in range(3 + 3 * len(FAMILIES))))
    for case in _cases(results):
        needs = [results.power[case][name] for name in ("harm, pairs", "harm, arms 50 %", "harm, arms 10 %")]
        yield _row(*_of(case), *(_count(pair) for each in needs for pair in each))


def _in_order(results: Results) -> list[Tally]:
    return [results.worlds[world.name] for world in WORLDS]


def _cases(results: Results) -> list[Case]:
    return sorted(results.power, key=lambda case: (case.calls, case.icc, case.base))


def _arms(what: str) -> tuple[str, str]:
    return f"arms, 50 % on new{': ' * bool(what)}{what}", f"arms, 10 % on new{': ' * bool(what)}{what}"


def _of(case: Case) -> tuple[str, str, str]:
    return str(case.calls), f"{case.icc:g}", f"{100 * case.base:g} %"


def _count(pair: tuple[int, int]) -> str:
    half, most = (f"> {MOST:,}" if count >= MOST else f"{count:,}" for count in pair)
    return f"{half} ({most})"


def _cell(count: int | None, runs: int) -> str:
    if count is None:
        return "–"
    low, high = clopper_pearson(count, runs)
    return f"{100 * count / runs:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _short(name: str) -> str:
    words = (("no difference", "equal"), ("calls independent", "ICC 0"), ("new ", "+"), (" worse", ""))
    for long, short in words:
        name = name.replace(long, short)
    return name


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
