"""Names of what Daytona's API can do and other providers cannot: for refusals that say what is missing.

After the API description's paths below one sandbox (specs: daytona-api, daytona-toolbox).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# By the first word of the path below the sandbox.
TOOLBOX: Final[Mapping[str, str]] = MappingProxyType(
    {
        "computeruse": "computer use",
        "env": "changing a sandbox's environment",
        "lsp": "language servers (LSP)",
        "port": "listing open ports",
        "system": "metrics of a sandbox",
    }
)
CONTROL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ancestors": "forks of a sandbox",
        "autopause": "pausing after idle time",
        "backup": "backups of a sandbox",
        "build-logs": "build logs of a sandbox",
        "build-logs-url": "build logs of a sandbox",
        "fork": "forks of a sandbox",
        "forks": "forks of a sandbox",
        "network-settings": "network settings of a sandbox",
        "parent": "forks of a sandbox",
        "pause": "pausing with memory",
        "ports": "signed links to ports",
        "public": "publishing all ports",
        "recover": "recovering a failed sandbox",
        "resize": "resizing a sandbox",
        "secrets": "secrets of a sandbox",
        "signing-key": "signed file links",
        "snapshot": "snapshots of a sandbox",
        "ssh-access": "ssh access",
        "telemetry": "telemetry of a sandbox",
        "ttl": "a sandbox's time to live",
    }
)
# Fields of a create, by the words that refuse it where the provider cannot.
BORN_WITH: Final[Mapping[str, str]] = MappingProxyType(
    {
        "volumes": "volumes",
        "networkBlockAll": "network settings of a sandbox",
        "networkAllowList": "network settings of a sandbox",
        "domainAllowList": "network settings of a sandbox",
        "outboundProxyUrl": "network settings of a sandbox",
        "secrets": "secrets of a sandbox",
        "gpu": "graphics processors",
        "linkedSandbox": "linked sandboxes",
    }
)


def capability(path: str) -> str:
    """What a path below a sandbox asks for, in words; the path's own word where that has none."""
    segments = [segment for segment in path.split("/") if segment]
    if segments[:2] == ["api", "sandbox"]:
        return _named(CONTROL, segments[3:])
    if segments[:2] == ["api", "toolbox"]:
        return _named(TOOLBOX, segments[4:])
    return _named(TOOLBOX, segments[2:])


def _named(names: Mapping[str, str], below: list[str]) -> str:
    word = below[0] if below else ""
    return names.get(word) or f"'{word}'"


# What is refused, each once, as people look for it.
ALONE: Final = tuple(sorted({*TOOLBOX.values(), *CONTROL.values(), *BORN_WITH.values(), "snapshots"}))
