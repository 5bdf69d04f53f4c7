"""`make bench`: crossfade beside other proxies on the same work, in turns, in one run."""

import argparse
import asyncio
import sys
import time

from rich.console import Console
from rich.status import Status

from bench import profile
from bench.document import PAGE, between, rendered
from bench.field import Field
from bench.output import goals, machine, show, write
from bench.parts import (
    bodies,
    connections,
    footprint,
    instructions,
    shadow,
    small,
    soak,
    sockets,
    split,
    tls,
    translated,
)
from bench.plot import draw
from bench.programs import Broken, Missing
from bench.results import Found
from demo.programs import NotReady

PARTS = {
    "small": small.relay,
    "mirror": small.mirror,
    "connections": connections.connections,
    "bodies": bodies.bodies,
    "tls": tls.tls,
    "sockets": sockets.sockets,
    "translated": translated.translated,
    "shadow": shadow.shadow,
    "split": split.split,
    "footprint": footprint.footprint,
    "soak": soak.soak,
    "instructions": instructions.instructions,
}
SLOW = ("soak", "instructions")  # only when asked for
QUICK = ("small", "mirror")


async def run(options: argparse.Namespace, console: Console) -> list[Found]:
    """Measure the chosen parts, one after another."""
    usual = [name for name in PARTS if name not in SLOW or (name == "instructions" and options.callgrind)]
    chosen = options.only.split(",") if options.only else QUICK if options.quick else usual
    if unknown := [name for name in chosen if name not in PARTS]:
        raise Broken(f"no part '{unknown[0]}'; known: {', '.join(PARTS)}")
    count = options.rounds or 5
    found: list[Found] = []
    with Status("", console=console) as status:
        async with Field(twins=options.twins or (128 if options.quick else 256)) as field:
            for name in chosen:
                started = time.monotonic()

                def tell(text: str, part: str = name) -> None:
                    status.update(f"{part}: {text}")

                found.append(await PARTS[name](field, quick=options.quick, count=count, tell=tell))
                show(found[-1], console, time.monotonic() - started)
    return found


def main() -> None:
    """The command line of `make bench`."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    modes = parser.add_subparsers(dest="mode", metavar="profile", required=False)
    profile.arguments(modes.add_parser("profile", help="where the router's time goes"))
    parser.add_argument("--only", default="", help=f"parts, with commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="the small call against nginx and Envoy, under a minute")
    parser.add_argument("--rounds", type=int, default=0, help="slices of each target")
    parser.add_argument("--twins", type=int, default=0, help="mirrored sandboxes")
    parser.add_argument("--callgrind", action="store_true", help="count instructions, too: some ten minutes more")
    parser.add_argument("--document", action="store_true", help="write docs/benchmarks.md (a run of all parts does)")
    parser.add_argument("--strict", action="store_true", help="end with 1 when a promise was not kept")
    options = parser.parse_args()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    started, before = time.time(), machine()
    try:
        if options.mode == "profile":
            asyncio.run(profile.profile(options, console))
            return
        found = asyncio.run(run(options, console))
    except (Broken, Missing, NotReady) as error:
        console.print(f"bench: {error}", style="red", markup=False)
        sys.exit(3)
    kept = goals(found, console)
    value = write(found, started=started, before=before)
    if options.document or not (options.only or options.quick):
        draw(found)
        PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), rendered(value)), encoding="utf-8")
    sys.exit(0 if all(each.holds for each in found) and (kept or not options.strict) else 1)


if __name__ == "__main__":
    main()
