"""Users, sessions, attempts, command lines and the plot of the dashboard."""

import json
import os
import shlex
import stat
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from crossfade.errors import SettingsError
from router.cli.dashboard import dashboard
from router.dashboard import command_line
from router.dashboard.attempts import WINDOW_SECONDS, Attempts
from router.dashboard.pages.differences import SAYINGS
from router.dashboard.pages.sandboxes import ACTS
from router.dashboard.pages.tools import asked_value
from router.dashboard.plot import evidence_plot
from router.dashboard.sessions import Sessions
from router.dashboard.users import Role, Users
from router.dashboard.visit import safe_target
from tests.dashboard.place import PASSWORD
from tests.reading import parse

SETTINGS = '[origins.old]\nurl = "http://127.0.0.1:1/api"\n[dashboard]\nusers_file = "{file}"\n'


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_password_is_kept_as_a_hash_that_nobody_else_may_read(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    Users(file).put("olga", Role.OPERATOR, PASSWORD)

    assert PASSWORD not in file.read_text() and "$argon2id$" in file.read_text()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    users = Users(file)
    assert users.signs_in("olga", PASSWORD) == users.all()["olga"]
    assert users.signs_in("olga", PASSWORD + "x") is None
    assert users.signs_in("nobody", PASSWORD) is None


def test_a_change_of_the_file_is_seen_and_a_broken_one_said(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    reader, writer = Users(file), Users(file)
    assert reader.all() == {}
    writer.put("vera", Role.VIEWER, PASSWORD)
    assert reader.all()["vera"].role is Role.VIEWER
    writer.remove("vera")
    assert reader.all() == {}
    file.write_text("{}")
    with pytest.raises(SettingsError, match="no file of users"):
        reader.all()


@pytest.mark.parametrize(
    ("name", "password"), [(" olga", PASSWORD), ("", PASSWORD), ("o\n", PASSWORD), ("olga", "short")]
)
def test_a_bad_name_or_password_is_refused(tmp_path: Path, name: str, password: str) -> None:
    with pytest.raises(SettingsError):
        Users(tmp_path / "users.json").put(name, Role.VIEWER, password)


def test_the_command_line_takes_a_password_from_a_file_the_environment_or_a_person(tmp_path: Path) -> None:
    config, file, secret = tmp_path / "crossfade.toml", tmp_path / "users.json", tmp_path / "secret"
    config.write_text(SETTINGS.format(file=file))
    secret.write_text(f"{PASSWORD} file\n")

    def run(*words: str, typed: str = "", env: str | None = None) -> str:
        variables = {"CROSSFADE_DASHBOARD_PASSWORD": env}
        done = CliRunner().invoke(dashboard, [*words, "--config", str(config)], input=typed, env=variables)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    run("user", "add", "a", "--role", "viewer", "--password-file", str(secret))
    run("user", "add", "b", "--role", "operator", env=f"{PASSWORD} env")
    shown = run("user", "add", "c", "--role", "operator", typed=f"{PASSWORD} typed\n{PASSWORD} typed\n")
    assert PASSWORD not in shown

    users = Users(file)
    signed_in = {
        name: users.signs_in(name, f"{PASSWORD} {how}")
        for name, how in zip("abc", ("file", "env", "typed"), strict=True)
    }
    assert all(signed_in.values())
    listed = json.loads(run("user", "list", "--json"))["users"]
    assert listed[0] == {"name": "a", "role": "viewer"}
    run("user", "remove", "a")
    assert list(Users(file).all()) == ["b", "c"]


def test_a_session_ends_when_it_is_old_or_idle_or_signed_out() -> None:
    now = Hand()
    sessions = Sessions(100, 10, now)
    value = sessions.begin("olga", 1.0)
    for _ in range(11):
        now.seconds += 9
        assert sessions.of(value) is not None
    now.seconds += 9
    assert sessions.of(value) is None  # old, though never idle

    idle, out = sessions.begin("olga", 1.0), sessions.begin("olga", 1.0)
    sessions.end(out)
    assert sessions.of(out) is None
    now.seconds += 11
    assert sessions.of(idle) is None
    assert sessions.of("") is None and idle != out


def test_wrong_passwords_are_counted_until_they_are_old_or_one_is_right() -> None:
    now = Hand()
    attempts = Attempts(3, now)
    for _ in range(3):
        assert attempts.wait_seconds("olga") == 0
        attempts.begin("olga")
    assert attempts.wait_seconds("olga") == WINDOW_SECONDS
    assert attempts.wait_seconds("omar") == 0

    now.seconds += WINDOW_SECONDS
    assert attempts.wait_seconds("olga") == 0
    for _ in range(3):
        attempts.begin("olga")
    attempts.take_back("olga")
    assert attempts.wait_seconds("olga") == 0
    attempts.begin("olga")
    assert attempts.wait_seconds("olga") == WINDOW_SECONDS
    attempts.forget("olga")
    assert attempts.wait_seconds("olga") == 0


@pytest.mark.parametrize(
    "line",
    [
        command_line.set_flag("files", "live=50,shadow=50"),
        command_line.kill(on=True),
        command_line.kill(on=False),
        *(command_line.say(saying, "fs.list * $(x)", "o'hara", "30d") for saying in SAYINGS),
        *(command_line.twin(act, "an id; rm -rf /") for act in ACTS),
    ],
)
def test_a_button_shows_a_command_that_the_command_line_takes(line: str) -> None:
    words = shlex.split(line)

    assert words[0] == "crossfade"
    parse(words[1:])


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ({"share": "50", "rest": "shadow"}, "live=50,shadow=50"),
        ({"share": "0", "rest": "off"}, "off"),
        ({"share": "100"}, "live"),
        ({"share": "101"}, ""),
        ({"share": "-1"}, ""),
        ({"share": "7", "rest": "live"}, "live=7,shadow=93"),
        ({"value": " complete ", "share": "1"}, "complete"),
        ({}, ""),
    ],
)
def test_an_address_says_which_shares_are_thought_of(query: dict[str, str], value: str) -> None:
    assert asked_value(query) == value


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "", "tools", "/a\nb"])
def test_after_signing_in_one_stays_here(target: str) -> None:
    assert safe_target(target) == "/"
    assert safe_target("/tools/files?share=50") == "/tools/files?share=50"


def point(hour: int, compared: int, share: float, lower: float, upper: float) -> dict[str, float]:
    return {"hour": hour * 3600, "compared": compared, "share": share, "lower": lower, "upper": upper}


def test_the_plot_has_the_margin_above_a_bound_that_is_under_it() -> None:
    picture = ElementTree.fromstring(
        evidence_plot([point(1, 0, 0, 0, 1), point(2, 50, 0, 0, 0.08), point(3, 900, 0.01, 0.002, 0.02)], 0.05, "<a>")
    )
    parts = {each.get("class"): each for each in picture}

    margin = float(parts["margin"].get("y1") or 0)
    first, last = (float(place.split(",")[1]) for place in (parts["bound"].get("points") or "").split())
    assert first < margin < last  # y grows downwards
    assert picture.get("aria-label") == "<a>"


def test_nothing_compared_is_no_plot() -> None:
    assert evidence_plot([], 0.05, "a") == evidence_plot([point(1, 0, 0, 0, 1)], 0.05, "a") == ""
    assert "<svg" in evidence_plot([point(1, 5, 0.4, 0.1, 0.9)], 0.05, "a")
