"""A Docker engine of our own in a network namespace of its own, and what an image is built from without a registry."""

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from demo.programs import ROOT

# Made once, kept between runs: minutes of downloading.
CACHE = ROOT / ".envs" / "image"
TOOLS = {"dockerd": "docker.io", "iptables": "iptables", "ip": "iproute2", "debootstrap": "debootstrap"}
SOURCES = ("pyproject.toml", "README.md", "crossfade", "policies", "comparators", "reports", "router")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One test process at a time prepares what all use."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*words: str, seconds: float = 300, env: Mapping[str, str] | None = None, give: str = "") -> str:
    """Run a program to its end; stdout. Raises AssertionError with what it said."""
    done = subprocess.run(
        words, input=give, capture_output=True, text=True, timeout=seconds, env={**os.environ, **(env or {})}
    )
    assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def why_not() -> str:
    """Why no engine can run here; empty if one can. Installs what is missing where that is allowed."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root"
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if shutil.which("docker-compose") is None and not _has_plugin():
        missing.append("docker-compose")
    if missing:
        if shutil.which("apt-get") is None:
            return f"needs {', '.join(missing)}"
        run("apt-get", "update", "-qq")
        install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
        run(*install, env={"DEBIAN_FRONTEND": "noninteractive"})
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return f"no network namespace: {probe.stderr.strip()}" if probe.returncode else ""


def _has_plugin() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0


def base_tree() -> Path:
    """A tar of a small Debian with Python: what BASE is where no registry is reached."""
    tar = CACHE / "base.tar"
    if not tar.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as directory:
            root = Path(directory, "rootfs")
            include = "--include=python3,python3-venv,python3-pip,curl,ca-certificates"
            run("debootstrap", "--variant=minbase", include, "bookworm", str(root), seconds=900)
            unfinished = tar.with_suffix(".new")
            run("tar", "-C", str(root), "--exclude=./proc", "--exclude=./sys", "--exclude=./var/cache/apt/archives",
                "-cf", str(unfinished), ".")  # fmt: skip
            unfinished.rename(tar)
    return tar


def context(directory: Path) -> Path:
    """A build context: the sources, and wheels of everything they need, for a builder that reaches no index."""
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory / name)
    shutil.copy(ROOT / ".dockerignore", directory)
    wheels = CACHE / "wheelhouse"
    # pip reuses what it has already; sdists are built here, for this machine's Python 3.11.
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--quiet", "--wheel-dir", str(wheels), "hatchling>=1.27", str(ROOT), seconds=900)
    shutil.copytree(wheels, directory / "wheelhouse", ignore=shutil.ignore_patterns("crossfade-*"))
    return directory


class Engine:
    """dockerd, its bridge and its ports in a namespace of their own: nothing of them shows outside."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = f"unix://{directory}/docker.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        data = [f"--data-root={self.directory}/data", f"--exec-root={self.directory}/run"]
        words = ["dockerd", *data, f"--pidfile={self.directory}/pid", "-H", self.socket]
        with (self.directory / "dockerd.log").open("wb") as log:
            # `ip netns exec` would hide the cgroups from it.
            shell = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *words]
            self.process = subprocess.Popen(shell, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "version"], capture_output=True, env=self.env()).returncode:
            log_text = (self.directory / "dockerd.log").read_text(errors="replace")
            assert self.process.poll() is None and time.monotonic() < deadline, log_text[-3000:]
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def env(self) -> dict[str, str]:
        # The classic builder: the other one is a plugin that Debian's engine does not know.
        return {**os.environ, "DOCKER_HOST": self.socket, "DOCKER_BUILDKIT": "0"}

    def docker(self, *words: str, seconds: float = 300) -> str:
        return run("docker", *words, seconds=seconds, env=self.env())

    def compose(self, *words: str, seconds: float = 300) -> str:
        """`docker compose` on docker/compose.yaml, whichever of its two forms is installed."""
        program = ("docker", "compose") if _has_plugin() else ("docker-compose",)
        files = ("-f", str(ROOT / "docker" / "compose.yaml"), "-p", "crossfade")
        return run(*program, *files, *words, seconds=seconds, env=self.env())

    def inside(self, *words: str, give: str = "", seconds: float = 300, env: Mapping[str, str] | None = None) -> str:
        """Run a program where published ports are reached."""
        assert self.process is not None
        return run("nsenter", f"--net=/proc/{self.process.pid}/ns/net", *words, give=give, seconds=seconds, env=env)

    def wait_healthy(self, name: str, seconds: float = 60) -> None:
        """Wait for the container's own healthcheck."""
        deadline = time.monotonic() + seconds
        while (state := json.loads(self.docker("inspect", "--format", "{{json .State}}", name)))["Running"]:
            if state["Health"]["Status"] == "healthy":
                return
            assert time.monotonic() < deadline, f"{name} is {state['Health']}\n{self.logs(name)}"
            time.sleep(0.3)
        raise AssertionError(f"{name} ended: {state}\n{self.logs(name)}")

    def logs(self, name: str) -> str:
        done = subprocess.run(["docker", "logs", name], capture_output=True, text=True, env=self.env())
        return (done.stdout + done.stderr)[-3000:]
