"""Running the scenario suite: any SDK, against any server; and an embedded server to run it against."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("scenarios.py")
SDKS = {
    "daytona-0.21.0": "daytona-sdk==0.21.0",
    "daytona-0.115.0": "daytona-sdk==0.115.0",
    "daytona-newest": "daytona",
}
Results = dict[str, Any]


def python_of(env_name: str) -> Path:
    """The interpreter of an SDK's environment, which is made when it is not there yet."""
    subprocess.run(["sh", str(ROOT / "scripts/sdk_env.sh"), env_name, SDKS[env_name]], check=True, cwd=ROOT)
    return ROOT / ".envs" / env_name / "bin" / "python"


class Ran(Results):
    """Results by scenario name, the public methods that the SDK has, and those that the scenarios called.

    `called`: how a method's calls ended, "done" or "failed" or both.
    """

    called: Mapping[str, Sequence[str]] = MappingProxyType({})
    there: frozenset[str] = frozenset()


def run_scenarios(
    env_name: str,
    url: str,
    key: str,
    subset: Sequence[str] | None = None,
    *,
    seconds: float = 600,
    blocking: bool = False,
    snapshot: str = "",
) -> Ran:
    """Run the suite with one SDK against an API URL (ending in /api): result by scenario name; `subset` by name.

    `blocking`: by the SDK's synchronous classes instead of its asynchronous ones.

    Raises AssertionError with the script's own words when it ends early.
    """
    environment = {**os.environ, "DAYTONA_API_URL": url, "DAYTONA_API_KEY": key, "PYTHONUNBUFFERED": "1"}
    environment["SCENARIO_SNAPSHOT"] = snapshot
    environment["SDK_KIND"] = "blocking" if blocking else "async"
    ran = subprocess.run(
        [str(python_of(env_name)), str(SCRIPT), *(subset or ())],
        env=environment,
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"name"')]
    assert ran.returncode == 0, f"{env_name} ended with {ran.returncode} after {len(lines)} scenarios:\n{ran.stderr}"
    found = Ran({line["name"]: line["result"] for line in lines})
    [calls] = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"called"')]
    found.called, found.there = calls["called"], frozenset(calls["there"])
    return found


def comparable(result: Any) -> Any:
    """A result with the free text of errors left out: who raised what, with which status, is what must agree."""
    if isinstance(result, Mapping):
        if "error" in result and "message" in result:
            prefix, _, _ = str(result["message"]).partition(": ")
            return {name: value for name, value in result.items() if name != "message"} | {"prefix": prefix}
        return {name: comparable(value) for name, value in result.items()}
    if isinstance(result, list):
        return [comparable(each) for each in result]
    return result


def differences(one: Results, other: Results) -> dict[str, tuple[Any, Any]]:
    """The scenarios whose results differ between two runs of one SDK."""
    names = one.keys() | other.keys()
    return {
        name: (one.get(name), other.get(name))
        for name in sorted(names)
        if comparable(one.get(name)) != comparable(other.get(name))
    }


@contextlib.contextmanager
def embedded_server(directory: Path, *options: str, api: str = "daytona", key: str = "test-key") -> Iterator[str]:
    """`crossfade sandbox` as a process of its own; yields its address. It has to end cleanly."""
    command = [str(Path(sys.executable).with_name("crossfade")), "sandbox", "--api", api, "--port", "0", "--key", key]
    with (directory / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--dir", str(directory / "sandboxes"), *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        assert line.startswith("listening on "), (directory / "server.log").read_text()
        yield line.split()[-1]
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            code = server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise
        server.stdout.close()
    assert code == 0, (directory / "server.log").read_text()
