"""The demo, driven small: real programs, real agents, a real report; and what it refuses before it begins."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.__main__ import MARK, Step, demo, steps
from demo.programs import ROOT, Agents, NotReady, Program, crossfade, make_sdk_environment
from router.flags import schema
from tests.journeys.stack import SDK

SMALL = [Step("shadow", {"files": "shadow", "shell": "shadow"}, 1), Step("files 100 %", {"files": "live"}, 1)]


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    """The demo as a command, where it ends at once."""
    return subprocess.run([sys.executable, "-m", "demo", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.sdk
async def test_a_small_demo_moves_a_tool_and_prints_its_decisions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with asyncio.timeout(120):
        code = await demo(tmp_path, [], SMALL)
    printed = capsys.readouterr()

    assert code == 0
    assert "0 failed" in printed.err
    rows = [line.split() for line in printed.err.splitlines()]
    decided = {row[0]: row[1:] for row in rows if row and row[0] in ("files", "shell", "upload")}
    assert set(decided) == {"files", "shell", "upload"}
    assert "HOLD-DATA" in decided["files"]  # two sandboxes are no evidence
    report = json.loads(next((tmp_path / "report").glob("*.json")).read_text())
    files = next(tool for tool in report["tools"] if tool["tool"] == "files")
    assert files["answered"]["old"] > 0
    assert files["answered"]["new"] > 0
    assert files["compared"] > 0
    assert files["differing"] == 0
    assert str(tmp_path / "report") in printed.out


@pytest.mark.sdk
async def test_agents_say_every_call_and_every_failure(tmp_path: Path) -> None:
    python = await make_sdk_environment(*SDK)
    words = ["sandbox", "--api", "daytona", "--port", "0", "--key", "k", "--dir", str(tmp_path / "old")]
    async with asyncio.timeout(120), Program("old", words, tmp_path) as old:
        async with Agents(python, f"{old.url}/api", "k", tmp_path) as agents:
            events = [event async for event in agents.wave(wave="w", sandboxes=1, keep=False)]
        async with Agents(python, f"{old.url}/api", "another key", tmp_path) as strangers:
            refused = [event async for event in strangers.wave(wave="w", sandboxes=1)]

    assert (events[-1]["event"], events[-1]["failed"]) == ("wave", 0)
    assert sum(event["event"] == "call" for event in events) == events[-1]["calls"] > 30
    assert {event["tool"] for event in events[:-1]} == {"lifecycle", "files", "upload", "browser", "expose", "shell"}
    assert [event["event"] for event in refused] == ["failed", "agent ended", "wave"]
    assert refused[-1]["failed"] == 1


@pytest.mark.parametrize("kind", ["nonsense", "nonsense:i123", "", "file-bite"])
def test_an_unknown_difference_is_refused_before_anything_begins(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run("--out", str(out), "--inject", kind)

    assert ended.returncode == 2
    assert f"unknown kind '{kind.partition(':')[0]}'; known: " in ended.stderr
    assert "file-byte" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not out.exists()


def test_files_that_no_demo_wrote_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    ended = run("--out", str(tmp_path))

    assert ended.returncode == 3
    assert "holds files that are none of a demo's" in ended.stderr
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_steps_take_every_tool_from_old_to_new() -> None:
    last: dict[str, str] = {}
    for step in steps():
        assert step.sandboxes > 0
        for tool, value in step.flags.items():
            schema.shares(value)  # raises for what no flag can be
            last[tool] = value

    assert set(last) >= {"files", "upload", "shell", "browser", "lifecycle"}
    assert {tool: value for tool, value in last.items() if value != "live"} == {"lifecycle": "shadow"}
    assert MARK.startswith(".")


# Programs...


async def test_a_program_that_ends_before_it_is_ready_says_its_last_words(tmp_path: Path) -> None:
    words = ["sandbox", "--api", "daytona", "--inject", "file-byte", "--port", "0", "--dir", str(tmp_path / "d")]

    with pytest.raises(NotReady, match=r"broken ended with 2: .*--inject works with --api e2b only"):
        await Program("broken", words, tmp_path).start()


async def test_a_program_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    program = Program("slow", ["sandbox", "--api", "daytona", "--port", "0", "--dir", str(tmp_path / "d")], tmp_path)

    with pytest.raises(NotReady, match="slow was not ready in 0 s"):
        await program.start(0)
    assert program.process is not None
    assert program.process.returncode is not None


async def test_a_program_is_ready_stops_and_starts_again(tmp_path: Path) -> None:
    words = ["sandbox", "--api", "e2b", "--port", "0", "--dir", str(tmp_path / "new")]
    program = Program("new", words, tmp_path)
    urls: list[Any] = []
    for _ in range(2):
        async with program:
            urls.append(program.url)
        assert program.process is not None
        assert program.process.returncode == 0

    assert all(url.startswith("http://127.0.0.1:") for url in urls)


async def test_a_command_gives_its_exit_code_and_words() -> None:
    code, out, err = await crossfade("flags", "show", "nonsense", "--config", "/no/such/file.toml")

    assert code == 2
    assert out == ""
    assert "no tool 'nonsense'" in err
