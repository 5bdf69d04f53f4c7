"""LaunchDarkly's REST API, as far as flags are made and changed by it."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2

from crossfade.errors import Conflict, Refused, SettingsError, Unreachable

_SECONDS = 20.0
_LONGEST_PAUSE = 30.0
_VERSION = "20240415"
_PATCH = "application/json; domain-model=launchdarkly.semanticpatch"


class AccountApi:
    """One project and environment. Raises Unreachable, Refused, Conflict, SettingsError; none names the token."""

    def __init__(self, url: str, token: str, project: str, environment: str) -> None:
        if not token or not project or not environment:
            needed = "flags.api_token, flags.project and flags.environment"
            raise SettingsError(f"an account's flags are looked at and changed by its API, which needs {needed}")
        self.environment = environment
        self._project = project
        headers = {"Authorization": token, "LD-API-Version": _VERSION}
        self._client = httpx2.Client(base_url=url.rstrip("/"), headers=headers, timeout=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._client.close()

    def flag(self, key: str) -> Mapping[str, Any] | None:
        """The flag with its environments; None when there is none of that key."""
        answer = self._send("GET", key)
        return None if answer.status_code == 404 else self._value(answer, key)

    def make(self, flag: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a flag."""
        return self._value(self._send("POST", "", json=flag), str(flag["key"]))

    def change(self, key: str, instructions: Sequence[Mapping[str, Any]], comment: str) -> Mapping[str, Any]:
        """Change a flag in the environment, by a semantic patch."""
        body = {"environmentKey": self.environment, "comment": comment, "instructions": list(instructions)}
        return self._value(self._send("PATCH", key, json=body, headers={"Content-Type": _PATCH}), key)

    def _send(self, method: str, key: str, **more: Any) -> httpx2.Response:
        path = f"/api/v2/flags/{self._project}" + (f"/{key}" if key else "")
        try:
            answer = self._client.request(method, path, **more)
            if answer.status_code == 429:
                time.sleep(min(_pause(answer), _LONGEST_PAUSE))
                answer = self._client.request(method, path, **more)
        except httpx2.HTTPError as error:
            text = f"LaunchDarkly's API does not answer: {type(error).__name__}; is flags.api_url right?"
            raise Unreachable(text) from None
        return answer

    def _value(self, answer: httpx2.Response, key: str) -> Mapping[str, Any]:
        try:
            told = answer.json()
        except ValueError:
            told = {}
        if answer.status_code < 300 and isinstance(told, dict):
            return told
        said = str(told.get("message") or "") if isinstance(told, dict) else ""
        where = f"'{key}' in {self._project}/{self.environment}"
        message = f"LaunchDarkly refuses {where}: {answer.status_code} {said}"[:300]
        match answer.status_code:
            case 401 | 403:
                raise Refused(f"{message}; may flags.api_token change flags there?")
            case 409:
                raise Conflict(f"{message}; somebody else changed it: look again")
            case status if status == 429 or status >= 500:
                raise Unreachable(message)
        raise SettingsError(message)


def _pause(answer: httpx2.Response) -> float:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0
