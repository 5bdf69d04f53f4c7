"""Genuine E2B SDKs against the embedded server."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from router.backends.local.sandboxes import LocalSandboxes
from router.front.e2b.app import e2b_app
from tests.conformance.e2b.scenarios import SCENARIOS

ROOT = Path(__file__).parents[3]
SDKS = {"e2b-newest": "e2b==2.63.0", "e2b-2.50.0": "e2b==2.50.0"}  # the newest, and the last that creates on v1
pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app = e2b_app(LocalSandboxes(tmp_path_factory.mktemp("e2b") / "sandboxes"), keys=["test-key"])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module", params=SDKS)
def results(request: pytest.FixtureRequest, address: str) -> dict[str, dict[str, object]]:
    name = request.param
    subprocess.run(["sh", "scripts/sdk_env.sh", name, SDKS[name]], cwd=ROOT, check=True, capture_output=True)
    env = {**os.environ, "E2B_API_KEY": "test-key", "E2B_API_URL": address, "E2B_SANDBOX_URL": address}
    command = [ROOT / ".envs" / name / "bin" / "python", Path(__file__).with_name("scenarios.py")]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert lines, run.stderr
    return {line["scenario"]: line for line in lines}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_sdk_finds_what_it_expects(results: dict[str, dict[str, object]], scenario: str) -> None:
    assert results[scenario]["ok"], results[scenario]["error"]
