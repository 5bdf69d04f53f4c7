"""`crossfade flags push|list|set` and `crossfade kill` on an account: changed by its API, seen by a router's stream."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crossfade.errors import Conflict, CrossfadeError, Refused, SettingsError, Unreachable
from crossfade.stage import TOOLS
from policies.buckets import bucket, on_new
from router.cli.flags import flags
from router.cli.kill import kill
from router.flags import schema
from router.flags.source import FlagSource, flag_source
from router.settings import FlagSettings
from tests.flags.conftest import SEED, Given, stage, until
from tests.flags.launchdarkly_api import ENVIRONMENT, PROJECT, TOKEN, Api
from tests.flags.launchdarkly_server import KEY, serving

KEYS = [f"sandbox-{number}" for number in range(500)]
FILES = schema.key_of("files")


@dataclass
class Account:
    """An account, settings that name it, and a router's flags that follow it."""

    api: Api
    config: Path
    source: FlagSource

    def run(self, *words: str, command: Any = flags, typed: str = "") -> Result:
        environment = {"CROSSFADE_CONFIG": str(self.config), "CROSSFADE_AUTHOR": "ada"}
        return CliRunner().invoke(command, list(words), env=environment, input=typed)

    def push(self, *words: str) -> None:
        assert self.run("push", "--yes", *words).exit_code == 0
        until(lambda: stage(self.source.flags, "web") == "off")

    def give(self, tool: str, shares: str) -> None:
        done = self.run("set", tool, shares, "--reason", "week 1", "--yes")
        assert done.exit_code == 0, (done.output, done.exception)

    def live(self, tool: str = "files") -> set[str]:
        return {key for key in KEYS if stage(self.source.flags, tool, key) == "live"}


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with serving() as stream:
        api = Api(stream)
        addresses: dict[str, Any] = dict.fromkeys(("stream_url", "base_url", "events_url"), stream.url)
        config = tmp_path / "crossfade.toml"
        lines = {**addresses, "sdk_key": KEY, "api_url": api.url, "api_token": TOKEN, "project": PROJECT}
        lines |= {"source": "launchdarkly", "environment": ENVIRONMENT}
        text = "".join(f'{name} = "{value}"\n' for name, value in lines.items())
        config.write_text(f'[origins.old]\nurl = "http://127.0.0.1:1/api"\n[flags]\n{text}send_events = false\n')
        settings = FlagSettings(source="launchdarkly", sdk_key=KEY, send_events=False, **addresses)
        source = flag_source(settings, Given(), tmp_path / "last.flags.json")
        source.start()
        yield Account(api, config, source)
        source.close()
        api.close()


def test_push_makes_what_is_missing_once_and_all_of_it_is_off(account: Account) -> None:
    tried = account.run("push", "--dry-run", "--json")
    assert json.loads(tried.stdout)["changed"] is False
    assert account.api.flags == {}

    account.push()
    assert set(account.api.flags) == {*(schema.key_of(tool) for tool in TOOLS), schema.KILL}
    assert {stage(account.source.flags, tool) for tool in TOOLS} == {"off"}

    del account.api.flags[FILES]
    assert account.run("push", "--yes").stdout.startswith(f"made 1 of 13 flags: {FILES}")
    assert "all are there" in account.run("push", "--yes").stdout


@pytest.mark.parametrize("kind", ["string", "migration"])
def test_shares_are_the_embedded_source_s_sandboxes_and_nested(account: Account, kind: str) -> None:
    account.push(*(["--migration"] if kind == "migration" else []))
    found: list[set[str]] = []
    for percent in (10, 50, 100, 10):
        rest = f",shadow={100 - percent}" if percent < 100 else ""
        account.give("files", f"live={percent}{rest}")
        expected = {key for key in KEYS if on_new(bucket(key, SEED), percent)}
        until(partial(_is_live, account, expected))
        found.append(expected)

    assert found[0] < found[1] < found[2] == set(KEYS)
    assert found[3] == found[0]
    assert {stage(account.source.flags, "files", key) for key in KEYS} == {"live", "shadow"}
    assert account.api.comments[-1] == "week 1 (ada)"
    # All tools of a sandbox move together, though LaunchDarkly salts each flag.
    account.give("web", "live=10,shadow=90")
    until(lambda: account.live("web") == account.live("files"))


def _is_live(account: Account, expected: set[str]) -> bool:
    return account.live() == expected


def test_rules_of_others_stay_and_come_first(account: Account) -> None:
    account.push()
    clause = {"contextKind": "sandbox", "attribute": "key", "op": "in", "values": [KEYS[0]], "negate": False}
    theirs = {"_id": "their-rule", "description": "canary", "clauses": [clause], "variation": 5}
    account.api.flags[FILES]["environments"][ENVIRONMENT]["rules"].append(theirs)

    account.give("files", "live=10,shadow=90")
    account.give("files", "live=50,shadow=50")
    until(lambda: len(account.live()) > 200)

    rules = account.api.flags[FILES]["environments"][ENVIRONMENT]["rules"]
    assert [rule["description"] for rule in rules] == ["canary", "crossfade: live"]
    assert stage(account.source.flags, "files", KEYS[0]) == "complete"
    assert "live 50 %, shadow 50 %; 1 rules of yours before that" in account.run("list").stdout


def test_kill_and_back(account: Account) -> None:
    account.push()
    account.give("files", "live")
    until(lambda: stage(account.source.flags) == "live")

    done = account.run("--reason", "outage", "--yes", command=kill)
    assert done.exit_code == 0, done.exception
    until(lambda: stage(account.source.flags) == "off")

    account.run("--lift", "--reason", "over", "--yes", command=kill)
    until(lambda: stage(account.source.flags) == "live")


def test_nothing_is_sent_unless_it_is_agreed_to(account: Account) -> None:
    account.push()
    writes = account.api.writes
    assert account.run("set", "files", "live", "--reason", "r", typed="n\n").exit_code == 1
    tried = account.run("set", "files", "live", "--reason", "r", "--dry-run", "--json")
    assert json.loads(tried.stdout)["instructions"][-1]["kind"] == "updateFallthroughVariationOrRollout"
    assert account.api.writes == writes


@pytest.mark.parametrize(
    ("trouble", "error"),
    [([401], Refused), ([403], Refused), ([409], Conflict), ([429, 429], Unreachable), ([503], Unreachable),
     ([400], SettingsError)],
)  # fmt: skip
def test_what_the_account_refuses_is_said_without_the_token(
    account: Account, trouble: list[int], error: type[CrossfadeError]
) -> None:
    account.push()
    account.api.trouble = list(trouble)
    done = account.run("set", "files", "live", "--reason", "r", "--yes")

    assert type(done.exception) is error
    assert str(trouble[0]) in str(done.exception) and TOKEN not in str(done.exception)


def test_a_pause_that_is_asked_for_is_kept_once(account: Account) -> None:
    account.push()
    account.api.trouble = [429]
    account.give("files", "live")


def test_bad_input_names_the_fix(account: Account) -> None:
    nothing = account.run("set", "files", "live", "--reason", "r", "--yes")
    assert "crossfade flags push" in str(nothing.exception)
    account.push()
    assert "no stage" in str(account.run("set", "files", "alive", "--reason", "r", "--yes").exception)
    assert account.run("set", "files", "--sandbox", "k=live", "--reason", "r", "--yes").exit_code == 2
    assert account.run("set", "files", "live", "--yes").exit_code == 2

    account.config.write_text(account.config.read_text().replace(ENVIRONMENT, "staging"))
    assert "no environment 'staging'; it has: production" in str(account.run("list").exception)
    account.config.write_text(account.config.read_text().replace(f'project = "{PROJECT}"', ""))
    assert "flags.project" in str(account.run("list").exception)
