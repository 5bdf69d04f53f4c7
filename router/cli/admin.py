"""Asking a running router's admin API."""

import os
from collections.abc import Mapping
from typing import Any

import click

from crossfade.errors import Conflict, CrossfadeError, Refused, SettingsError, Unreachable

ADMIN = click.option(
    "--admin", metavar="HOST:PORT", help="Admin listener to ask (default: listen.admin of the settings)."
)
_SECONDS = 310.0  # a settle may take minutes; the router has its own limit below this


def ask(
    config: str | None, admin: str | None, method: str, path: str, body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The router's answer. Raises Unreachable, Refused, Conflict, SettingsError with what the router says."""
    import httpx2

    from router.settings import load

    settings = load(config)
    address = admin or settings.listen.admin
    token = settings.listen.admin_token or os.environ.get("CROSSFADE_ADMIN_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx2.Client(base_url=f"http://{address}", timeout=_SECONDS, trust_env=False, headers=headers) as client:
            answer = client.request(method, path, json=body)
            told = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        message = f"no router answers at {address}: {error}; is it running, and is --admin its listen.admin?"
        raise Unreachable(message) from None
    if answer.status_code < 300:
        return dict(told)
    raise _problem(answer.status_code, str(told.get("error", told)), told.get("exit"))


def _problem(status: int, message: str, code: object) -> CrossfadeError:
    if status in (401, 403):
        return Refused(message)
    if code == Conflict.exit_code:
        return Conflict(message)
    return Unreachable(message) if status >= 500 else SettingsError(message)
