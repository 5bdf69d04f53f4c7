"""The same suites run against services that the environment names: embedded ones here, real ones elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import services
from tests.conformance.daytona.harness import embedded_server

ROOT = Path(__file__).parents[1]
KEY = "another-key"


def suite(*words: str, **environment: str) -> str:
    """What a run of these tests says at its end. Fails when a test of it failed."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-rs", *words],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
    return ran.stdout


def test_services_that_are_named_are_tried(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with (
        embedded_server(tmp_path / "old", key=KEY) as old,
        embedded_server(tmp_path / "new", api="e2b", key=KEY) as new,
    ):
        said = suite(
            "tests/backends/test_contract_ranges.py",
            "-k",
            "service",
            CROSSFADE_TEST_DAYTONA_URL=f"{old}/api",
            CROSSFADE_TEST_DAYTONA_KEY=KEY,
            CROSSFADE_TEST_E2B_URL=new,
            CROSSFADE_TEST_E2B_SANDBOX_URL=new,
            CROSSFADE_TEST_E2B_KEY=KEY,
        )

    passed = int(said.rsplit(" passed", 1)[0].split()[-1])
    assert passed > 10
    assert passed % 2 == 0, "as many on the one as on the other"


@pytest.mark.full
def test_an_account_that_is_named_is_put_behind_the_router(tmp_path: Path) -> None:
    with embedded_server(tmp_path, key=KEY) as old:
        words = ("tests/conformance/daytona/test_router.py", "-k", "real_account and 0.115")
        said = suite(*words, CROSSFADE_TEST_DAYTONA_URL=f"{old}/api", CROSSFADE_TEST_DAYTONA_KEY=KEY)

    assert "1 passed" in said


def test_services_that_are_not_named_are_skipped_and_say_what_to_set() -> None:
    bare = {name: "" for name in os.environ if name.startswith("CROSSFADE_TEST_")}
    said = suite("tests/conformance/daytona/test_router.py", "-k", "real_account and newest", **bare)

    assert services.MISSING["daytona"] in said
    assert "1 skipped" in said
