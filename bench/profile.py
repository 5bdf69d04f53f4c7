"""`python -m bench profile`: where the router's time goes under the small call, by py-spy or perf."""

import argparse
import asyncio
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.cpu import cpu_by_thread
from bench.field import Field, Target
from bench.load.wrk import Load, wrk
from bench.programs import Broken, in_environment
from bench.work import EXEC, INFO, LIST, READ, SMALL, Ask

TARGETS = {"relay": "crossfade relay", "mirror": "crossfade mirror"}
ASKS: dict[str, tuple[Ask, ...]] = {
    "small": SMALL,
    "read": (READ,),
    "info": (INFO,),
    "list": (LIST,),
    "exec": (EXEC,),
}
_RATE = 500  # samples a second
_MOST = 30


def frames(raw: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """From collapsed stacks ("a;b;c 12"): samples in which a frame ran itself, and in which it was on the stack."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for line in raw:
        stack, _, count = line.rstrip().rpartition(" ")
        if not stack or not count.isdigit():
            continue
        names = stack.split(";")
        own[names[-1]] += int(count)
        for name in set(names):
            below[name] += int(count)
    return own, below


async def profile(options: argparse.Namespace, console: Console) -> None:
    """Load one target, watch it, print."""
    async with Field(twins=128) as field:
        name = TARGETS[options.target]
        console.print(f"start {name}")
        await field.need("direct", name)
        target = field.targets[name]
        asks = ASKS[options.calls]
        await wrk(target.url, field.requests(target, asks), connections=16, seconds=1.0)
        before = cpu_by_thread(target.pid)
        load = await _load(field, target, asks, options.seconds)
        if target.router is not None:
            await target.router.quiet()
        used = {thread: seconds - before.get(thread, 0.0) for thread, seconds in cpu_by_thread(target.pid).items()}
        watch = _perf if options.perf else _py_spy
        loading = asyncio.create_task(_load(field, target, asks, options.seconds + 2))  # noqa: TID251 - awaited below
        await asyncio.sleep(0.5)
        names = await asyncio.to_thread(watch, target.pid, options, field.directory, console)
        watched = await loading
        _threads(used, names, load, console)
        console.print(f"{load.completed / load.seconds:,.0f} calls/s, "
                      f"{watched.completed / watched.seconds:,.0f} while it was watched")  # fmt: skip


def _threads(used: dict[int, float], names: dict[int, str], load: Load, console: Console) -> None:
    """What each thread cost a call, before anybody watched."""
    grid = Table("thread", "CPU µs a call", title="before it was watched", box=None)
    for thread, seconds in sorted(used.items(), key=lambda each: -each[1]):
        cost = seconds / load.completed * 1e6
        if cost > 0.05:
            grid.add_row(names.get(thread, str(thread)), f"{cost:.1f}")
    console.print(grid)


async def _load(field: Field, target: Target, asks: tuple[Ask, ...], seconds: float) -> Load:
    return await wrk(target.url, field.requests(target, asks), connections=16, seconds=seconds)


def _py_spy(pid: int, options: argparse.Namespace, directory: Path, console: Console) -> dict[int, str]:
    """Prints the frames; names of threads."""
    raw = directory / "py-spy.raw"
    words = ["record", "--nonblocking", "--format", "raw", "--rate", str(_RATE), "--duration", str(options.seconds)]
    words += ["--native"] if options.native else []
    words += ["--threads", "--output", str(raw), "--pid", str(pid)]
    _run([in_environment("py-spy", "bin/py-spy"), *words])
    own, below = frames(raw.read_text().splitlines())
    if options.out:
        shutil.copy(raw, options.out)
    total = sum(own.values())
    grid = Table("frame", "itself", "and below", title=f"{total:,} samples", box=None)
    for name, count in own.most_common(_MOST):
        grid.add_row(name, f"{count / total:.1%}", f"{below[name] / total:.1%}")
    console.print(grid)
    grid = Table("frame", "and below", title="by all that they call", box=None)
    for name, count in below.most_common(_MOST):
        grid.add_row(name, f"{count / total:.1%}")
    console.print(grid)
    return {int(number): name for number, name in re.findall(r"thread \((\d+)\): ([^;]+)", raw.read_text())}


def _perf(pid: int, options: argparse.Namespace, directory: Path, console: Console) -> dict[int, str]:
    program = shutil.which("perf")
    if program is None:
        raise Broken("perf is not installed (Debian: apt-get install linux-perf)")
    data = directory / "perf.data"
    words = ["record", "-q", "-e", "cpu-clock", "-F", "999", "-g", "-p", str(pid), "-o", str(data)]
    _run([program, *words, "--", "sleep", str(options.seconds)])
    for keys in ("dso", "symbol"):
        text = _run([program, "report", "-i", str(data), "--stdio", "-q", "--no-children", "-g", "none", "-s", keys])
        lines = [line for line in text.splitlines() if line.strip()]
        console.print(f"by {keys}", style="bold")
        console.print("\n".join(lines[:_MOST]), markup=False, highlight=False)
    return {}


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout)[-400:]}")
    return done.stdout


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--target", choices=TARGETS, default="relay")
    parser.add_argument("--calls", choices=ASKS, default="small", help="which kind of call")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--native", action="store_true", help="py-spy: C frames, too")
    parser.add_argument("--perf", action="store_true", help="perf instead of py-spy: kernel and libraries")
    parser.add_argument("--out", default="", help="keep the collapsed stacks in this file")
