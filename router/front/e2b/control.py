"""E2B's control plane, v1 and v2: create, connect, kill, list, lifetimes, pause."""

import base64
import binascii
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from router.front.e2b.fleet import RESUME_SECONDS, Card, Fleet, new_token
from router.front.e2b.messages import Answer, ApiError, Request, json_answer, json_object

ENVD_VERSION = "0.6.13"  # what the SDKs gate their features by; the semantics served here are that version's
V1_TIMEOUT_SECONDS = 15

Handler = Callable[[Request, re.Match[str]], Awaitable[Answer]]
_NOTHING = Answer(status=204)


class Control:
    """Answers control-plane requests. The caller has checked the API key."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        one = r"(?:/v2)?/sandboxes/(?P<id>[^/]+)"
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = [
            ("POST", re.compile(r"(?P<v2>/v2)?/sandboxes"), self._create),
            ("GET", re.compile(r"/v2/sandboxes"), self._list),
            ("GET", re.compile(r"/sandboxes"), self._list_running),
            ("GET", re.compile(one), self._get),
            ("DELETE", re.compile(one), self._delete),
            ("POST", re.compile(rf"{one}/connect"), self._connect),
            ("POST", re.compile(rf"{one}/resume"), self._connect),
            ("POST", re.compile(rf"{one}/pause"), self._pause),
            ("POST", re.compile(rf"{one}/timeout"), self._timeout),
            ("POST", re.compile(rf"{one}/refreshes"), self._refresh),
            ("PUT", re.compile(rf"{one}/network"), self._network),
            ("GET", re.compile(rf"{one}/metrics"), self._metrics),
            ("GET", re.compile(rf"{one}/logs"), self._logs),
            ("GET", re.compile(r"/templates/aliases/(?P<alias>.+)"), self._alias),
        ]

    async def answer(self, request: Request) -> Answer:
        """Route it. Raises ApiError: 404 for a path nobody serves, 405 for a method."""
        allowed: list[str] = []
        for method, pattern, handler in self._routes:
            if found := pattern.fullmatch(request.path):
                if method == request.method:
                    return await handler(request, found)
                allowed.append(method)
        if allowed:
            methods = ", ".join(sorted(set(allowed)))
            raise ApiError(405, f"{request.method} is not allowed on {request.path}; allowed: {methods}")
        raise ApiError(404, f"the embedded E2B server has no {request.method} {request.path}")

    async def _create(self, request: Request, found: re.Match[str]) -> Answer:
        raw = await request.body()
        body = json_object(raw)
        network = _mapping(body, "network")
        secure = found["v2"] is not None or bool(body.get("secure"))
        card = Card(
            template=str(body.get("templateID") or ""),
            metadata=_texts(body, "metadata"),
            timeout=_seconds(body, "timeout", RESUME_SECONDS if found["v2"] else V1_TIMEOUT_SECONDS),
            auto_pause=bool(body.get("autoPause")),
            auto_resume=bool(_mapping(body, "autoResume").get("enabled")),
            token=new_token() if secure else "",
            traffic_token=new_token() if network.get("allowPublicTraffic") is False else "",
            network=network,
            internet=body.get("allow_internet_access"),
        )
        key = request.headers.get("idempotency-key", "")
        if key and re.fullmatch(r"[a-z0-9-]{1,255}", key) is None:
            raise ApiError(400, "Idempotency-Key takes 1 to 255 lower-case letters, digits and hyphens")
        env = _texts(body, "envVars")
        sandbox, card = await self._fleet.create(card, env, idempotency_key=key, request=raw)
        return json_answer(_sandbox(sandbox.id, card), 201)

    async def _connect(self, request: Request, found: re.Match[str]) -> Answer:
        body = await request.json()
        timeout = _seconds(body, "timeout", None) if body.get("timeout") is not None else None
        resumed = await self._fleet.resume(found["id"], timeout)
        _, card = self._fleet.get(found["id"])
        return json_answer(_sandbox(found["id"], card), 201 if resumed else 200)

    async def _get(self, request: Request, found: re.Match[str]) -> Answer:
        _, card = self._fleet.get(found["id"])
        return json_answer(_detail(found["id"], card))

    async def _delete(self, request: Request, found: re.Match[str]) -> Answer:
        await self._fleet.delete(found["id"])
        return _NOTHING

    async def _pause(self, request: Request, found: re.Match[str]) -> Answer:
        await request.json()
        await self._fleet.pause(found["id"])
        return _NOTHING

    async def _timeout(self, request: Request, found: re.Match[str]) -> Answer:
        self._fleet.set_timeout(found["id"], _seconds(await request.json(), "timeout", None))
        return _NOTHING

    async def _refresh(self, request: Request, found: re.Match[str]) -> Answer:
        seconds = _seconds(await request.json(), "duration", V1_TIMEOUT_SECONDS)
        if seconds > 3600:
            raise ApiError(400, f"duration is at most 3600 seconds, not {seconds}")
        self._fleet.set_timeout(found["id"], seconds, only_later=True)
        return _NOTHING

    async def _network(self, request: Request, found: re.Match[str]) -> Answer:
        self._fleet.set_network(found["id"], await request.json())
        return _NOTHING

    async def _metrics(self, request: Request, found: re.Match[str]) -> Answer:
        _, card = self._fleet.get(found["id"])
        return json_answer([] if card.paused else [_metric()])

    async def _logs(self, request: Request, found: re.Match[str]) -> Answer:
        self._fleet.get(found["id"])
        return json_answer({"logs": [], "logEntries": []})

    async def _alias(self, request: Request, found: re.Match[str]) -> Answer:
        return json_answer({"templateID": self._fleet.template(found["alias"]), "public": True})

    async def _list_running(self, request: Request, found: re.Match[str]) -> Answer:
        wanted = _wanted_metadata(request.query.get("metadata", ""))
        cards = [
            (id, card) for id, card in self._fleet.all() if not card.paused and wanted.items() <= card.metadata.items()
        ]
        return json_answer([_listed(id, card) for id, card in sorted(cards, key=_started, reverse=True)])

    async def _list(self, request: Request, found: re.Match[str]) -> Answer:
        query = request.query
        wanted = _wanted_metadata(query.get("metadata", ""))
        states = set(query.get("state", "running,paused").split(","))
        if unknown := states - {"running", "paused"}:
            raise ApiError(400, f"unknown state '{min(unknown)}'; states are running and paused")
        limit = _limit(query.get("limit", "100"))
        after = _instant(query.get("startedAfter", ""))
        newest_first = query.get("order", "desc") != "asc"
        cards = [
            (id, card)
            for id, card in self._fleet.all()
            if _state(card) in states
            and wanted.items() <= card.metadata.items()
            and card.started_at >= after
            and query.get("template", card.template) == card.template
        ]
        cards.sort(key=_started, reverse=newest_first)
        if token := query.get("nextToken"):
            last = _last_seen(token)
            cards = [one for one in cards if (_started(one) < last if newest_first else _started(one) > last)]
        page = cards[:limit]
        headers = [("X-Total-Running", str(sum(not card.paused for _, card in cards)))]
        if len(cards) > limit:
            headers.append(("X-Next-Token", _token(page[-1])))
        return json_answer([_listed(id, card) for id, card in page], headers=headers)


def _sandbox(id: str, card: Card) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "sandboxID": id,
        "templateID": card.template,
        "alias": card.template,
        "clientID": "embedded",
        "envdVersion": ENVD_VERSION,
        "domain": None,
    }
    if card.token:
        answer["envdAccessToken"] = card.token
    if card.traffic_token:
        answer["trafficAccessToken"] = card.traffic_token
    return answer


def _listed(id: str, card: Card) -> dict[str, Any]:
    return {
        "sandboxID": id,
        "templateID": card.template,
        "alias": card.template,
        "clientID": "embedded",
        "startedAt": _rfc3339(card.started_at),
        "endAt": _rfc3339(card.end_at),
        "cpuCount": 2,
        "memoryMB": 512,
        "diskSizeMB": 5120,
        "state": _state(card),
        "envdVersion": ENVD_VERSION,
        "metadata": card.metadata,
        "volumeMounts": [],
    }


def _detail(id: str, card: Card) -> dict[str, Any]:
    answer = _listed(id, card) | {
        "domain": None,
        "lifecycle": {"autoResume": card.auto_resume, "onTimeout": "pause" if card.auto_pause else "kill"},
    }
    if card.network:
        answer["network"] = card.network
    if card.internet is not None:
        answer["allowInternetAccess"] = card.internet
    if card.token:
        answer["envdAccessToken"] = card.token
    if card.paused:
        answer["pauseMode"] = "filesystem"
    return answer


def _metric() -> dict[str, Any]:
    disk = shutil.disk_usage("/")
    now = time.time()
    return {
        "timestamp": _rfc3339(now),
        "timestampUnix": int(now),
        "cpuCount": 2,
        "cpuUsedPct": 0.0,
        "memUsed": 0,
        "memTotal": 512 * 1024 * 1024,
        "memCache": 0,
        "diskUsed": disk.used,
        "diskTotal": disk.total,
    }


def _state(card: Card) -> str:
    return "paused" if card.paused else "running"


def _started(one: tuple[str, Card]) -> tuple[float, str]:
    return one[1].started_at, one[0]


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise ApiError(400, f"{name} must be an object")
    return value


def _texts(body: Mapping[str, Any], name: str) -> dict[str, str]:
    value = _mapping(body, name)
    if not all(isinstance(text, str) for text in value.values()):
        raise ApiError(400, f"every value of {name} must be a string")
    return value


def _seconds(body: Mapping[str, Any], name: str, default: int | None) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError(400, f"{name} must be a whole number of seconds")
    return value


def _wanted_metadata(text: str) -> dict[str, str]:
    # The SDKs encode each key and value twice inside the parameter; the parameter's own layer is gone already.
    return {unquote_plus(key): unquote_plus(value) for key, value in parse_qsl(text, keep_blank_values=True)}


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ApiError(400, f"limit must be between 1 and 100, not '{text[:20]}'")
    return int(text)


def _instant(text: str) -> float:
    if not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ApiError(400, f"startedAfter is no RFC 3339 time: '{text[:40]}'") from error


def _token(one: tuple[str, Card]) -> str:
    started, id = _started(one)
    return base64.urlsafe_b64encode(f"{started!r} {id}".encode()).decode("ascii")


def _last_seen(token: str) -> tuple[float, str]:
    try:
        started, _, id = base64.urlsafe_b64decode(token).decode().partition(" ")
        return float(started), id
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "nextToken was not made by this server") from error
