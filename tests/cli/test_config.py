"""`crossfade config`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossfade.errors import SettingsError
from router.cli.check import check
from router.cli.config import config

TEXT = """
[origins.old]
url = "http://user:hidden-1@daytona.example/api"
key = "hidden-2"
[origins.new]
key = { env = "NEW_KEY" }
templates = { "*" = "suna" }
[mirror]
eligible_orgs = ["org-1"]
[tools.shell]
sample = 0.5
mirror_execute = "local"
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "crossfade.toml"
    file.write_text(TEXT)
    return str(file)


@pytest.mark.parametrize("words", [[], ["--json"]], ids=["words", "json"])
def test_no_secret_is_shown(path: str, words: list[str]) -> None:
    shown = CliRunner().invoke(config, ["show", "--config", path, *words], env={"NEW_KEY": "hidden-3"})

    assert shown.exit_code == 0
    assert "hidden" not in shown.output
    assert "********" in shown.output
    assert "@daytona.example/api" in shown.output


def test_json_holds_every_setting_that_was_written(path: str) -> None:
    shown = CliRunner().invoke(config, ["show", "--config", path, "--json"], env={"NEW_KEY": "k"})
    tree = json.loads(shown.output)["settings"]

    assert tree["new"]["templates"] == {"*": "suna"}
    assert tree["mirror"]["eligible_orgs"] == ["org-1"]
    assert tree["tools"]["shell"] == {"sample": 0.5, "mirror_execute": "local"}


def test_a_wrong_setting_is_told_with_file_and_line(path: str) -> None:
    Path(path).write_text('[origins.old]\nurl = "http://a/api"\n[mirror]\nroots = "workspace"\n')
    checked = CliRunner().invoke(check, ["--config", path])

    assert isinstance(checked.exception, SettingsError)
    assert f"{path}:4: mirror.roots must be a list of texts" in str(checked.exception)
