"""Telemetry with an endpoint: a real collector on a socket decodes what arrives."""

import json
import time

import pytest

from router.settings import TelemetrySettings
from router.telemetry import Telemetry
from tests.telemetry.telemetry_examples import SANDBOX, attributes, collecting, record, value

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def settings(url: str, sample: float = 1.0) -> TelemetrySettings:
    return TelemetrySettings(otlp_endpoint=url, service_name="crossfade-test", sample=sample)


def test_a_call_becomes_a_server_span_with_its_own_times() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record(seconds=0.5, signatures=("fs.info mode value",), matched=False, severity="content"))
        telemetry.close()

        (span,) = collector.spans
        resource = attributes(collector.traces[0].resource_spans[0].resource)

    found = attributes(span)
    assert (span.name, span.kind) == ("GET /toolbox/{sandbox}/files/info", 2)
    assert span.start_time_unix_nano == pytest.approx(1_700_000_000_250_000_000, abs=1000)
    assert span.end_time_unix_nano - span.start_time_unix_nano == 500_000_000
    assert found["http.request.method"] == "GET"
    assert found["http.route"] == "/toolbox/{sandbox}/files/info"
    assert found["http.response.status_code"] == 200
    assert found["crossfade.tool"] == "files"
    assert found["crossfade.stage"] == "shadow"
    assert found["crossfade.wish"] == "old"
    assert found["crossfade.answering"] == "old"
    assert found["crossfade.reason"] == "flag"
    assert found["crossfade.matched"] is False
    assert found["crossfade.signatures"] == ["fs.info mode value"]
    assert found["crossfade.shadow.status"] == 200
    assert "error.type" not in found
    assert resource["service.name"] == "crossfade-test"
    assert resource["service.instance.id"]


def test_a_span_joins_the_trace_of_its_caller() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record(trace_parent=f"00-{TRACE}-{PARENT}-01"))
        telemetry.close()

        (span,) = collector.spans

    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)


def test_a_malformed_traceparent_starts_a_trace_of_its_own() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record(trace_parent="00-zz-\r\nx-01"))
        telemetry.close()

        (span,) = collector.spans

    assert (span.parent_span_id, len(span.trace_id)) == (b"", 16)


def test_a_caller_that_does_not_trace_gets_no_span() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record(trace_parent=f"00-{TRACE}-{PARENT}-00"))
        telemetry.close()

        assert collector.spans == []


def test_an_error_of_the_server_marks_its_span_and_a_refusal_does_not() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record(id="a", status=502, fate="failed"))
        telemetry.observe(record(id="b", status=404, fate="failed"))
        telemetry.close()

        spans = {attributes(span)["crossfade.call"]: span for span in collector.spans}

    assert (spans["a"].status.code, attributes(spans["a"])["error.type"]) == (2, "502")
    assert spans["b"].status.code == 0


def test_the_sample_is_a_share_of_the_calls_and_metrics_count_all() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url, sample=0.1))
        for _ in range(2000):
            telemetry.observe(record())
        telemetry.close()

        assert 120 <= len(collector.spans) <= 290
        (point,) = collector.latest["crossfade.calls"].sum.data_points

    assert point.as_int == 2000


def test_metrics_arrive_by_their_dotted_names_whole_and_cumulative() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.gauge("crossfade_twins", "Twins.", lambda: {(("seat", "old"),): 2})
        telemetry.observe(record(seconds=0.003))
        telemetry.observe(record(seconds=99.0))
        telemetry.close()

        found = collector.latest

    (point,) = found["http.server.request.duration"].histogram.data_points
    assert found["http.server.request.duration"].unit == "s"
    assert found["http.server.request.duration"].histogram.aggregation_temporality == 2
    assert (point.count, point.bucket_counts[0], point.bucket_counts[-1]) == (2, 1, 1)
    assert point.sum == pytest.approx(99.003)
    assert attributes(point)["http.request.method"] == "GET"
    assert found["crossfade.awaited_shadow_calls"].sum.data_points[0].as_int == 0
    assert attributes(found["crossfade.twins"].gauge.data_points[0]) == {"seat": "old"}
    assert all(SANDBOX not in str(metric) for metric in found.values())


def test_metrics_are_sent_again_and_again() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url), export_seconds=0.02)
        deadline = time.monotonic() + 10
        while len(collector.metrics) < 3:
            assert time.monotonic() < deadline, "metrics were not sent three times"
            time.sleep(0.01)
        telemetry.close()


def test_spans_that_a_collector_refuses_are_counted() -> None:
    with collecting() as collector:
        collector.status = 400
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record())
        telemetry.close()

        text = telemetry.exposition()

    assert value(text, "crossfade_spans_dropped_total") == 1


def test_a_full_queue_drops_and_counts_and_never_blocks() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        for _ in range(60_000):
            telemetry.observe(record_once)
        telemetry.close()

        dropped = value(telemetry.exposition(), "crossfade_spans_dropped_total")
        delivered = len(collector.spans)

    assert dropped > 0
    assert delivered + dropped == 60_000


record_once = record()


def test_a_collector_that_is_down_does_not_hold_a_shutdown() -> None:
    with collecting() as collector:
        url = collector.url
    telemetry = Telemetry(settings(url))
    telemetry.observe(record())
    started = time.monotonic()

    telemetry.close()

    assert time.monotonic() - started < 8


def test_a_collector_that_wants_a_key_gets_it_from_opentelemetrys_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20key-1")
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record())
        telemetry.close()

        assert collector.headers["authorization"] == "Bearer key-1"


def test_a_span_carries_no_payload_and_no_key() -> None:
    with collecting() as collector:
        telemetry = Telemetry(settings(collector.url))
        telemetry.observe(record(organization="org-secret", routing_key="key-secret"))
        telemetry.close()

        found = attributes(collector.spans[0])

    assert "secret" not in json.dumps(found)
