"""crossfade report."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossfade.errors import SettingsError, Unreachable
from router.cli.report import report, since_of
from router.store.database import open_database
from tests.reports.report_examples import fill


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('store')}/state.db"
    database = open_database(url)
    fill(database)
    database.close()
    return url


def test_the_path_goes_to_stdout_and_the_decisions_to_stderr(store: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(report, ["--store", store, "--out", str(tmp_path / "out")], catch_exceptions=False)

    assert result.stdout.strip() == str(tmp_path / "out" / "report.html")
    assert "ADVANCE" in result.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "report.json", "report.md"]


def test_json_is_all_of_stdout(store: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(report, ["--store", store, "--out", str(tmp_path), "--json"], catch_exceptions=False)

    assert json.loads(result.stdout)["schema"] == "crossfade.report/2"


def test_the_settings_name_the_store(store: str, tmp_path: Path) -> None:
    settings = tmp_path / "crossfade.toml"
    settings.write_text(f'[origins.old]\nurl = "http://127.0.0.1:1/api"\n[store]\nurl = "{store}"\n')
    result = CliRunner().invoke(
        report, ["--config", str(settings), "--out", str(tmp_path / "out")], catch_exceptions=False
    )

    assert result.exit_code == 0


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no such file"):
        CliRunner().invoke(report, ["--store", f"sqlite:///{tmp_path}/none.db"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("all", 0.0),
        ("2h", 1_000_000 - 7_200),
        ("1.5d", 1_000_000 - 129_600),
        ("1970-01-02", 86_400.0),
        ("1970-01-02T00:00:00+01:00", 82_800.0),
    ],
)
def test_a_window_in_words(text: str, start: float) -> None:
    assert since_of(text, now=1_000_000) == start


def test_a_window_that_is_none_says_what_would_be_one() -> None:
    with pytest.raises(SettingsError, match="'yesterday' is no window; write 90m, 2h"):
        since_of("yesterday", now=0)
