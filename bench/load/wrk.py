"""wrk: a closed loop that costs little. One thread, so that one processor is left to the target and its origins."""

import asyncio
import json
import signal
from dataclasses import dataclass
from pathlib import Path

from bench.programs import Broken, tool

_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one slice of load came to. `sent` holds the calls cut off at its end, too: at most one a connection."""

    completed: int
    sent: int
    seconds: float
    bytes: int
    p50: float  # seconds
    p90: float
    p99: float
    most: float


async def wrk(url: str, requests: Path, *, connections: int, seconds: float, start: int = 0) -> Load:
    """Drive it for that long. `start`: which of the requests goes first. Raises Broken for any error or refusal."""
    # wrk knows whole seconds only, and ends at once, with its result, when it is interrupted.
    arguments = ("-t", "1", "-c", str(connections), "-d", f"{round(seconds) + 30}s", "--timeout", "30s")
    process = await asyncio.create_subprocess_exec(
        tool("wrk"), *arguments, "-s", str(_SCRIPT), url, "--", str(requests), str(start),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    end = asyncio.get_running_loop().call_later(seconds, process.send_signal, signal.SIGINT)
    out, _ = await process.communicate()
    end.cancel()
    text = out.decode(errors="replace")
    try:
        found = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise Broken(f"wrk on {url} failed: {text[-600:]}") from None
    if found["refused"] or found["broken"] or not found["completed"]:
        raise Broken(f"{url}: of {found['sent']} calls {found['refused']} were refused, {found['broken']} broke off")
    return Load(
        completed=found["completed"],
        sent=found["sent"],
        seconds=found["microseconds"] / 1e6,
        bytes=found["bytes"],
        p50=found["p50"] / 1e6,
        p90=found["p90"] / 1e6,
        p99=found["p99"] / 1e6,
        most=found["most"] / 1e6,
    )
