"""The suite can see: each rule of twins that is taken out turns it red."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.mutants.rules import RULES, Rule
from tests.reading import ROOT

_SECONDS = 300


async def _pytest(tests: tuple[str, ...], environment: Mapping[str, str]) -> tuple[int, str]:
    words = ["-m", "pytest", "-n", "0", "-q", "-x", "-m", "not full", "--no-header", "--tb=line", *tests]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        out, _ = await process.communicate()
        return 1, f"it hung: {out.decode(errors='replace')[-2000:]}"
    return process.returncode or 0, out.decode(errors="replace")[-2000:]


def test_each_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_text_of_a_rule_is_there(rule: Rule) -> None:
    assert rule.found == 1, f"'{rule.name}': its text stands {rule.found} times in {rule.module}; write it anew"


@pytest.mark.full
async def test_with_every_rule_they_are_green() -> None:
    code, out = await _pytest(tuple(sorted({test for rule in RULES for test in rule.tests})), {})

    assert code == 0, out


@pytest.mark.full
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
async def test_without_a_rule_they_turn_red(rule: Rule, tmp_path: Path) -> None:
    applied = tmp_path / "applied"
    code, out = await _pytest(rule.tests, rule.environment(applied))

    assert applied.read_text() == rule.module
    assert code == 1, f"nobody misses the rule that {rule.name}: {out}"
    assert "failed" in out or "it hung" in out, out
