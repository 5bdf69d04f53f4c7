"""`crossfade check`: what cannot work is said before anything is started, and no secret with it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from router.cli.check import check
from router.flags import schema
from router.store.flags import open_flag_rows

GOOD = """\
[listen]
admin_token = "hush-token"
public_url = "https://crossfade.example.com"
[origins.old]
url = "https://app.daytona.io/api"
key = "hush-old"
[origins.new]
key = "hush-new"
[origins.new.templates]
"*" = "base"
[mirror]
eligible_orgs = ["org"]
[store]
url = "sqlite:///{directory}/state.db"
"""


def run(tmp_path: Path, text: str, *words: str) -> Result:
    config = tmp_path / "crossfade.toml"
    config.write_text(text.replace("{directory}", str(tmp_path)))
    return CliRunner().invoke(check, ["--config", str(config), *words])


def findings(result: Result) -> dict[str, tuple[str, str]]:
    return {each["where"]: (each["weight"], each["what"]) for each in json.loads(result.stdout)["findings"]}


def test_all_is_well(tmp_path: Path) -> None:
    done = run(tmp_path, GOOD)

    assert done.exit_code == 0, done.output
    assert "0 problems, 0 warnings" in done.stderr
    assert "hush" not in done.output


PROBLEMS = {
    "origins.old.url": (GOOD.replace("https://app.daytona.io/api", "http://127.0.0.1:8800/api"), "leads back"),
    "listen.admin": (GOOD.replace("[listen]", '[listen]\nadmin = "127.0.0.1:8800"'), "the same as listen.api"),
    "mirror.roots": (GOOD.replace("[mirror]", '[mirror]\nroots = ["/"]'), "not a directory below /"),
    "mirror.command_rules": (GOOD.replace("[mirror]", '[mirror]\ncommand_rules = "gone.toml"'), "gone.toml"),
    "store.url": (GOOD.replace("{directory}/state.db", "/no/such/directory/state.db"), "there is no directory"),
}


@pytest.mark.parametrize("where", PROBLEMS)
def test_a_problem_names_its_place_and_ends_with_2(tmp_path: Path, where: str) -> None:
    text, said = PROBLEMS[where]
    done = run(tmp_path, text, "--json")

    assert done.exit_code == 2, done.output
    weight, what = findings(done)[where]
    assert (weight, said in what) == ("problem", True), what


WARNINGS = {
    "mirror.eligible_orgs": GOOD.replace('eligible_orgs = ["org"]', ""),
    "origins.new.templates": GOOD.replace('[origins.new.templates]\n"*" = "base"\n', ""),
    "origins.old.key": GOOD.replace('key = "hush-old"\n', ""),
}


@pytest.mark.parametrize("where", WARNINGS)
def test_a_warning_ends_with_0(tmp_path: Path, where: str) -> None:
    done = run(tmp_path, WARNINGS[where], "--json")

    assert done.exit_code == 0, done.output
    assert findings(done)[where][0] == "warning"


def test_flags_are_looked_at_where_there_is_a_store(tmp_path: Path) -> None:
    rows = open_flag_rows(f"sqlite:///{tmp_path}/state.db")
    good = schema.build("files", schema.shares("live=10,shadow=90"), version=1, seed=0, targets={})
    rows.write(good, author="a", reason="r", expected_version=None)
    rows.write(
        {**good, "key": "sandbox-migration-shell", "variations": ["no", "stage"]},
        author="a",
        reason="r",
        expected_version=None,
    )
    rows.write({**good, "key": "sandbox-migration-nobody"}, author="a", reason="r", expected_version=None)
    rows.close()
    done = run(tmp_path, GOOD, "--json")

    assert done.exit_code == 2
    found = findings(done)
    assert found["flag sandbox-migration-shell"][0] == "problem"
    assert found["flag sandbox-migration-nobody"][0] == "warning"
    assert "flag sandbox-migration-files" not in found
