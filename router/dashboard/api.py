"""The admin API as the dashboard asks it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

_LOOK_SECONDS = 20.0
_REPORT_SECONDS = 150.0
_CHANGE_SECONDS = 310.0  # a settle may take minutes; the router has its own limit below this


class Problem(Exception):
    """The router did not do it: its status (503: it does not answer), and what it says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class AdminApi:
    """A client of one router. Raises Problem."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.AsyncClient(base_url=url, headers=headers, timeout=_LOOK_SECONDS, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._client.aclose()

    async def get(self, *path: str, **query: object) -> dict[str, Any]:
        """A JSON document; `path` in parts, which need not be safe. Empty fields of the query are left out."""
        return dict((await self._send("GET", path, query)).json())

    async def raw(self, *path: str, **query: object) -> httpx2.Response:
        """An answer as it is; a report takes its time."""
        return await self._send("GET", path, query, seconds=_REPORT_SECONDS)

    async def change(self, method: str, *path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A change; `body` has its author and reason."""
        return dict((await self._send(method, path, {}, body, seconds=_CHANGE_SECONDS)).json())

    async def _send(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, object],
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = _LOOK_SECONDS,
    ) -> httpx2.Response:
        target = "/v1/" + "/".join(quote(part, safe="") for part in path)
        asked = {name: str(value) for name, value in query.items() if value not in ("", None)}
        try:
            answer = await self._client.request(method, target, params=asked, json=body, timeout=seconds)
            if answer.status_code < 300:
                return answer
            told = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise Problem(503, f"no router answers at {self.url}: {error or type(error).__name__}") from None
        raise Problem(answer.status_code, str(told.get("error", told)) if isinstance(told, dict) else str(told))
