"""Requests to origins are timed, whatever comes of them."""

import asyncio
from collections.abc import Sequence

import pytest

from crossfade.stage import Origin
from crossfade.upstream import (
    Purpose,
    Upstream,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
)
from router.settings import TelemetrySettings
from router.telemetry import Telemetry, TimedUpstream
from router.wire.http1.client import Http1Upstream
from tests.serving import serving
from tests.telemetry.telemetry_examples import samples, value

COUNT = "http_client_request_duration_seconds_count"


def request(method: str = "GET", base: str = "http://127.0.0.1:1") -> UpstreamRequest:
    return UpstreamRequest(origin=Origin.NEW, purpose=Purpose.MIRROR, method=method, base=base, target="/files?path=a")


class Failing:
    """An Upstream that always raises the same."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        raise self.error

    async def websocket(self, request: UpstreamRequest, subprotocols: Sequence[str] = ()) -> UpstreamSocket:
        raise self.error


async def refusing(scope: dict, receive: object, send: object) -> None:
    """An origin that knows nothing and speaks no websockets."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close"})
    else:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(TelemetrySettings())


async def test_an_answer_counts_by_origin_purpose_method_and_status(telemetry: Telemetry) -> None:
    async with serving(refusing) as url, Http1Upstream() as inner:
        upstream: Upstream = TimedUpstream(inner, telemetry.timed)
        response = await upstream.send(request(base=url))

        body = await response.read(10)

    labels = {"origin": "new", "purpose": "mirror", "http_request_method": "GET"}
    refused = {"http_response_status_code": "404", "error_type": "404"}
    assert body == b"no"
    assert value(telemetry.exposition(), COUNT, **labels, **refused) == 1


async def test_a_refused_handshake_counts_by_its_status(telemetry: Telemetry) -> None:
    async with serving(refusing) as url, Http1Upstream() as inner:
        with pytest.raises(UpstreamRefused):
            await TimedUpstream(inner, telemetry.timed).websocket(request(base=url))

    (labels,) = _counted(telemetry)
    assert labels["http_response_status_code"] == "403"


@pytest.mark.parametrize(("sent", "kind"), [(False, "unreachable"), (True, "lost")])
async def test_a_request_without_answer_counts_by_what_went_wrong(telemetry: Telemetry, sent: bool, kind: str) -> None:
    upstream = TimedUpstream(Failing(UpstreamFailed("gone", sent=sent)), telemetry.timed)

    with pytest.raises(UpstreamFailed):
        await upstream.send(request())
    with pytest.raises(UpstreamFailed):
        await upstream.websocket(request())

    (labels,) = _counted(telemetry)
    assert (labels["error_type"], "http_response_status_code" in labels) == (kind, False)
    assert sum(_counts(telemetry)) == 2


async def test_a_request_that_is_called_off_counts_for_nobody(telemetry: Telemetry) -> None:
    with pytest.raises(asyncio.CancelledError):
        await TimedUpstream(Failing(asyncio.CancelledError()), telemetry.timed).send(request())

    assert _counted(telemetry) == []


def test_labels_of_requests_stay_few_and_hold_no_address(telemetry: Telemetry) -> None:
    for number in range(3000):
        telemetry.timed(request(f"M{number}", f"https://49983-sb{number}.e2b.app"), 200 + number % 400, 0.01, "")

    text = telemetry.exposition()
    assert b"e2b.app" not in text and b"path=a" not in text
    assert len(_counted(telemetry)) <= 402
    assert sum(_counts(telemetry)) == 3000


def _counted(telemetry: Telemetry) -> list[dict[str, str]]:
    return [dict(labels) for name, labels in samples(telemetry.exposition()) if name == COUNT]


def _counts(telemetry: Telemetry) -> list[float]:
    return [count for (name, _), count in samples(telemetry.exposition()).items() if name == COUNT]
