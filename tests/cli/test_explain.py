"""`crossfade explain call`."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from crossfade.errors import Unreachable
from crossfade.stage import PROCESS_GROUP
from policies.buckets import bucket
from router.cli.explain import explain
from router.flags import schema
from router.settings import load
from router.store.flags import open_flag_rows


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "crossfade.toml"
    path.write_text(f'[origins.old]\nurl = "http://127.0.0.1:1/api"\n[store]\nurl = "sqlite:///{tmp_path}/state.db"\n')
    return str(path)


def _call(*words: str) -> Result:
    return CliRunner().invoke(explain, ["call", *words])


def _told(*words: str) -> dict[str, str]:
    result = _call(*words, "--json")
    assert result.exception is None, result.output
    told: dict[str, str] = json.loads(result.output)
    assert told["schema"] == "crossfade.explain-call/1"
    return told


def test_the_rule_that_hit_is_named_with_its_pattern() -> None:
    told = _told("--operation", "process.exec", "--command", "curl localhost:8004/api/navigate")

    assert (told["tool"], told["by"], told["looks_at"]) == ("browser", "rule:browser-api", "text")
    assert "8004" in told["pattern"]


def test_a_header_says_so() -> None:
    assert _told("--operation", "fs.info", "--header", "web")["by"] == "header"


@pytest.mark.parametrize(
    ("method", "url", "tool"),
    [
        ("POST", "/toolbox/s/files/move?source=/workspace/a&destination=/workspace/uploads/a", "upload"),
        ("POST", "/toolbox/s/files/move?source=/workspace/scrape/a&destination=/workspace/b", "web"),
        ("GET", "/toolbox/ID/files/info?path=/workspace/a.txt", "files"),
        ("GET", "/toolbox/ID/files?path=%2Fworkspace%2Fuploads", "upload"),
        ("post", "https://api.example/api/toolbox/ID/toolbox/process/session/keepalive_1/exec", "lifecycle"),
        ("POST", "/api/sandbox", "lifecycle"),
    ],
)
def test_a_request_line_is_enough(method: str, url: str, tool: str) -> None:
    assert _told("--method", method, "--url", url)["tool"] == tool


@pytest.mark.parametrize(
    ("words", "thing"),
    [
        ([], "name the call"),
        (["--operation", "fs.infos"], "no operation 'fs.infos'; known: sandbox.create"),
        (["--url", "/nowhere"], "GET /nowhere is no call we know"),
    ],
)
def test_a_slip_is_exit_code_2(words: list[str], thing: str) -> None:
    result = _call(*words)

    assert result.exit_code == click.UsageError.exit_code == 2
    assert thing in result.output


def test_with_a_routing_key_the_flag_and_what_limits_it_are_told(config: str) -> None:
    seed = load(config).flags.seed
    rows = open_flag_rows(load(config).store.url)
    for tool in PROCESS_GROUP[:-1]:
        flag = schema.build(tool, schema.shares("live"), version=1, seed=seed)
        rows.write(flag, author="me", reason="test", expected_version=None)
    rows.close()
    told = _told("--operation", "process.exec", "--routing-key", "key-1", "--config", config)

    assert told["bucket"] == str(bucket("key-1", seed))
    assert (told["stage"], told["flag version"], told["wish"]) == ("live", "v1", "new")
    assert told["limited by"] == PROCESS_GROUP[-1]
    assert "limited by" not in _told("--operation", "fs.info", "--routing-key", "key-1", "--config", config)


def test_explaining_makes_no_store(config: str) -> None:
    result = _call("--operation", "fs.info", "--routing-key", "key-1", "--config", config)

    assert isinstance(result.exception, Unreachable)
    assert not (Path(config).parent / "state.db").exists()
