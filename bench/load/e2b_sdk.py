"""E2B's own SDK calling a sandbox directly, in an environment of its own: seconds of each call as JSON.

`python e2b_sdk.py SECONDS` with E2B_API_KEY, E2B_API_URL and E2B_SANDBOX_URL set; reads a file and runs a command.
"""

import json
import sys
import time
from collections.abc import Callable

import e2b  # type: ignore[import-not-found]  # lives in an environment of its own


def timed(act: Callable[[], object], seconds: float) -> list[float]:
    """The call again and again for that long; the first is not counted."""
    act()
    found = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        act()
        found.append(time.perf_counter() - started)
    return found


def main() -> None:
    """Make a sandbox, measure, and end it."""
    seconds = float(sys.argv[1])
    sandbox = e2b.Sandbox.create("base", timeout=600)
    try:
        sandbox.files.write("/workspace/a.py", "x" * 922)
        found = {
            "read": timed(lambda: sandbox.files.read("/workspace/a.py"), seconds),
            "exec": timed(lambda: sandbox.commands.run("cat /workspace/a.py"), seconds),
        }
    finally:
        sandbox.kill()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
