"""`crossfade flags` as people and scripts run it: real processes, a real store."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from crossfade.errors import Conflict, CrossfadeError, SettingsError, Unreachable
from crossfade.stage import TOOLS
from router.cli.flags import flags
from router.flags import schema
from router.store.flags import open_flag_rows

SETTINGS = '[origins.old]\nurl = "http://127.0.0.1:1/api"\n[store]\nurl = "sqlite:///{path}"\n'
CLI = [sys.executable, "-c", "from router.cli import main; main()", "flags"]


@dataclass
class Shell:
    """A directory with settings and, after the first change, a store."""

    directory: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.directory}/state.db"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "CROSSFADE_CONFIG": str(self.directory / "crossfade.toml"), "CROSSFADE_AUTHOR": "ada"}

    def invoke(self, *words: str, **options: Any) -> Result:
        return CliRunner().invoke(flags, list(words), env=self.environment, **options)

    def run(self, *words: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*CLI, *words], env=self.environment, input=typed, capture_output=True, text=True, timeout=60
        )

    def set(self, tool: str, *words: str) -> None:
        assert self.invoke("set", tool, *words, "--reason", "test", "--yes").exception is None

    def flag(self, tool: str) -> Any:
        rows = open_flag_rows(self.url)
        try:
            return rows.read()[1].get(schema.key_of(tool))
        finally:
            rows.close()

    def exit_code(self, result: Result) -> int:
        """What `crossfade` would exit with: errors of ours and of click's are told apart by main()."""
        error = result.exception
        return error.exit_code if isinstance(error, CrossfadeError) else result.exit_code


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "crossfade.toml").write_text(SETTINGS.format(path=tmp_path / "state.db"))
    return Shell(tmp_path)


# What works...


def test_a_change_shows_in_list_show_and_history(shell: Shell) -> None:
    shell.set("files", "shadow")
    set_again = shell.invoke("set", "files", "live=10,shadow=90", "--reason", "report says ADVANCE", "--yes")

    assert set_again.output == "changed files: shadow 100 % -> shadow 90 %, live 10 %\n"
    listed = shell.invoke("list").output.splitlines()
    assert [line.split()[0] for line in listed] == list(TOOLS)
    assert listed[0].split() == ["files", "shadow", "90", "%,", "live", "10", "%", "v2"]
    shown = shell.invoke("show", "files").output
    assert "ada: report says ADVANCE" in shown
    assert "ada: test" in shown


def test_what_is_printed_as_json_parses(shell: Shell) -> None:
    change = shell.invoke("set", "web", "live", "--reason", "go", "--author", "bob", "--yes", "--json")
    told = [json.loads(shell.invoke(*words, "--json").output) for words in (["list"], ["show", "web"])]

    assert json.loads(change.output)["flag"]["version"] == 1
    assert {each["tool"]: each["shares"] for each in told[0]["flags"]}["web"] == {"live": 100.0}
    history = told[1]["history"]
    assert [(each["author"], each["reason"], each["shares"]) for each in history] == [("bob", "go", {"live": 100.0})]


def test_one_sandbox_gets_a_stage_of_its_own_and_loses_it_again(shell: Shell) -> None:
    shell.set("files", "shadow")
    shell.set("files", "--sandbox", "mine=live", "--sandbox", "a=b=off")

    assert schema.targets_of(shell.flag("files")) == {"mine": "live", "a=b": "off"}
    assert "sandbox mine: live" in shell.invoke("show", "files").output

    shell.set("files", "live=10,shadow=90", "--sandbox", "mine=as-all")
    assert schema.targets_of(shell.flag("files")) == {"a=b": "off"}


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["words", "json"])
def test_a_dry_run_says_what_would_change_and_changes_nothing(shell: Shell, as_json: list[str]) -> None:
    shell.set("files", "shadow")
    before = shell.flag("files")
    result = shell.invoke("set", "files", "live", "--reason", "see", "--dry-run", *as_json)

    assert result.exit_code == 0
    assert shell.flag("files") == before
    if as_json:
        assert json.loads(result.output)["changed"] is False
    else:
        assert result.output == "would change files: shadow 100 % -> live 100 %\n"


def test_looking_makes_no_store(shell: Shell) -> None:
    for words in (["list"], ["show", "files"], ["set", "files", "live", "--reason", "see", "--dry-run"]):
        assert isinstance(shell.invoke(*words).exception, Unreachable)

    assert not (shell.directory / "state.db").exists()


def test_the_answer_no_changes_nothing(shell: Shell) -> None:
    result = shell.invoke("set", "files", "live", "--reason", "go", input="n\n")

    assert isinstance(result.exception, SystemExit | click.Abort)
    assert "nothing changed" in result.output
    assert shell.flag("files") is None


def test_a_garbage_flag_is_shown_as_such_and_can_be_set_anew(shell: Shell) -> None:
    rows = open_flag_rows(shell.url)
    garbage = {"key": schema.key_of("files"), "version": 1, "garbage": True}
    rows.write(garbage, author="them", reason="by hand", expected_version=None)
    rows.close()

    assert "cannot be read" in shell.invoke("list").output.splitlines()[0]
    assert shell.invoke("show", "files").exit_code == 0
    shell.set("files", "shadow")
    assert schema.weights_of(shell.flag("files")) == {"shadow": schema.WHOLE}


@pytest.mark.parametrize(
    ("flag", "said", "killed"),
    [
        (schema.kill(True, version=1), "every tool is off", True),
        (schema.kill(False, version=1), "", False),
        ({"key": schema.KILL, "version": 1}, "sandbox-migration-kill cannot be read", None),
    ],
    ids=["on", "off", "garbage"],
)
def test_a_list_says_when_every_tool_is_killed(shell: Shell, flag: Any, said: str, killed: bool | None) -> None:
    shell.set("files", "live")
    rows = open_flag_rows(shell.url)
    rows.write(flag, author="them", reason="by hand", expected_version=None)
    rows.close()

    listed = shell.invoke("list").output
    assert said in listed
    assert listed.splitlines()[-len(TOOLS)].startswith("files")
    assert json.loads(shell.invoke("list", "--json").output)["killed"] is killed


# What does not...

WRONG: dict[str, tuple[list[str], str, str]] = {
    "unknown tool": (["set", "flies", "live", "--reason", "x"], "no tool 'flies'", "known: files"),
    "unknown tool to show": (["show", "flies"], "no tool 'flies'", "known: files"),
    "unknown stage": (["set", "files", "alive", "--reason", "x"], "no stage 'alive'", "known: off"),
    "weights not 100": (["set", "files", "live=10,shadow=80", "--reason", "x"], "adds up to 90 %", "make it 100 %"),
    "no number": (["set", "files", "live=x,shadow=80", "--reason", "x"], "'live=x'", "write for example"),
    "no reason": (["set", "files", "live"], "needs its reason", "add --reason"),
    "empty reason": (["set", "files", "live", "--reason", "  "], "needs its reason", "add --reason"),
    "nothing to set": (["set", "files", "--reason", "x"], "nothing to set", "give shares"),
    "no target": (["set", "files", "--sandbox", "mine", "--reason", "x"], "'mine' is not KEY=STAGE", "stages: off"),
    "wrong target": (["set", "files", "--sandbox", "a=alive", "--reason", "x"], "'a=alive'", "stages: off"),
    "no such settings": (["list", "--config", "/no/such.toml"], "/no/such.toml", "write one"),
    "unknown option": (["set", "files", "live", "--raeson", "x"], "--raeson", "--reason"),
}


@pytest.mark.parametrize(("words", "thing", "fix"), WRONG.values(), ids=WRONG)
def test_a_slip_names_the_thing_and_the_fix_and_exits_with_2(
    shell: Shell, words: list[str], thing: str, fix: str
) -> None:
    result = shell.invoke(*words)
    message = f"{result.output} {result.exception}"

    assert shell.exit_code(result) == 2
    assert thing in message
    assert fix in message
    assert not isinstance(result.exception, AssertionError | KeyError | TypeError | AttributeError)
    assert not (shell.directory / "state.db").exists()


def test_the_process_tells_a_slip_in_one_line_without_a_traceback(shell: Shell) -> None:
    unknown = shell.run("set", "flies", "live", "--reason", "x")
    missing = shell.run("set", "files", "live")

    assert (unknown.returncode, missing.returncode) == (2, 2)
    assert unknown.stderr.startswith("crossfade: no tool 'flies'")
    assert len(unknown.stderr.splitlines()) == 1
    assert "--reason" in missing.stderr
    assert "Traceback" not in unknown.stderr + missing.stderr


def test_a_store_that_cannot_be_reached_is_exit_code_3(shell: Shell) -> None:
    (shell.directory / "crossfade.toml").write_text(SETTINGS.format(path="/no/such/directory/state.db"))
    result = shell.run("set", "files", "live", "--reason", "x", "--yes")

    assert result.returncode == 3
    assert "/no/such/directory" in result.stderr
    assert "create it" in result.stderr


def test_a_store_that_is_no_store_is_exit_code_3(shell: Shell) -> None:
    (shell.directory / "state.db").write_text("this is no database " * 100)

    assert isinstance(shell.invoke("list").exception, Unreachable)


def test_a_change_by_someone_else_meanwhile_is_exit_code_5(shell: Shell) -> None:
    shell.set("files", "shadow")
    slow = subprocess.Popen(
        [*CLI, "set", "files", "live", "--reason", "mine"],
        env=shell.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert slow.stderr is not None
    assert slow.stderr.read(1)  # it has read the flag, and asks
    shell.set("files", "off")
    _, rest = slow.communicate("y\n", timeout=60)

    assert slow.returncode == Conflict.exit_code == 5
    assert "changed by someone else meanwhile" in rest
    assert schema.weights_of(shell.flag("files")) == {"off": schema.WHOLE}


def test_nobody_to_ask_changes_nothing_and_says_so(shell: Shell) -> None:
    result = shell.run("set", "files", "live", "--reason", "x")

    assert result.returncode == 130
    assert "nothing changed; --yes does not ask" in result.stderr


def test_errors_of_ours_have_the_codes_they_promise() -> None:
    assert (SettingsError.exit_code, Unreachable.exit_code, Conflict.exit_code) == (2, 3, 5)


def test_flags_of_an_account_are_not_the_store_s(tmp_path: Path) -> None:
    config = tmp_path / "crossfade.toml"
    account = '[flags]\nsource = "launchdarkly"\nsdk_key = "sdk-secret"\n'
    config.write_text(SETTINGS.format(path=tmp_path / "state.db") + account)
    done = subprocess.run(
        [*CLI, "list", "--config", str(config)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "flags.api_token" in done.stderr
    assert "sdk-secret" not in done.stdout + done.stderr
    assert not (tmp_path / "state.db").exists()
