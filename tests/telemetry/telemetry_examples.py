"""Records and a collector for the tests of telemetry."""

import contextlib
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from crossfade.record import Record

SANDBOX = "sb-0123456789"


def record(**fields: Any) -> Record:
    """A mirrored, matched call, but for the fields given."""
    values: dict[str, Any] = {
        "id": "0190aa",
        "at": 1_700_000_000.25,
        "operation": "fs.info",
        "effect": "read",
        "tool": "files",
        "classified_by": "operation",
        "sandbox": SANDBOX,
        "routing_key": "project-1",
        "stage": "shadow",
        "reason": "flag",
        "route": "GET /toolbox/{sandbox}/files/info",
        "status": 200,
        "seconds": 0.004,
        "mirrored": True,
        "matched": True,
        "shadow_status": 200,
        "shadow_fate": "ok",
        "shadow_seconds": 0.02,
    }
    return Record(**(values | fields))


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """An exposition as (sample name, labels) -> value."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(text: bytes, name: str, **labels: str) -> float:
    """One sample of an exposition."""
    return samples(text)[name, frozenset(labels.items())]


class Collector:
    """A tiny OTLP/HTTP collector that keeps what it is sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.headers: dict[str, str] = {}

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def latest(self) -> dict[str, Any]:
        """The last metrics sent, by name."""
        return {
            metric.name: metric
            for resource in self.metrics[-1].resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            self.traces.append(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            self.metrics.append(ExportMetricsServiceRequest.FromString(body))
        else:
            raise AssertionError(f"nobody exports to {path}")


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a socket of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.headers = dict(self.headers)
            if collector.status == 200:
                collector.take(self.path, body)
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def attributes(of: Any) -> dict[str, Any]:
    """OTLP attributes as plain values."""
    return {each.key: _plain(each.value) for each in of.attributes}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind)
