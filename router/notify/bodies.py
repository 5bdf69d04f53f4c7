"""What is sent: one body per kind of target, and the signature of the generic one."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from router.notify.alarms import Event, Notice

_COLOURS = {"page": "attention", "ticket": "warning", "news": "default"}


def slack(notice: Notice) -> dict[str, Any]:
    """Slack's incoming webhook: text, with the three signs that Slack reads escaped."""
    text = notice.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": f"{text}\n{_when(notice)} · {notice.severity} · {notice.router}"}


def teams(notice: Notice) -> dict[str, Any]:
    """A workflow of Microsoft Teams: a message with an adaptive card (connectors of Office 365 are retired)."""
    colour = "good" if notice.event is Event.RESOLVED else _COLOURS[notice.severity]
    where = f"{_when(notice)} · {notice.severity} · {notice.router}"
    lines = [
        {"type": "TextBlock", "text": notice.text, "wrap": True, "weight": "bolder", "color": colour},
        {"type": "TextBlock", "text": where, "wrap": True, "isSubtle": True},
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": lines,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def generic(notice: Notice) -> dict[str, Any]:
    """For programs: schema crossfade.notice/1."""
    alarm = notice.alarm
    return {
        "schema": "crossfade.notice/1",
        "id": notice.id,
        "event": str(notice.event),
        "alarm": alarm.word,
        "of": alarm.of,
        "count": alarm.count,
        "severity": str(notice.severity),
        "text": notice.text,
        "at": notice.at,
        "since": notice.since,
        "router": notice.router,
    }


BODIES: Mapping[str, Callable[[Notice], dict[str, Any]]] = {"slack": slack, "teams": teams, "webhook": generic}


def request(kind: str, notice: Notice, secret: str, now: float) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one attempt. With a secret it is signed, at this attempt's moment (Unix seconds)."""
    body = orjson.dumps(BODIES[kind](notice))
    headers = {"Content-Type": "application/json", "User-Agent": "crossfade"}
    if kind == "webhook":
        headers["X-Crossfade-Notice"] = notice.id
    if kind == "webhook" and secret:
        moment = str(int(now))
        headers |= {"X-Crossfade-Timestamp": moment, "X-Crossfade-Signature": signature(secret, moment, body)}
    return body, headers


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`sha256=` and the hex HMAC-SHA256 over the timestamp, as the header has it, directly followed by the body."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).hexdigest()


def _when(notice: Notice) -> str:
    return datetime.fromtimestamp(notice.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
