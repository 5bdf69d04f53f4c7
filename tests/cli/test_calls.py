"""crossfade calls."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossfade.errors import SettingsError
from router.cli.calls import calls
from router.store.database import open_database
from router.store.records import SqlRecords
from tests.store.store_examples import differing, record


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/state.db"
    database = open_database(url)
    records = SqlRecords(database)
    records.add(record(id="aa1", tool="web", dropped="lane full", matched=None))
    records.add(differing(id="bb1", reason="files is live; follower is joined", sandbox="sb-\x1b[31m"))
    records.add(record(id="bb2"))
    records.close()
    database.close()
    return url


def run(*arguments: str) -> str:
    return CliRunner().invoke(calls, list(arguments), catch_exceptions=False).stdout


def test_tail_shows_a_line_a_call_with_what_came_of_it(store: str) -> None:
    lines = run("tail", "--store", store).splitlines()

    assert [line.split()[1] for line in lines] == ["aa1", "bb1", "bb2"]
    assert "not compared: lane full" in lines[0]
    assert "differs (content): fs.info mode value" in lines[1]
    assert "agrees" in lines[2]


def test_tail_picks(store: str) -> None:
    assert "aa1" in run("tail", "--store", store, "--tool", "web")
    assert json.loads(run("tail", "--store", store, "--differing", "--json"))["id"] == "bb1"
    assert len(run("tail", "--store", store, "--limit", "1").splitlines()) == 1


def test_show_tells_reason_and_differences_and_steers_no_terminal(store: str) -> None:
    page = run("show", "bb1", "--store", store)

    assert "answered by  new: files is live; follower is joined" in page
    assert "old 0644" in page
    assert "new 0600" in page
    assert "\x1b" not in page


def test_show_as_json_has_a_schema(store: str) -> None:
    found = json.loads(run("show", "aa", "--store", store, "--json"))

    assert (found["schema"], found["id"]) == ("crossfade.call/1", "aa1")


def test_an_id_that_is_unknown_or_ambiguous_is_an_error(store: str) -> None:
    with pytest.raises(SettingsError, match="no call 'zz'"):
        run("show", "zz", "--store", store)
    with pytest.raises(SettingsError, match="more than one call: bb1, bb2"):
        run("show", "bb", "--store", store)


def test_following_goes_on_with_new_calls(store: str) -> None:
    program = "from router.cli.calls import calls; calls()"
    command = [sys.executable, "-u", "-c", program, "tail", "--follow", "--json", "--limit", "1", "--store", store]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["id"] == "bb2"
        database = open_database(store)
        records = SqlRecords(database)
        records.add(record(id="cc1"))
        records.close()
        database.close()

        assert json.loads(follower.stdout.readline())["id"] == "cc1"
    finally:
        follower.kill()
        follower.communicate()
