"""Pauses that E2B asks for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate
from crossfade.upstream import Purpose
from router.backends.e2b.pauses import pause
from tests.backends.e2b.scripted import Answer, Scripted, adapter

GET, PAUSE = "GET /sandboxes/isandbox", "POST /sandboxes/isandbox/pause"
STOP = Operation(name="sandbox.stop", sandbox="isandbox")


@pytest.mark.parametrize(
    ("said", "purpose", "seconds"),
    [
        ("0", Purpose.ANSWER, 0.0),
        ("3", Purpose.ANSWER, 3.0),
        ("30", Purpose.ANSWER, 5.0),
        ("30", Purpose.KEEPER, 30.0),
        ("86400", Purpose.SETTLE, 60.0),
        ("", Purpose.ANSWER, 1.5),
        ("soon", Purpose.ANSWER, 1.5),
        ("-3", Purpose.ANSWER, 1.5),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Purpose.KEEPER, 0.0),
    ],
)
def test_what_is_asked_for_is_kept_within_reason(said: str, purpose: Purpose, seconds: float) -> None:
    headers = [(b"Retry-After", said.encode())] if said else []

    assert pause(headers, 1.5, purpose) == seconds


def test_a_date_is_understood() -> None:
    at = datetime.now(UTC) + timedelta(seconds=20)

    assert 15 < pause([(b"retry-after", format_datetime(at, usegmt=True).encode())], 1.5, Purpose.KEEPER) <= 21


@pytest.mark.parametrize(("state", "ok"), [("paused", True), ("running", False)])
async def test_a_conflict_is_a_pause_only_where_the_sandbox_is_paused(state: str, ok: bool) -> None:
    found = Answer(200, {"sandboxID": "isandbox", "templateID": "base", "state": state})
    upstream = Scripted({PAUSE: [Answer(409, {"message": "changing"})], GET: [found]})

    outcome = await adapter(upstream).perform(STOP)

    assert outcome.ok is ok
    if not ok:
        assert (outcome.fate, outcome.status) == (Fate.FAILED, 409)


@pytest.mark.parametrize("call", ["delete", "start", "let out"])
async def test_a_sandbox_that_is_changing_is_asked_again(call: str) -> None:
    changing = Answer(409, {"message": "still transitioning"}, headers=[(b"Retry-After", b"0")])
    made = {"sandboxID": "isandbox", "templateID": "base"}
    upstream = Scripted(
        {
            "DELETE /sandboxes/isandbox": [changing, changing, Answer(204)],
            "POST /v2/sandboxes/isandbox/connect": [changing, Answer(201, made)],
            "PUT /sandboxes/isandbox/network": [changing, Answer(204)],
        }
    )
    backend = adapter(upstream)
    if call == "let out":
        outcome = await backend.let_out("isandbox", True)
    else:
        outcome = await backend._control.perform(  # the session files of a start are another test's matter
            Operation(name=f"sandbox.{call}", sandbox="isandbox"), Purpose.KEEPER
        )

    assert outcome.ok, outcome
    assert len(upstream.sent) > 1
