"""Prometheus' own checker, from Debian's archive, unpacked and not installed."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.docker.engine import CACHE, alone, run


def promtool() -> Path | None:
    """The program; None where it cannot be had."""
    if found := shutil.which("promtool"):
        return Path(found)
    kept = CACHE / "promtool"
    with alone():
        if not kept.exists() and shutil.which("apt-get") and shutil.which("dpkg-deb"):
            _fetch(kept)
    return kept if kept.exists() else None


def _fetch(kept: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=300)
        words = ["apt-get", "download", "-qq", "prometheus"]
        if subprocess.run(words, cwd=directory, capture_output=True, timeout=300).returncode:
            return
        (package,) = Path(directory).glob("prometheus_*.deb")
        run("dpkg-deb", "-x", str(package), directory)
        shutil.copy(Path(directory, "usr", "bin", "promtool"), kept)
