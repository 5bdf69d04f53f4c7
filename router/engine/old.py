"""The old origin's addresses: where a path of ours is found there."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamFailed, UpstreamRequest

_CONFIG_LIMIT = 1_048_576
_MOST_SANDBOXES = 10_000


def split_url(url: str) -> tuple[str, str]:
    """("https://host", "/path") without a trailing slash."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")


@dataclass(slots=True)
class OldAddresses:
    """Maps our paths to the old origin's. The toolbox base comes from its /config, and from sandbox objects."""

    api_url: str
    upstream: Upstream
    toolbox: str = ""
    preview_domain: str = ""  # of its sandboxes' preview hosts, <port>-<id>.<domain>; known once /config was asked
    sandboxes: dict[str, str] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def control(self, path: str) -> tuple[str, str]:
        """Base and target of a control-plane path (/api/...), or of any other path as it is."""
        base, prefix = split_url(self.api_url)
        return base, prefix + path.removeprefix("/api") if path.startswith("/api/") else path

    async def find(self, path: str, sandbox: str) -> tuple[str, str]:
        """Base and target of any path of ours. Raises UpstreamFailed when /config cannot be had."""
        if not path.startswith("/toolbox/"):
            return self.control(path)
        known = self.sandboxes.get(sandbox) or self.toolbox or await self._learn()
        base, prefix = split_url(known)
        return base, prefix + path.removeprefix("/toolbox")

    def learn_object(self, sandbox: str, toolbox_url: str) -> None:
        """A sandbox's own toolbox base, where its object names one that differs from the common one."""
        if toolbox_url == self.toolbox or not _is_address(toolbox_url):
            return
        self.sandboxes[sandbox] = toolbox_url
        if len(self.sandboxes) > _MOST_SANDBOXES:  # the oldest is found by /config again
            del self.sandboxes[next(iter(self.sandboxes))]

    async def _learn(self) -> str:
        async with self._asking:
            if self.toolbox:
                return self.toolbox
            base, target = self.control("/api/config")
            request = UpstreamRequest(
                origin=Origin.OLD,
                purpose=Purpose.KEEPER,
                method="GET",
                base=base,
                target=target,
                headers=[(b"X-Crossfade-Purpose", b"keeper")],
                idle_seconds=10,
            )
            response = await self.upstream.send(request)
            body = await response.read(_CONFIG_LIMIT)
            config = _config(response.status, body)
            toolbox = str(config.get("proxyToolboxUrl"))
            if not _is_address(toolbox):
                raise UpstreamFailed(f"old origin's /config ({response.status}) names no proxyToolboxUrl", sent=True)
            self.toolbox = toolbox
            self.preview_domain = _preview_domain(str(config.get("proxyTemplateUrl") or ""))
            return self.toolbox


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _config(status: int, body: bytes) -> Mapping[str, Any]:
    try:
        config = json.loads(body) if status == 200 else {}
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def _preview_domain(template: str) -> str:
    """From `https://{{PORT}}-{{sandboxId}}.proxy.example:4000`; empty when it is of another form."""
    _, _, domain = template.partition("{{sandboxId}}.")
    return domain.partition("/")[0].partition(":")[0]
