"""`crossfade explain command`."""

import base64
import json
from pathlib import Path

from click.testing import CliRunner, Result

from crossfade.errors import SettingsError
from router.cli.explain import explain


def _command(*words: str) -> Result:
    return CliRunner().invoke(explain, ["command", *words])


def _told(*words: str) -> dict[str, object]:
    result = _command(*words, "--json")
    assert result.exception is None, result.output
    told: dict[str, object] = json.loads(result.output)
    assert told.pop("schema") == "crossfade.explain-command/1"
    return told


def test_the_class_is_told_with_the_rule_and_the_word() -> None:
    told = _told("cd app && timeout 60 npm install --save react")

    assert (told["class"], told["rule"], told["word"]) == ("external", "npm install", "install")
    assert told["through"] == ["timeout"]
    assert told["a_read_one-shot"] is False


def test_a_person_is_told_the_same_in_lines() -> None:
    result = _command("ls > files.txt")

    assert result.output.splitlines()[:3] == [
        "class                 local",
        "rule                  a redirection",
        "word                  > files.txt",
    ]


def test_it_is_told_where_a_command_counts_as_a_read() -> None:
    polled, listed = _told("tmux has-session -t b"), _told("ls")

    assert (polled["a_read_one-shot"], polled["a_read_in_a_session"]) == (True, True)
    assert (listed["a_read_one-shot"], listed["a_read_in_a_session"]) == (True, False)
    assert _told("ls", "--env", "PATH")["a_read_one-shot"] is False


def test_the_wrapper_of_older_sdks_is_undone() -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    wrapped = (
        f"sh -c \"export LD_PRELOAD=$(echo '{encoded('x')}' | base64 -d); echo '{encoded('ls -la')}' | base64 -d | sh\""
    )
    told = _told(wrapped)

    assert (told["class"], told["unwrapped"], told["not_clean"]) == ("read", "ls -la", ["LD_PRELOAD"])
    assert told["a_read_one-shot"] is False


def test_rules_of_ones_own_are_used_and_a_mistake_in_them_is_named(tmp_path: Path) -> None:
    rules, config = tmp_path / "mine.toml", tmp_path / "crossfade.toml"
    config.write_text(f'[origins.old]\nurl = "http://127.0.0.1:1/api"\n[mirror]\ncommand_rules = "{rules}"\n')
    rules.write_text('[programs.mytool]\noptions = "any"\n')

    assert _told("mytool -x", "--config", str(config))["class"] == "read"
    rules.write_text('[programs.mytool]\nclass = "safe"\n')
    assert "class 'safe'" in str(_command("mytool", "--config", str(config)).exception)
    rules.unlink()
    assert isinstance(_command("mytool", "--config", str(config)).exception, SettingsError)
