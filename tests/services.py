"""Real services that the suites run against, where the environment names them; see tests/README.md."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Daytona:
    """A Daytona account. `url` ends in /api."""

    url: str
    key: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class E2B:
    """An E2B account. `url` and `sandbox_url` are empty for E2B's own cloud."""

    key: str
    domain: str
    url: str
    sandbox_url: str
    template: str


def daytona() -> Daytona | None:
    """The account in CROSSFADE_TEST_DAYTONA_URL, _KEY and _SNAPSHOT."""
    url, key = (os.environ.get(f"CROSSFADE_TEST_DAYTONA_{name}", "") for name in ("URL", "KEY"))
    return Daytona(url, key, os.environ.get("CROSSFADE_TEST_DAYTONA_SNAPSHOT", "")) if url and key else None


def e2b() -> E2B | None:
    """The account in CROSSFADE_TEST_E2B_KEY, _DOMAIN, _URL, _SANDBOX_URL and _TEMPLATE."""
    names = {"DOMAIN": "e2b.app", "URL": "", "SANDBOX_URL": "", "TEMPLATE": "base"}
    told = {name: os.environ.get(f"CROSSFADE_TEST_E2B_{name}", default) for name, default in names.items()}
    key = os.environ.get("CROSSFADE_TEST_E2B_KEY", "")
    return E2B(key, told["DOMAIN"], told["URL"], told["SANDBOX_URL"], told["TEMPLATE"]) if key else None


def envd() -> str:
    """The address of an envd that runs somewhere: E2B_SANDBOX_URL, as E2B's own SDKs take it."""
    return os.environ.get("E2B_SANDBOX_URL", "")


MISSING = {
    "daytona": "no real Daytona: set CROSSFADE_TEST_DAYTONA_URL (ending in /api) and CROSSFADE_TEST_DAYTONA_KEY",
    "e2b": "no real E2B: set CROSSFADE_TEST_E2B_KEY, and _DOMAIN, _URL, _SANDBOX_URL, _TEMPLATE where they differ",
    "envd": "no real envd: set E2B_SANDBOX_URL to its address",
}
