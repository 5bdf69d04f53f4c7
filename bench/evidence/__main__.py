"""Run every simulation and write the numbers into docs/evidence.md: `make evidence`."""

import argparse
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

from bench.evidence.others import OTHERS, means
from bench.evidence.page import PARTS, Results, broken, filled, tables
from bench.evidence.power import (
    CASES,
    FAMILIES,
    LONG,
    Case,
    arms_proven,
    harm_in_arms,
    harm_in_pairs,
    mismatch_proven,
    needed,
    parity_proven,
)
from bench.evidence.runs import tally
from bench.evidence.worlds import WORLDS

PAGE = Path("docs/evidence.md")


def main() -> int:
    """Exit 1 when a promise is broken for sure."""
    parser = argparse.ArgumentParser(prog="make evidence", description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=20_261_123)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=PARTS, help="one part: that errors are rare, or how many sandboxes it takes")
    parser.add_argument("--print", action="store_true", dest="only_print", help="do not write the page")
    asked = parser.parse_args()

    parts = (asked.only,) if asked.only else PARTS
    results = simulated(Results(runs=asked.runs, seed=asked.seed, parts=parts), jobs=asked.jobs)
    texts = tables(results)
    print("\n\n".join(texts.values()))
    if not asked.only_print:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), texts), encoding="utf-8")
    lost = broken(results)
    for name in lost:
        print(f"broken: {name}", file=sys.stderr)
    return 1 if lost else 0


def simulated(results: Results, *, jobs: int) -> Results:
    """All of it, in some processes; the same seed gives the same numbers whatever their number."""
    runs, seed, began = results.runs, results.seed, time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        work: dict[Future[Any], tuple[dict[Any, Any], Any]] = {}
        if "claims" in results.parts:
            for world in WORLDS:
                work[pool.submit(tally, world, runs, seed=seed)] = results.worlds, world.name
            for name in OTHERS:
                work[pool.submit(means, name, runs, seed=seed)] = results.others, name
        if "power" in results.parts:
            for case in CASES:
                work[pool.submit(sandboxes, case, runs, seed=seed)] = results.power, case
        for count, done in enumerate(as_completed(work), start=1):
            place, key = work[done]
            place[key] = done.result()
            print(f"{count}/{len(work)} {key} ({time.monotonic() - began:.0f} s)", file=sys.stderr, flush=True)
    return results


def sandboxes(case: Case, runs: int, *, seed: int) -> dict[str, list[tuple[int, int]]]:
    """What a case needs, for each decision."""
    decisions = {
        "mismatch": (partial(mismatch_proven, case), (1,)),
        "parity": (partial(parity_proven, case), (1,)),
        "arms 50 %": (partial(arms_proven, case, share=0.5), (1,)),
        "arms 10 %": (partial(arms_proven, case, share=0.1), (1,)),
        "harm, pairs": (partial(harm_in_pairs, case), FAMILIES),
        "harm, arms 50 %": (partial(harm_in_arms, case, share=0.5), FAMILIES),
        "harm, arms 10 %": (partial(harm_in_arms, case, share=0.1), FAMILIES),
    }
    return {
        name: list(needed(grown, runs // LONG.get(name, 1), seed=f"{seed} {case} {name}", families=families))
        for name, (grown, families) in decisions.items()
    }


if __name__ == "__main__":
    sys.exit(main())
