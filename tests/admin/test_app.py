"""The admin listener over a socket."""

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from router.admin.app import admin_app
from router.settings import TelemetrySettings
from router.telemetry import Telemetry
from tests.serving import serving


async def test_livez_is_200_even_while_not_ready() -> None:
    async with serving(admin_app(ready=lambda: ["draining"], metrics=bytes)) as url, httpx2.AsyncClient() as client:
        answer = await client.get(f"{url}/livez")

    assert (answer.status_code, answer.text) == (200, "ok")


async def test_readyz_follows_the_reasons() -> None:
    reasons = ["starting"]
    async with serving(admin_app(ready=lambda: reasons, metrics=bytes)) as url, httpx2.AsyncClient() as client:
        starting = await client.get(f"{url}/readyz")
        reasons.clear()
        ready = await client.get(f"{url}/readyz")

    assert (starting.status_code, starting.json()) == (503, {"ready": False, "reasons": ["starting"]})
    assert (ready.status_code, ready.text) == (200, "ok")


async def test_metrics_are_what_prometheus_reads() -> None:
    telemetry = Telemetry(TelemetrySettings())
    app = admin_app(ready=list, metrics=telemetry.exposition)
    async with serving(app) as url, httpx2.AsyncClient() as client:
        answer = await client.get(f"{url}/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"crossfade_calls", "http_server_request_duration_seconds", "crossfade_awaited_shadow_calls"} <= names


async def test_other_pages_are_404_as_json_that_names_the_known_ones() -> None:
    async with serving(admin_app(ready=list, metrics=bytes)) as url, httpx2.AsyncClient() as client:
        missing = await client.get(f"{url}/nothing")
        posted = await client.post(f"{url}/metrics")

    assert (missing.status_code, missing.json()["error"]) == (
        404,
        "no page '/nothing' here; known: /livez, /readyz, /metrics, /v1",
    )
    assert (posted.status_code, posted.json()["error"]) == (405, "Method Not Allowed")
