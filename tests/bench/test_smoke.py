"""The smallest part of the benchmark, run for real where its tools are installed."""

import json
import subprocess
import sys

import pytest

from bench.output import LATEST
from bench.programs import ROOT, Missing, in_environment, tool


def why_not() -> str:
    """Why it cannot run here; empty when it can."""
    try:
        tool("nginx"), tool("wrk")
        in_environment("envoy", "lib/python3*/site-packages/envoy/_bin/envoy")
    except Missing as missing:
        return str(missing)
    return ""


@pytest.mark.full
@pytest.mark.skipif(bool(why_not()), reason=why_not() or "installed")
def test_the_small_call_is_measured_and_every_count_holds() -> None:
    kept = LATEST.read_bytes() if LATEST.exists() else None
    command = [sys.executable, "-m", "bench", "--quick", "--rounds", "2", "--twins", "16"]
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        found = json.loads(LATEST.read_text(encoding="utf-8"))
    finally:
        if kept is not None:
            LATEST.write_bytes(kept)

    assert run.returncode == 0, run.stderr
    assert found["holds"] is True
    wanted = {"relay_cpu_vs_envoy_weighted", "relay_cpu_vs_nginx_split", "mirror_cpu_vs_envoy_mirror",
              "mirror_cpu_vs_nginx_mirror"}  # fmt: skip
    assert wanted <= found["ratios"].keys()
    assert all(0 < found["ratios"][name] < 1000 for name in wanted)
    relay = found["parts"]["relay"]["tables"][0]["rows"]
    assert relay["direct"]["calls/s"]["middle"] > relay["crossfade relay"]["calls/s"]["middle"] > 0
