"""Settings as they may be shown: secrets masked, each with where its value came from."""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router.admin.endpoints import Endpoint
from router.settings import SECTIONS, Settings
from router.settings_text import line_of

SECRET = (
    *("key", "secret", "sdk_key", "admin_token", "api_token", "client_keys", "refused_keys"),
    *(
        "slack_url",
        "teams_url",
        "webhook_url",
        "webhook_secret",
        "client_secret",
    ),  # who has a hook's address may write there
)
MASK = "********"
_IN_URL = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")  # user:password


def masked(value: Any) -> Any:
    """The value, or tree of values, without secrets."""
    if isinstance(value, str):
        return _IN_URL.sub(MASK, value)
    if not isinstance(value, Mapping):
        return value
    return {name: _hidden(each) if name in SECRET else masked(each) for name, each in value.items()}


def _hidden(value: Any) -> Any:
    return [MASK] * len(value) if isinstance(value, list | tuple) else MASK if value else value


def origins_of(settings: Settings) -> list[dict[str, Any]]:
    """Every setting: section, key, masked value, and `from`: default, file:line, or what a secret was taken from.

    The file is read again, so call it when the settings were loaded; where it is gone, `from` says only its name.
    """
    try:
        text = Path(settings.file).read_text(encoding="utf-8")
        tree: Mapping[str, Any] = tomllib.loads(text)
    except (OSError, ValueError):
        text, tree = "", {}
    lines = text.splitlines()
    found = []
    tables = {section: getattr(settings, attribute) for section, (attribute, _) in SECTIONS.items()}
    tables |= {f"tools.{name}": each for name, each in settings.tools.items()}
    for section, value in tables.items():
        written = _table(tree, section)
        for key, each in masked(dataclasses.asdict(value)).items():
            came = "default" if text else settings.file
            if key in written:
                came = f"{settings.file}:{line_of(lines, section, key)}"
                if isinstance(written[key], Mapping) and isinstance(each, str):
                    came = f"{' '.join(f'{kind} {name}' for kind, name in written[key].items())}, {came}"
            found.append({"section": section, "key": key, "value": each, "from": came})
    return found


def _table(tree: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    table: Any = tree
    for part in section.split("."):
        table = table.get(part, {}) if isinstance(table, Mapping) else {}
    return table if isinstance(table, Mapping) else {}


@dataclass(frozen=True, slots=True)
class SettingsApi:
    """/v1/settings: as they were when the router started."""

    settings: Settings
    shown: list[dict[str, Any]]

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        says = "Every setting with its value, secrets masked, and where it came from."
        return [Endpoint(method="GET", path="/settings", says=says, serve=self._list)]

    async def _list(self, _request: Request) -> Response:
        told = {"schema": "crossfade.settings/1", "file": self.settings.file, "settings": self.shown}
        return JSONResponse(orjson.loads(orjson.dumps(told, default=dict)))
