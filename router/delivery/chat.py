"""A report in a chat: a message to a webhook of Slack or Teams. Its address works like a password: it is in no text."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from router.delivery.message import Message, Undelivered
from router.settings_watch import ReportSettings

_SECONDS = 20.0
_ATTEMPTS = 3
_LONGEST_WAIT = 30.0
_MOST_TEXT = 2_800  # Slack cuts a section at 3,000 characters


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None  # the address is a secret: it goes where the settings say and nowhere else


def post(message: Message, settings: ReportSettings, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Post it. A server that is busy or broken is asked again. Raises Undelivered."""
    body = json.dumps(payload(message, settings), ensure_ascii=False).encode()
    host = urlsplit(settings.webhook_url).hostname or "?"
    # urllib, because it logs nothing: a client that logs its requests would log the address.
    opener = urllib.request.build_opener(_NoRedirect)
    problem = ""
    for attempt in range(_ATTEMPTS):
        try:
            request = urllib.request.Request(
                settings.webhook_url, data=body, headers={"Content-Type": "application/json; charset=utf-8"}
            )
            with opener.open(request, timeout=_SECONDS):
                return
        except urllib.error.HTTPError as error:
            problem = f"it answered {error.code}"
            if error.code != 429 and error.code < 500:
                break
            wait = _wait(error.headers.get("Retry-After"), attempt)
            error.close()
        except (OSError, ValueError) as error:
            # Not its text: that of an address that is none holds the address.
            reason: object = getattr(error, "reason", error)
            problem = " ".join([type(reason).__name__, getattr(reason, "strerror", None) or ""]).strip()
            wait = _wait(None, attempt)
        if attempt + 1 < _ATTEMPTS:
            sleep(wait)
    raise Undelivered(f"the {settings.webhook_kind} webhook at {host} did not take the report: {problem}")


def payload(message: Message, settings: ReportSettings) -> Mapping[str, Any]:
    """The message as the chat takes it."""
    link = f"{settings.folder_url.rstrip('/')}/{message.name}.html" if settings.folder_url else ""
    if settings.webhook_kind == "teams":
        return _teams(message, link)
    steps = "\n".join(f"*{_plain(head)}*\n{_plain(step)}" for head, step in message.steps)[:_MOST_TEXT]
    sections = [f"*{_plain(message.headline)}*", steps, f"<{link}|{_plain(message.title)}>" if link else ""]
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": message.title[:150]}}]
    blocks += [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in sections if text]
    return {"text": f"{message.title}: {message.headline}", "blocks": blocks}


def _teams(message: Message, link: str) -> Mapping[str, Any]:
    """An Adaptive Card, as workflows take it."""

    def text(words: str, **more: object) -> dict[str, object]:
        return {"type": "TextBlock", "text": words, "wrap": True, **more}

    body = [text(message.title, weight="Bolder", size="Medium"), text(message.headline, weight="Bolder")]
    for head, step in message.steps:
        body += [text(head, weight="Bolder", spacing="Medium"), text(step, spacing="None")]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": message.title, "url": link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


def _plain(text: str) -> str:
    """Text in Slack's own marking, as text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _wait(asked: str | None, attempt: int) -> float:
    try:
        return min(_LONGEST_WAIT, max(0.0, float(asked or "")))
    except ValueError:
        return float(2**attempt)
