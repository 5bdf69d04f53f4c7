"""A ramp whose flags are a LaunchDarkly account's: turned by its REST API, seen by its stream, through the real SDK."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade.errors import Unreachable
from policies.ramp import Mode, Plan, State
from router.admin.desk import AccountDesk
from router.admin.ramps import DeskBoard
from router.flags import patches, schema
from router.flags.account import AccountApi
from router.flags.shown import shares_of
from router.flags.source import flag_source
from router.ramp.pilot import AUTHOR, Pilot
from router.settings import FlagSettings
from router.store.audit import SqlAudit
from router.store.ramps import SqlRamps
from tests.flags.conftest import Given, until
from tests.flags.launchdarkly_api import ENVIRONMENT, PROJECT, TOKEN, Api
from tests.flags.launchdarkly_server import KEY, serving
from tests.ramp.place import BAD, GOOD, SIGNED, Place

FILES = schema.key_of("files")


class Account:
    """The account, and a pilot that turns its flags."""

    def __init__(self, place: Place, api: Api, settings: FlagSettings, directory: Path) -> None:
        self.place, self.api, self.settings = place, api, settings
        self.source = flag_source(settings, Given(), directory / "last.flags.json")
        self.source.start()
        with AccountApi(api.url, TOKEN, PROJECT, ENVIRONMENT) as made:
            made.make(patches.new_flag("files", migration=False))
            made.make(patches.new_kill())
        audit = SqlAudit(place.database, now=lambda: place.now)
        board = DeskBoard(AccountDesk(self.source.flags, settings, audit))
        self.pilot = Pilot(
            SqlRamps(place.database), board, place.evidence, lambda: place.facts, audit, lambda: place.now
        )

    def shares(self) -> dict[str, float]:
        """As the router's SDK has them."""
        return shares_of(self.source.flags.current.get(FILES))

    def set(self, text: str) -> None:
        """By somebody in LaunchDarkly's own dashboard."""
        with AccountApi(self.api.url, TOKEN, PROJECT, ENVIRONMENT) as api:
            there = api.flag(FILES)
            assert there is not None
            api.change(FILES, patches.shares(there, schema.shares(text), ENVIRONMENT), "by hand")

    def state(self) -> State:
        return SqlRamps(self.place.database).read()["files"].state


@pytest.fixture
def account(place: Place, tmp_path: Path) -> Iterator[Account]:
    with serving() as stream:
        api = Api(stream)
        addresses: dict[str, Any] = dict.fromkeys(("stream_url", "base_url", "events_url"), stream.url)
        names: dict[str, Any] = {"project": PROJECT, "environment": ENVIRONMENT, "api_url": api.url}
        settings = FlagSettings(
            source="launchdarkly", sdk_key=KEY, api_token=TOKEN, send_events=False, **addresses, **names
        )
        account = Account(place, api, settings, tmp_path)
        yield account
        account.source.close()
        api.close()


def begun(account: Account, shares: str, expected: dict[str, float]) -> Pilot:
    account.set(shares)
    until(lambda: account.shares() == expected)
    account.pilot.plan(Plan(tool="files", mode=Mode.ACT, least_days=0), **SIGNED)
    account.pilot.start("files", **SIGNED)
    account.place.now += 3600
    return account.pilot


def test_it_advances_and_steps_back_in_the_account_with_its_reason_as_comment(account: Account) -> None:
    pilot = begun(account, "live=10,shadow=90", {"shadow": 90.0, "live": 10.0})
    account.place.count(GOOD)
    pilot.evaluate()
    until(lambda: account.shares() == {"shadow": 50.0, "live": 50.0})
    assert account.api.comments[-1].startswith("Go to 50 % live: error rate at most 0.4 %")
    assert account.api.comments[-1].endswith(f"({AUTHOR})")

    account.place.now += 3600
    account.place.count(BAD)
    pilot.evaluate()
    until(lambda: account.shares() == {"shadow": 100.0})
    assert account.api.comments[-1].startswith("Back to shadow: ")
    assert account.state() is State.STOPPED
    acts = [action for action, author in account.place.acts() if author == AUTHOR]
    assert acts == ["ramp.advance", "flag.set", "ramp.back", "flag.set"]


def test_a_flag_that_was_changed_in_the_account_and_not_streamed_yet_is_left_as_it_is(account: Account) -> None:
    pilot = begun(account, "live=10,shadow=90", {"shadow": 90.0, "live": 10.0})
    seen = pilot.board.read()
    account.set("shadow")

    class Behind:
        """The router's view of a moment ago; what is turned is turned in the account."""

        def __init__(self, board: Any) -> None:
            self.read = lambda: seen
            self.turn = board.turn

    pilot.board = Behind(pilot.board)
    writes = account.api.writes
    account.place.count(GOOD)
    pilot.evaluate()

    assert account.api.writes == writes
    until(lambda: account.shares() == {"shadow": 100.0})
    assert account.state() is State.RUNNING


def test_an_account_that_does_not_answer_is_tried_again_the_next_minute(account: Account) -> None:
    pilot = begun(account, "live=10,shadow=90", {"shadow": 90.0, "live": 10.0})
    account.place.count(GOOD)
    account.api.trouble = [503]
    pilot.evaluate()
    assert account.state() is State.RUNNING
    with pytest.raises(Unreachable):
        account.api.trouble = [503]
        pilot.take("files", **SIGNED)

    account.place.now += 60
    account.place.count(GOOD, units=1)
    pilot.evaluate()
    until(lambda: account.shares() == {"shadow": 50.0, "live": 50.0})
