"""The image, built and run by a real engine: router and two embedded backends as compose.yaml starts them."""

import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.programs import ROOT, make_sdk_environment
from tests.docker.engine import Engine, alone, base_tree, context, why_not
from tests.journeys.stack import SDK

pytestmark = pytest.mark.full
SERVICES = ("router", "old", "new")
# The embedded backends run unprivileged in a container: paths outside the working directory are the container's own.
FLAGS = {"files": "live=50,shadow=50", "shell": "shadow", "upload": "live"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine that holds the image."""
    with alone():
        if reason := why_not():
            pytest.skip(reason)
        base = base_tree()
        sources = context(tmp_path_factory.mktemp("context"))
    with Engine(tmp_path_factory.mktemp("docker")) as engine:
        engine.docker("import", str(base), "debian-python:1")
        index = ("--build-arg", "PIP_NO_INDEX=1", "--build-arg", "PIP_FIND_LINKS=/src/wheelhouse")
        engine.docker(
            "build", "--build-arg", "BASE=debian-python:1", *index, "-t", "crossfade:local",
            "-f", str(ROOT / "docker" / "Dockerfile"), str(sources), seconds=900,
        )  # fmt: skip
        yield engine


@pytest.fixture(scope="module")
def services(engine: Engine) -> Iterator[Engine]:
    """Router and both backends, healthy by their own healthchecks."""
    engine.compose("up", "-d", "--no-build", *SERVICES)
    for service in SERVICES:
        engine.wait_healthy(_container(engine, service))
    yield engine
    engine.compose("down", "-v")


def test_the_image_runs_as_nobody_in_particular_and_knows_its_version(engine: Engine) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    code = "import os, importlib.metadata as m; print(os.getuid(), m.version('crossfade'))"

    assert engine.docker("run", "--rm", "--entrypoint", "python", "crossfade:local", "-c", code).split() == [
        "10001",
        version,
    ]


def test_the_image_holds_the_reports_templates(engine: Engine) -> None:
    code = (
        "import importlib.resources as r; print(sorted(p.name for p in (r.files('reports') / 'templates').iterdir()))"
    )

    assert "report.html" in engine.docker("run", "--rm", "--entrypoint", "python", "crossfade:local", "-c", code)


async def test_agents_work_through_the_containers_and_the_report_is_written(services: Engine) -> None:
    python = await make_sdk_environment(*SDK)
    router = _container(services, "router")
    for tool, value in FLAGS.items():
        services.docker("exec", router, "crossfade", "flags", "set", tool, value, "--reason", "test", "--yes")
    order = {"wave": "containers", "sandboxes": 3, "parallel": 2, "repeats": 1}
    words = [str(python), str(ROOT / "demo" / "agents.py"), "http://127.0.0.1:8800/api", "local-key"]

    events = services.inside(
        *words, give=json.dumps(order) + "\n", env={**os.environ, "PYTHONPATH": str(ROOT / "shim")}
    )
    last = json.loads(events.splitlines()[-1])

    failures = [line for line in events.splitlines() if '"failed"' in line and '"failed": 0' not in line]
    assert last["failed"] == 0 and last["calls"] > 100, failures
    services.docker("exec", router, "crossfade", "report", "--since", "all", "--out", "/tmp/report")
    assert "<svg" in services.docker("exec", router, "cat", "/tmp/report/report.html")


def test_prometheus_is_answered_on_the_published_admin_port(services: Engine) -> None:
    code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8801/metrics', timeout=5).read().decode())"

    assert "crossfade_build_info" in services.inside("python3", "-c", code)


def test_the_router_goes_quietly_when_it_is_stopped(services: Engine) -> None:
    router = _container(services, "router")

    services.docker("stop", "-t", "40", router)

    assert json.loads(services.docker("inspect", "--format", "{{json .State}}", router))["ExitCode"] == 0
    assert "Traceback" not in services.logs(router)


def _container(engine: Engine, service: str) -> str:
    return engine.compose("ps", "-q", service).split()[0]


def test_the_context_that_is_tested_is_the_one_that_is_shipped() -> None:
    from tests.docker.engine import SOURCES

    kept = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]

    assert {*kept} == {*SOURCES, "wheelhouse"}
    assert all(Path(ROOT, name).exists() for name in SOURCES)
