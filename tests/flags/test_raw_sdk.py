"""The same flag means the same to LaunchDarkly's evaluator, fed without us, and to us."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ldclient import Context
from ldclient.client import LDClient
from ldclient.config import Config
from ldclient.integrations import Files

from policies.buckets import bucket
from router.flags import schema
from router.flags.embedded import EmbeddedFlags
from tests.flags.conftest import SEED, Given, flag, stage

SHARES = {
    "files": "live=10,shadow=90",
    "shell": "off=20,dualwrite=10,shadow=20,live=20,rampdown=20,complete=10",
    "web": "live=33.333,shadow=66.667",
    "kb": "complete",
    "browser": "off=99.999,live=0.001",
}
FLAGS = {schema.key_of(tool): flag(tool, text) for tool, text in SHARES.items()}
KEYS = [f"sandbox-{number}" for number in range(1_000)] + ["ключ", "a b", "0"]


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Callable[[str, str], Any]]:
    """The SDK's own client on the SDK's own file source."""
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"flags": FLAGS}))
    source = Files.new_data_source(paths=[str(path)])
    client = LDClient(Config("local", update_processor_class=source, send_events=False), start_wait=5)

    def evaluate(tool: str, key: str) -> Any:
        context = Context.builder(key).kind("sandbox").set("bucket", bucket(key, SEED)).build()
        return client.variation(schema.key_of(tool), context, "none")

    yield evaluate
    threading.Thread(target=client.close, daemon=True).start()


@pytest.mark.parametrize("tool", SHARES)
def test_the_sdk_alone_and_we_say_the_same_of_every_key(
    tool: str, raw: Callable[[str, str], Any], following: Callable[..., EmbeddedFlags]
) -> None:
    ours = following(Given(FLAGS))

    assert {key: stage(ours, tool, key) for key in KEYS} == {key: raw(tool, key) for key in KEYS}
