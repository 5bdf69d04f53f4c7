"""`make demo`: two embedded backends, a router, real agents; tools ramp from old to new; a report ends it."""

import argparse
import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from demo.programs import ROOT, Agents, NotReady, Program, crossfade, make_sdk_environment
from router.front.e2b.inject import Injector, UnknownInjection

KEY = "demo-key"
OUT = ROOT / "out" / "demo"
MARK = ".crossfade-demo"  # a directory that holds it may be deleted by the next demo
SDK = ("daytona-0.115.0", "daytona-sdk==0.115.0")
FILE_TOOLS = ("files", "vision", "image", "web")
PROCESS_TOOLS = ("shell", "browser", "expose", "presentation", "kb", "other")


@dataclass(frozen=True)
class Step:
    """A wave of agents after some flags were set."""

    name: str
    flags: dict[str, str]
    sandboxes: int


def steps() -> list[Step]:
    """Observe, shadow, then each group of tools through 10, 50 and 100 percent."""

    def ramp(tools: tuple[str, ...], label: str, live: int, sandboxes: int) -> Step:
        value = f"live={live},shadow={100 - live}" if live < 100 else "live"
        return Step(f"{label} {live} %", dict.fromkeys(tools, value), sandboxes)

    shadow = dict.fromkeys((*FILE_TOOLS, "upload", *PROCESS_TOOLS, "lifecycle"), "shadow")
    return [
        Step("observe", {}, 4),
        Step("shadow", shadow, 6),
        ramp(FILE_TOOLS, "files", 10, 3),
        ramp(FILE_TOOLS, "files", 50, 4),
        ramp(FILE_TOOLS, "files", 100, 4),
        ramp(("upload",), "upload", 10, 3),
        ramp(("upload",), "upload", 50, 4),
        ramp(("upload",), "upload", 100, 4),
        ramp(PROCESS_TOOLS, "process tools", 10, 4),
        ramp(PROCESS_TOOLS, "process tools", 50, 6),
        ramp(PROCESS_TOOLS, "process tools", 100, 6),
    ]


def settings(directory: Path, old: str, new: str) -> str:
    """The router's settings file."""
    return f"""\
[listen]
api = "127.0.0.1:0"
admin = "127.0.0.1:0"
public_url = ""
[origins.old]
url = "{old}/api"
key = "{KEY}"
[origins.new]
url = "{new}"
sandbox_url = "{new}"
key = "{KEY}"
templates = {{ "*" = "base" }}
[mirror]
system_roots = []
eligible_orgs = ["*"]
shadow_egress = "open"
lane_calls = 400
lane_total = 20000
{"".join(f'[tools.{tool}]{chr(10)}mirror_execute = "always"{chr(10)}' for tool in (*PROCESS_TOOLS, "lifecycle"))}
[store]
url = "sqlite:///{directory / "crossfade.db"}"
"""


@dataclass
class Progress:
    """What the live view shows."""

    total: int
    done: int = 0
    calls: int = 0
    failed: int = 0
    step: str = ""
    rows: list[tuple[str, int, int, float]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def view(self) -> Table:
        table = Table(title=f"crossfade demo · {self.step} · {time.monotonic() - self.started:.0f} s", expand=False)
        table.add_column("step")
        table.add_column("calls", justify="right")
        table.add_column("failed", justify="right")
        table.add_column("seconds", justify="right")
        for name, calls, failed, seconds in self.rows:
            table.add_row(name, str(calls), str(failed), f"{seconds:.1f}")
        filled = int(30 * self.done / max(self.total, 1))
        bar = "█" * filled + "░" * (30 - filled)
        table.caption = f"{bar} {self.done} of {self.total} sandboxes, {self.calls} calls, {self.failed} failed"
        return table


async def demo(directory: Path, inject: Sequence[str], plan: Sequence[Step]) -> int:
    """Carry the plan out in a directory; prints the decisions. The exit code: 1 when a call failed. Raises NotReady."""
    console = Console(stderr=True)
    with console.status("preparing the Daytona SDK's own environment"):
        python = await make_sdk_environment(*SDK)
    async with contextlib.AsyncExitStack() as stack:
        differing = [word for kind in inject for word in ("--inject", kind)]
        old = Program(
            "old",
            ["sandbox", "--api", "daytona", "--port", "0", "--key", KEY, "--dir", str(directory / "old")],
            directory,
        )
        new = Program(
            "new",
            ["sandbox", "--api", "e2b", "--port", "0", "--key", KEY, "--dir", str(directory / "new"), *differing],
            directory,
        )
        await asyncio.gather(stack.enter_async_context(old), stack.enter_async_context(new))
        config = directory / "crossfade.toml"
        config.write_text(settings(directory, old.url, new.url))
        router = await stack.enter_async_context(Program("router", ["serve", "--config", str(config)], directory))
        agents = await stack.enter_async_context(Agents(python, f"{router.url}/api", KEY, directory))
        progress = Progress(total=sum(step.sandboxes for step in plan))
        with Live(progress.view(), console=console, refresh_per_second=4) as live:
            for step in plan:
                await _step(step, progress, agents, config, live)
            progress.step = "waiting for the last comparisons"
            live.update(progress.view())
            await router.stop()
        return await _report(console, directory, config, progress)


async def _step(step: Step, progress: Progress, agents: Agents, config: Path, live: Live) -> None:
    progress.step = step.name
    for tool, value in step.flags.items():
        reason = f"demo: {step.name}"
        code, _, err = await crossfade(
            "flags", "set", tool, value, "--reason", reason, "--yes", "--config", str(config)
        )
        if code:
            raise NotReady(f"flags set {tool} {value}: {err}")
    await asyncio.sleep(0.6)  # flags reach the router within a second; the demo waits instead of polling for it
    started = time.monotonic()
    calls = failed = 0
    async for event in agents.wave(wave=step.name, sandboxes=step.sandboxes, parallel=4):
        if event["event"] == "call":
            calls += 1
            progress.calls += 1
        elif event["event"] == "failed":
            failed += 1
            progress.failed += 1
        elif event["event"] == "wave":
            progress.done += step.sandboxes
        live.update(progress.view())
    progress.rows.append((step.name, calls, failed, time.monotonic() - started))


async def _report(console: Console, directory: Path, config: Path, progress: Progress) -> int:
    out = directory / "report"
    code, stdout, err = await crossfade("report", "--since", "all", "--out", str(out), "--config", str(config))
    console.print(err.strip(), markup=False, highlight=False)
    if code not in (0, 1):
        raise NotReady(f"report failed with {code}: {err}")
    console.print(f"{progress.calls} calls of the genuine Daytona SDK in {time.monotonic() - progress.started:.0f} s, "
                  f"{progress.failed} failed.")  # fmt: skip
    print(stdout.strip() or out)
    return 1 if progress.failed else 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--out",
        type=lambda text: Path(text).resolve(),
        default=OUT,
        help="where logs, store and report go",
    )
    parser.add_argument("--inject", action="append", default=[], metavar="KIND", help="make the E2B side differ")
    options = parser.parse_args()
    try:
        Injector.parse(options.inject)
        _clear(options.out)
        sys.exit(asyncio.run(demo(options.out, options.inject, steps())))
    except UnknownInjection as error:
        parser.error(f"--inject: {error}")
    except NotReady as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(3)


def _clear(directory: Path) -> None:
    """An empty directory. Raises NotReady rather than delete what no demo wrote."""
    mark = directory / MARK
    if directory.exists() and directory != OUT and not mark.exists() and any(directory.iterdir()):
        raise NotReady(f"{directory} holds files that are none of a demo's; name another directory by --out")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    mark.touch()


if __name__ == "__main__":
    main()
