"""`crossfade flags export` and `import`: the same answers from a file's flags as from those it was made of."""

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade.errors import SettingsError
from router.flags import schema
from tests.cli.test_flags import SETTINGS, Shell
from tests.flags.conftest import flag


@pytest.fixture
def shells(tmp_path: Path) -> tuple[Shell, Shell]:
    made = []
    for name in ("here", "there"):
        directory = tmp_path / name
        directory.mkdir()
        (directory / "crossfade.toml").write_text(SETTINGS.format(path=directory / "state.db"))
        made.append(Shell(directory))
    return made[0], made[1]


def written(directory: Path, flags: Any) -> str:
    path = directory / "flags.json"
    path.write_text(json.dumps({"flags": flags}))
    return str(path)


def test_flags_go_whole_from_one_store_to_another(shells: tuple[Shell, Shell]) -> None:
    here, there = shells
    here.set("files", "live=10,shadow=90", "--sandbox", "k=complete")
    here.set("shell", "shadow")
    file = here.directory / "out.json"
    assert here.invoke("export", "--out", str(file)).exception is None
    there.set("shell", "off")
    dry = there.invoke("import", str(file), "--reason", "move", "--dry-run", "--json")
    before = there.flag("files")
    done = there.invoke("import", str(file), "--reason", "move", "--yes")
    again = there.invoke("import", str(file), "--reason", "move", "--yes")

    assert json.loads(dry.output)["flags"] == [schema.key_of("files"), schema.key_of("shell")]
    assert before is None
    assert done.output.startswith("changed 2 of 2 flags"), done.output
    assert again.output == "changed 0 of 2 flags: all are as in the file\n"
    assert {**there.flag("files"), "version": 0} == {**here.flag("files"), "version": 0}
    assert (there.flag("files")["version"], there.flag("shell")["version"]) == (1, 2)


def test_the_file_is_one_that_launchdarkly_s_sdk_reads(shells: tuple[Shell, Shell], tmp_path: Path) -> None:
    from ldclient import Context
    from ldclient.client import LDClient
    from ldclient.config import Config
    from ldclient.integrations import Files

    here, _ = shells
    here.set("files", "live")
    file = tmp_path / "out.json"
    here.invoke("export", "--out", str(file))
    source = Files.new_data_source(paths=[str(file)])
    client = LDClient(Config("local", update_processor_class=source, send_events=False), start_wait=5)
    try:
        assert client.variation(schema.key_of("files"), Context.builder("k").kind("sandbox").build(), "none") == "live"
    finally:
        client.close()


BROKEN = {**flag("files", "live"), "fallthrough": {"variation": 99}}
_IN_SEGMENT = {"attribute": "", "op": "segmentMatch", "values": ["vip"], "negate": False}
SEGMENTS = {**flag("files", "live"), "rules": [{"id": "r", "variation": 0, "clauses": [_IN_SEGMENT]}]}


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({}, "holds no flags"),
        ([], "holds no flags"),
        ({schema.key_of("files"): BROKEN}, "cannot be read"),
        ({schema.key_of("files"): flag("shell", "live")}, "says that it is"),
        ({f"{schema.PREFIX}nobody": {**flag("files", "live"), "key": f"{schema.PREFIX}nobody"}}, "no tool 'nobody'"),
        ({schema.key_of("files"): SEGMENTS}, "segments"),
        ({"other": 5}, "says that it is"),
    ],
)
def test_a_file_with_one_wrong_flag_changes_nothing_and_names_it(
    flags: Any, named: str, shells: tuple[Shell, Shell]
) -> None:
    here, _ = shells
    good = {schema.key_of("web"): flag("web", "live")} if isinstance(flags, dict) and flags else {}
    asked = written(here.directory, {**good, **flags} if isinstance(flags, dict) else flags)
    result = here.invoke("import", asked, "--reason", "r", "--yes")

    assert isinstance(result.exception, SettingsError), result.output
    assert named in str(result.exception)
    assert not (here.directory / "state.db").exists()


def test_a_file_that_is_no_json_says_so(shells: tuple[Shell, Shell]) -> None:
    here, _ = shells
    (here.directory / "x.json").write_text("{")
    result = here.invoke("import", str(here.directory / "x.json"), "--reason", "r", "--yes")

    assert "holds no flags" in str(result.exception)


def test_what_an_account_s_router_saw_last_is_exported(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    (tmp_path / "crossfade.toml").write_text(
        SETTINGS.format(path=tmp_path / "state.db") + '[flags]\nsource = "launchdarkly"\nsdk_key = "k"\n'
    )
    early = shell.invoke("export")
    files = flag("files", "live")
    kept = {"flags": {files["key"]: files}, "beside": {}, "segments": {}}
    (tmp_path / "state.flags.json").write_text(json.dumps(kept))
    later = shell.invoke("export")

    assert "no router kept its flags" in str(early.exception)
    assert json.loads(later.output) == {"flags": {files["key"]: files}, "segments": {}}
