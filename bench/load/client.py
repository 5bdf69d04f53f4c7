"""Orders to the clients of our own, each in a process of its own."""

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from bench.programs import ROOT, Broken


async def order(module: str, what: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
    """Run `python -m bench.load.MODULE` with an order; its answer. Raises Broken."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"bench.load.{module}", cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds + 60):
            out, err = await process.communicate(json.dumps(what).encode())
    except BaseException as error:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if isinstance(error, TimeoutError):
            raise Broken(f"{module} did not end within {seconds + 60:g} s") from None
        raise
    if process.returncode:
        raise Broken(f"{module} failed: {err.decode(errors='replace')[-600:]}")
    found: dict[str, Any] = json.loads(out)
    return found
