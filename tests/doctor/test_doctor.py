"""`crossfade doctor` against real embedded origins: what differs is found, and no sandbox is left behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from demo.programs import Program, crossfade
from router.doctor import parity
from tests.journeys.stack import free_port

KEY = "hush-hush-key"
CONFIG = """\
[origins.old]
url = "{old}/api"
key = "{key}"
[origins.new]
url = "{new}"
sandbox_url = "{new}"
key = "{key}"
[origins.new.templates]
"*" = "base"
"""


@asynccontextmanager
async def origins(directory: Path, **new: str) -> AsyncIterator[tuple[Program, Program]]:
    words = ["--port", "0", "--key", KEY]
    old = Program("old", ["sandbox", "--api", "daytona", *words, "--dir", str(directory / "old")], directory)
    fresh = Program("new", ["sandbox", "--api", "e2b", *words, "--dir", str(directory / "new")], directory, new)
    async with old, fresh:
        yield old, fresh


async def doctor(directory: Path, old: str, new: str, *words: str, key: str = KEY) -> tuple[int, list[dict[str, Any]]]:
    config = directory / "crossfade.toml"
    config.write_text(CONFIG.format(old=old, new=new, key=key))
    code, out, err = await crossfade("doctor", "--json", "--config", str(config), *words)
    assert out, err
    assert KEY not in out + err
    return code, json.loads(out)["findings"]


async def left(old: str, new: str) -> list[Any]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        there = (await client.get(f"{old}/api/sandbox", headers={"Authorization": f"Bearer {KEY}"})).json()
        fresh = (await client.get(f"{new}/v2/sandboxes", headers={"X-API-Key": KEY})).json()
    return [*(there if isinstance(there, list) else there["items"]), *fresh]


async def test_two_sides_that_are_alike_have_no_problem_and_keep_no_sandbox(tmp_path: Path) -> None:
    async with origins(tmp_path) as (old, new):
        code, found = await doctor(tmp_path, old.url, new.url)
        kept = await left(old.url, new.url)

    problems = [each for each in found if each["weight"] == "problem"]
    assert problems == []
    assert code == (1 if any(each["weight"] == "warning" for each in found) else 0)
    assert {each["where"] for each in found} == {"old", "new", "parity"}
    assert kept == []


async def test_what_a_side_does_wrong_is_named_with_its_side(tmp_path: Path) -> None:
    async with origins(tmp_path) as (old, new):
        mark = "crossfade-doctor=scratch"
        kinds = [{"kind": kind, "sandbox": mark} for kind in ("exec-exit-code", "file-byte")]
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{new.url}/_crossfade/inject", json={"kinds": kinds})
            assert answer.status_code < 300, answer.text
        code, found = await doctor(tmp_path, old.url, new.url, "--against", "new")

    wrong = {each["what"].partition(":")[0] for each in found if each["weight"] == "problem"}
    assert code == 1
    assert {"exit code and output", "bytes of a file"} <= wrong
    assert {each["where"] for each in found} == {"new"}


async def test_a_wrong_key_and_a_dead_port_are_said_as_what_they_are(tmp_path: Path) -> None:
    async with origins(tmp_path) as (old, new):
        refused, said = await doctor(tmp_path, old.url, new.url, key="another")
        dead, unreached = await doctor(tmp_path, f"http://127.0.0.1:{free_port()}", new.url)
        kept = await left(old.url, new.url)

    assert (refused, dead, kept) == (3, 3, [])
    assert any("the key is refused" in each["what"] for each in said)
    [gone] = [each for each in unreached if "cannot be reached" in each["what"]]
    assert gone["where"] == "old"
    assert any(each["where"] == "new" and each["weight"] == "ok" for each in unreached), "the other side is looked at"


@pytest.mark.parametrize(
    ("name", "value", "weight"),
    [("architecture", "aarch64", "problem"), ("libc", "musl", "problem"), ("home", "/home/user", "warning"),
     ("locale", "C", "warning"), ("ports", "9000", "warning"), ("tool tmux", "", "warning")],
)  # fmt: skip
def test_templates_that_differ_are_told_apart_by_what_it_means(name: str, value: str, weight: str) -> None:
    old = {
        "architecture": "x86_64",
        "libc": "glibc",
        "home": "/root",
        "locale": "C.UTF-8",
        "ports": "8080",
        "tool tmux": "yes",
    }
    found = list(parity.compared(old, {**old, name: value}))

    assert [str(each.weight) for each in found] == [weight]
    assert next(iter(parity.compared(old, old))).weight == "ok"


def test_a_side_without_the_tools_of_settling_has_a_problem() -> None:
    found = list(parity.alone("new", {f"tool {tool}": "yes" for tool in parity.NEEDED if tool != "sha256sum"}))

    assert [each.what for each in found if each.weight == "problem"] == [
        "the template lacks sha256sum", "find is not GNU find",
    ]  # fmt: skip


async def test_a_doctor_who_is_called_away_removes_his_sandbox(tmp_path: Path) -> None:
    async with origins(tmp_path) as (old, new):
        config = tmp_path / "crossfade.toml"
        config.write_text(CONFIG.format(old=old.url, new=new.url, key=KEY))
        looking = asyncio.create_task(crossfade("doctor", "--json", "--config", str(config)))
        async with asyncio.timeout(30):
            while not await left(old.url, new.url):
                await asyncio.sleep(0.02)
        await looking
        assert await left(old.url, new.url) == []
