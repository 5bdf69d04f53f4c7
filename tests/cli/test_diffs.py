"""`crossfade diffs` over a real store: what is listed, what is refused, what the report makes of it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crossfade.comparison import Change, Difference, Severity
from crossfade.errors import Refused, SettingsError, Unreachable
from crossfade.record import Record
from router.admin.reporting import report_data
from router.cli.diffs import diffs
from router.cli.report import report
from router.store.database import open_database
from router.store.records import SqlRecords
from tests.store.store_examples import differing, record

MODE = "fs.info mode value"
SAID = ("--reason", "E2B's umask is 077", "--author", "ada", "--yes")


@dataclass
class Shell:
    """A store that was compared within the last minutes."""

    url: str

    def run(self, *words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(diffs, [*words, "--store", self.url], input=typed, catch_exceptions=False)

    def told(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json").stdout)

    def states(self) -> dict[str, str]:
        return {kind["signature"]: kind["state"] for kind in self.told("list")["kinds"]}

    def differing(self) -> int:
        database = open_database(self.url, create=False)
        try:
            return sum(tool.differing for tool in report_data(database, since=0.0, now=time.time()).tools)
        finally:
            database.close()


def calls() -> Iterator[Record]:
    now = time.time()
    failed = Difference(path="status", change=Change.VALUE, severity=Severity.CONTRACT, old="201", new="500")
    for number in range(20):
        yield record(at=now - number)
    for number in range(6):
        yield differing(at=now - number, sandbox=f"sb-{number}")
    yield differing(at=now, tool="upload", signatures=("fs.list entry.mode value",), operation="fs.list")
    yield differing(
        at=now,
        operation="fs.mkdir",
        severity="contract",
        signatures=("fs.mkdir status new 500",),
        differences=(failed,),
    )
    yield differing(at=now, signatures=("fs.download without detail: more than 8 MiB",), differences=())


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    url = f"sqlite:///{tmp_path}/state.db"
    database = open_database(url)
    records = SqlRecords(database)
    for each in calls():
        records.add(each)
    records.close()
    database.close()
    return Shell(url)


def test_every_kind_is_listed_the_worst_first(shell: Shell) -> None:
    lines = shell.run("list").stdout.splitlines()

    assert lines[0].split()[:4] == ["open", "contract", "1", "x"]
    assert lines[1].endswith(f"files  {MODE}")
    assert len(lines) == 4


def test_a_list_can_be_narrowed(shell: Shell) -> None:
    shell.run("accept", *MODE.split(), *SAID)

    assert [kind["signature"] for kind in shell.told("list", "--state", "accepted")["kinds"]] == [MODE]
    assert [kind["tools"] for kind in shell.told("list", "--tool", "upload")["kinds"]] == [["upload"]]


def test_accepting_takes_a_kind_out_of_the_report_and_reopening_brings_it_back(shell: Shell) -> None:
    assert shell.differing() == 9

    accepted = shell.run("accept", *MODE.split(), *SAID)

    assert accepted.stderr == "6 recorded calls no longer count as differing\n"
    assert accepted.stdout == f"done: accept '{MODE}'\n"
    assert (shell.differing(), shell.states()[MODE]) == (3, "accepted")
    reopened = shell.run("reopen", *MODE.split(), *SAID)
    assert reopened.stderr == "6 recorded calls count again\n"
    assert (shell.differing(), shell.states()[MODE]) == (9, "open")


def test_show_tells_samples_and_all_that_was_said(shell: Shell) -> None:
    shell.run("accept", MODE, *SAID)
    shell.run("reopen", MODE, *SAID)

    text, told = shell.run("show", MODE).stdout, shell.told("show", MODE)
    assert "content, 6 calls of files" in text
    assert "old 0644" in text
    assert [each["saying"] for each in told["said"]] == ["accept", "reopen"]
    assert (told["schema"], len(told["samples"])) == ("crossfade.diff/1", 5)


def test_a_rule_hides_what_it_names_until_its_day(shell: Shell) -> None:
    shell.run("ignore", "fs.list entry.* value", "--until", "30d", "--owner", "team", *SAID)

    listed = shell.told("list")
    assert shell.states()["fs.list entry.mode value"] == "ignored"
    assert [(rule["subject"], rule["owner"], rule["author"]) for rule in listed["rules"]] == [
        ("fs.list entry.* value", "team", "ada")
    ]
    assert shell.differing() == 8
    assert "team: fs.list entry.* value: E2B's umask is 077" in shell.run("list").stdout


def test_a_kind_under_a_rule_names_the_rule_to_reopen(shell: Shell) -> None:
    shell.run("ignore", "fs.list entry.* value", "--until", "30d", "--owner", "team", *SAID)

    with pytest.raises(Refused, match=r"ignored by the rule 'fs\.list entry\.\* value': reopen that"):
        shell.run("reopen", "fs.list entry.mode value", *SAID)

    shell.run("reopen", "fs.list entry.* value", *SAID)
    assert shell.states()["fs.list entry.mode value"] == "open"


@pytest.mark.parametrize("pattern", ["*", "fs.info *", "fs.mkdir status new 500", "fs.* mode value"])
def test_a_rule_that_is_too_broad_is_refused_and_not_kept(shell: Shell, pattern: str) -> None:
    with pytest.raises(Refused, match="is refused"):
        shell.run("ignore", pattern, "--until", "30d", "--owner", "team", *SAID)

    assert shell.told("list")["rules"] == []


@pytest.mark.parametrize("until", ["91.5d", "200d", "0d", "2020-01-01", "soon", "2999-01-01"])
def test_a_rule_without_an_end_in_reach_is_refused(shell: Shell, until: str) -> None:
    with pytest.raises(SettingsError, match="--until"):
        shell.run("ignore", MODE, "--until", until, "--owner", "team", *SAID)


def test_what_was_cut_short_cannot_be_accepted(shell: Shell) -> None:
    with pytest.raises(Refused, match="not looked at in full"):
        shell.run("accept", "fs.download without detail: more than 8 MiB", *SAID)


def test_a_broken_contract_can_be_accepted_by_its_name(shell: Shell) -> None:
    shell.run("accept", "fs.mkdir status new 500", *SAID)

    assert shell.differing() == 8


def test_a_kind_said_to_be_fixed_still_counts(shell: Shell) -> None:
    shell.run("fixed", MODE, *SAID)

    assert (shell.states()[MODE], shell.differing()) == ("fixed", 9)


def test_a_dry_run_says_the_effect_and_keeps_nothing(shell: Shell) -> None:
    told = shell.told("accept", MODE, "--reason", "why", "--author", "ada", "--dry-run")

    assert (told["kept"], told["calls"], told["judgement"]["subject"]) == (False, 6, MODE)
    assert shell.states()[MODE] == "open"


def test_an_answer_of_no_keeps_nothing(shell: Shell) -> None:
    result = shell.run("accept", MODE, "--reason", "why", "--author", "ada", typed="n\n")

    assert result.exit_code == 1
    assert shell.states()[MODE] == "open"


def test_no_reason_no_change(shell: Shell) -> None:
    assert shell.run("accept", MODE, "--yes").exit_code == 2
    assert shell.run("ignore", MODE, "--until", "5d", "--owner", " ", *SAID).exit_code == 2


def test_an_unknown_name_is_answered_with_close_ones(shell: Shell) -> None:
    with pytest.raises(SettingsError, match=r"did you mean 'fs\.info mode value'"):
        shell.run("accept", "fs.info mod value", *SAID)


def test_nothing_was_said_so_nothing_is_taken_back(shell: Shell) -> None:
    with pytest.raises(Refused, match="nothing was said"):
        shell.run("reopen", MODE, *SAID)


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no such file"):
        Shell(f"sqlite:///{tmp_path}/none.db").run("list")


def test_the_report_says_who_explained_what_and_how_many_calls(shell: Shell, tmp_path: Path) -> None:
    shell.run("accept", MODE, *SAID)
    CliRunner().invoke(report, ["--store", shell.url, "--out", str(tmp_path)], catch_exceptions=False)

    page, text = ((tmp_path / name).read_text() for name in ("report.html", "report.md"))
    tools = json.loads((tmp_path / "report.json").read_text())["tools"]
    assert "6 more explained" in page
    assert "6 calls that differ are left out: accepted or ignored." in text
    assert 'accepted: <span lang="en">E2B&#39;s umask is 077 (ada)' in page
    assert "Accepted or ignored, and in no number above: 6 of files." in text
    assert [(tool["explained"], tool["differing"]) for tool in tools if tool["tool"] == "files"] == [(6, 2)]
