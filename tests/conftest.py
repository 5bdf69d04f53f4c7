"""Settings of all tests."""

import os

import pytest
from hypothesis import settings

# No deadline: a busy machine is no failure. Where CI says so, the same examples each run; elsewhere new ones.
settings.register_profile("crossfade", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("crossfade")

# Seconds that modules take which nothing could run beside if they came last. Only their order matters.
LONG = {
    "model/test_model.py": 240,
    "conformance/daytona/test_router.py": 130,
    "journeys/test_faults.py": 60,
    "journeys/test_killed.py": 45,
    "journeys/test_runbook_steps.py": 40,
    "journeys/test_ramp.py": 40,
    "journeys/test_account_outage.py": 30,
    "journeys/test_kill_hard.py": 25,
    "journeys/test_taps.py": 25,
    "journeys/test_explained.py": 20,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long modules begin each worker's share, as even as they can be (longest first to the least busy)."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first: list[list[pytest.Item]] = [[] for _ in range(workers)]
    busy = [0] * workers
    for module, seconds in LONG.items():
        mine = [item for item in items if item.path.as_posix().endswith(f"tests/{module}")]
        if mine:
            worker = busy.index(min(busy))
            first[worker] += mine
            busy[worker] += seconds
    chosen = {id(item) for mine in first for item in mine}
    rest = [item for item in items if id(item) not in chosen]
    share, taken = len(items) / workers, 0
    ordered: list[pytest.Item] = []
    for worker, mine in enumerate(first):
        # xdist's worksteal cuts the list into contiguous shares of equal length, and steals from their ends.
        until = len(rest) if worker == workers - 1 else round(share * (worker + 1)) - len(ordered) - len(mine) + taken
        ordered += mine + rest[taken:until]
        taken = until
    items[:] = ordered
