"""`crossfade kill` on a real store."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli.kill import kill
from router.flags import schema
from router.store.flags import open_flag_rows
from tests.cli.test_flags import SETTINGS, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "crossfade.toml").write_text(SETTINGS.format(path=tmp_path / "state.db"))
    return Shell(tmp_path)


def run(shell: Shell, *words: str, typed: str = "") -> Result:
    return CliRunner().invoke(kill, list(words), env=shell.environment, input=typed)


def killed(shell: Shell) -> bool:
    rows = open_flag_rows(shell.url)
    try:
        flag = rows.read()[1].get(schema.KILL)
    finally:
        rows.close()
    return flag is not None and schema.killed(flag)


def test_it_is_set_and_lifted_with_a_history(shell: Shell) -> None:
    done = run(shell, "--reason", "new loses files", "--yes")
    assert (done.exit_code, done.stdout) == (0, "changed sandbox-migration-kill: off -> on\n")
    assert killed(shell)
    assert "every tool is off" in shell.invoke("list").stdout

    assert run(shell, "--lift", "--reason", "fixed", "--yes", "--json").stdout == (
        '{"schema": "crossfade.kill/1", "changed": true, "killed": false}\n'
    )
    assert not killed(shell)
    rows = open_flag_rows(shell.url)
    assert [(each.author, each.reason) for each in rows.history(schema.KILL)] == [
        ("ada", "fixed"), ("ada", "new loses files"),
    ]  # fmt: skip
    rows.close()


def test_twice_is_once(shell: Shell) -> None:
    run(shell, "--reason", "one", "--yes")
    again = run(shell, "--reason", "two", "--yes")

    assert (again.exit_code, again.stdout) == (0, "sandbox-migration-kill is on already\n")


def test_it_is_asked_for_and_needs_a_reason(shell: Shell) -> None:
    assert run(shell, "--yes").exit_code == 2
    assert run(shell, "--reason", "r", typed="n\n").exit_code == 1
    assert run(shell, "--reason", "r", "--dry-run").stdout == "would change sandbox-migration-kill: off -> on\n"
    assert not (shell.directory / "state.db").exists() or not killed(shell)
    assert run(shell, "--reason", "r", typed="y\n").exit_code == 0
    assert killed(shell)


def test_garbage_is_replaced(shell: Shell) -> None:
    rows = open_flag_rows(shell.url)
    rows.write({"key": schema.KILL, "version": 1, "on": "?"}, author="me", reason="r", expected_version=None)
    rows.close()

    assert json.loads(run(shell, "--reason", "r", "--yes", "--json").stdout)["changed"]
    assert killed(shell)
