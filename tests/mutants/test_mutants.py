"""The conformance suite can see: every seeded fault changes a result."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from demo.programs import Program
from tests.conformance.daytona.harness import Results, differences, run_scenarios
from tests.journeys.probes import set_flags
from tests.journeys.stack import ALL_TOOLS, KEY, free_port, settings
from tests.mutants import adapter, front
from tests.mutants.mutant import Mutant

MUTANTS = (*adapter.MUTANTS, *front.MUTANTS)
LEAST = 30


@dataclass(eq=False)
class Origins:
    """The two sides, and what scenarios give on old directly, by SDK."""

    directory: Path
    old: Program
    new: Program
    direct: dict[str, Results]

    @property
    def config(self) -> Path:
        return self.directory / "crossfade.toml"

    @property
    def store(self) -> str:
        return f"sqlite:///{self.directory / 'crossfade.db'}"


def chosen(*, through: str | None = None) -> dict[str, list[str]]:
    """The scenarios that mutants need, by SDK."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for mutant in MUTANTS:
        if through in (None, mutant.through):
            wanted[mutant.sdk].update(mutant.scenarios)
    return {sdk: sorted(names) for sdk, names in wanted.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origins(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Origins]:
    directory = tmp_path_factory.mktemp("origins")
    words = ["--port", "0", "--key", KEY]
    old = Program("old", ["sandbox", "--api", "daytona", *words, "--dir", str(directory / "old")], directory)
    new = Program("new", ["sandbox", "--api", "e2b", *words, "--dir", str(directory / "new")], directory)
    async with old, new:
        direct = {sdk: await ran(sdk, old.url, names) for sdk, names in chosen().items()}
        yield Origins(directory, old, new, direct)


async def ran(sdk: str, url: str, names: list[str]) -> Results:
    """The results of these scenarios."""
    return await asyncio.to_thread(run_scenarios, sdk, f"{url}/api", KEY, names)


@contextlib.asynccontextmanager
async def router(origins: Origins, directory: Path, through: str, environment: dict[str, str]) -> AsyncIterator[str]:
    """A router of its own, whose calls new answers alone (`new`) or old alone (`old`)."""
    own = Origins(directory, origins.old, origins.new, {})
    own.config.write_text(settings(directory, origins.old.url, origins.new.url, free_port()))
    if through == "new":
        set_flags(own, dict.fromkeys(ALL_TOOLS, "complete"))
    program = Program("router", ["serve", "--config", str(own.config)], directory, environment)
    async with program:
        yield program.url


def test_there_are_enough_mutants_and_each_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= LEAST


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_a_mutant_changes_is_there(mutant: Mutant) -> None:
    assert mutant.found == 1, f"'{mutant.name}': its text stands {mutant.found} times in {mutant.module}; write it anew"


@pytest.mark.full
@pytest.mark.sdk
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("through", ["new", "old"])
async def test_without_a_mutant_nothing_differs(origins: Origins, tmp_path: Path, through: str) -> None:
    async with router(origins, tmp_path, through, {}) as url:
        for sdk, names in chosen(through=through).items():
            direct = {name: origins.direct[sdk][name] for name in names}

            assert differences(direct, await ran(sdk, url, names)) == {}, sdk


@pytest.mark.full
@pytest.mark.sdk
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
async def test_the_suite_kills_a_mutant(origins: Origins, tmp_path: Path, mutant: Mutant) -> None:
    applied = tmp_path / "applied"
    async with router(origins, tmp_path, mutant.through, mutant.environment(applied)) as url:
        direct = {name: origins.direct[mutant.sdk][name] for name in mutant.scenarios}
        try:
            results = await ran(mutant.sdk, url, list(mutant.scenarios))
        except AssertionError:
            results = {}  # not even a sandbox could be had

    assert applied.read_text() == mutant.module
    assert differences(direct, results) != {}, f"'{mutant.name}' lives: {', '.join(mutant.scenarios)} give the same"
