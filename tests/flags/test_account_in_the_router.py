"""A router whose flags are an account's: what it takes from the settings, and an outage that moves nobody."""

from pathlib import Path

import pytest

from crossfade.errors import SettingsError
from crossfade.stage import TOOLS
from router.app import assembled
from router.settings import Settings, parse
from tests.flags.conftest import flag, stage, until
from tests.flags.launchdarkly_server import KEY, serving

KEYS = [f"sandbox-{number}" for number in range(200)]


def settings(directory: Path, url: str) -> Settings:
    return parse(f"""
[origins.old]
url = "http://127.0.0.1:1/api"
key = "own-key"
[flags]
source = "launchdarkly"
sdk_key = "{KEY}"
stream_url = "{url}"
base_url = "{url}"
events_url = "{url}"
[store]
url = "sqlite:///{directory}/state.db"
""")


async def test_a_restart_while_the_account_is_away_changes_nobody_s_stage(tmp_path: Path) -> None:
    with serving() as server:
        server.put(*(flag(tool, "live=50,shadow=50") for tool in TOOLS))
        async with assembled(settings(tmp_path, server.url)) as app:
            until(lambda: app.flags.fresh_at > 0)
            before = {(tool, key): stage(app.flags, tool, key) for tool in TOOLS for key in KEYS}
        assert set(before.values()) == {"live", "shadow"}
        server.stop()

        async with assembled(settings(tmp_path, server.url)) as app:
            assert {(tool, key): stage(app.flags, tool, key) for tool in TOOLS for key in KEYS} == before
            assert app.flags.fresh_at == 0  # crossfade_flags_fresh, which an alert watches


def test_an_account_without_its_key_is_refused_with_the_line(tmp_path: Path) -> None:
    text = '[origins.old]\nurl = "http://h/api"\n[flags]\nsource = "launchdarkly"\n'
    with pytest.raises(SettingsError, match=r":3: flags.sdk_key is missing; .*LAUNCHDARKLY_SDK_KEY"):
        parse(text)
