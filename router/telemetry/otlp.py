"""Sending to an OpenTelemetry collector. Only telemetry.py imports this, and only when an endpoint is set."""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from crossfade.record import Record
from router.telemetry import spans
from router.telemetry.families import Family
from router.telemetry.otlp_metrics import metrics_data

log = logging.getLogger("crossfade.telemetry")
_WAITING_RECORDS = 8192
_WAITING_SPANS = 8192
_POLL_SECONDS = 0.2
_SEND_SECONDS = 5.0
_CLOSE_SECONDS = 6.0


class Otlp:
    """Two threads: one makes spans of records, one sends metrics now and then. Callers only ever append to a queue."""

    def __init__(
        self,
        *,
        endpoint: str,
        service_name: str,
        service_version: str,
        sample: float,
        families: Callable[[], list[Family]],
        export_seconds: float,
    ) -> None:
        base = endpoint.rstrip("/").removesuffix("/v1/traces")
        self._resource = Resource.create(
            {
                "service.name": service_name,
                "service.version": service_version,
                "service.instance.id": secrets.token_hex(8),
            }
        )
        self._exporter = _Counting(
            OTLPSpanExporter(f"{base}/v1/traces", timeout=_SEND_SECONDS, compression=Compression.Gzip)
        )
        # By trace id also below a parent: all calls of one trace are kept, or none.
        share = TraceIdRatioBased(min(1.0, sample))
        self._provider = TracerProvider(
            sampler=ParentBased(root=share, remote_parent_sampled=share),
            resource=self._resource,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(self._exporter, max_queue_size=_WAITING_SPANS, schedule_delay_millis=1000)
        )
        self._tracer = self._provider.get_tracer("crossfade", service_version)
        self._propagator = TraceContextTextMapPropagator()
        self._metrics = OTLPMetricExporter(f"{base}/v1/metrics", timeout=_SEND_SECONDS, compression=Compression.Gzip)
        self._families = families
        self._export_seconds = export_seconds
        self._started_ns = time.time_ns()
        self._records: deque[Record] = deque()
        self._refused = 0  # by our own queue, on the callers' thread
        self._overrun = 0  # by the processor's queue, on the span thread
        self._made = 0
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=title, daemon=True)
            for work, title in ((self._make_spans, "crossfade-spans"), (self._send_metrics, "crossfade-metrics"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def dropped(self) -> int:
        """Spans that were not delivered."""
        return self._refused + self._overrun + self._exporter.lost

    def offer(self, record: Record) -> None:
        """Queue the span of a call, or count it as dropped. Never blocks."""
        # No wake-up: waking a thread for each call would cost more than the rest of telemetry; it polls.
        if len(self._records) >= _WAITING_RECORDS:
            self._refused += 1
        else:
            self._records.append(record)

    def close(self) -> None:
        """Send what is left; give up after some seconds, for a collector that is down must not hold a shutdown."""
        self._stopping.set()
        deadline = time.monotonic() + _CLOSE_SECONDS
        self._threads.append(
            # The provider's own shutdown has a longer patience than ours.
            threading.Thread(target=self._flush, name="crossfade-flush", daemon=True)
        )
        self._threads[-1].start()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            log.warning("telemetry not delivered in time", extra={"seconds": _CLOSE_SECONDS})

    def _flush(self) -> None:
        self._threads[0].join()
        self._provider.shutdown()
        self._threads[1].join()
        self._metrics.shutdown()

    # Spans...

    def _make_spans(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        for _ in range(len(self._records)):
            record = self._records.popleft()
            try:
                self._make_span(record)
            except Exception:
                self._overrun += 1
                log.exception("span not made")

    def _make_span(self, record: Record) -> None:
        # The processor would drop its oldest silently.
        if self._made - self._exporter.taken >= _WAITING_SPANS:
            self._overrun += 1
            return
        parent = self._propagator.extract({"traceparent": record.trace_parent})
        start, end = spans.times(record)
        span = self._tracer.start_span(
            spans.name(record),
            context=parent,
            kind=SpanKind.SERVER,
            attributes=spans.attributes(record),
            start_time=start,
        )
        if not span.is_recording():
            return
        if spans.failed(record):
            span.set_status(Status(StatusCode.ERROR))
        self._made += 1
        span.end(end)

    # Metrics...

    def _send_metrics(self) -> None:
        while not self._stopping.wait(self._export_seconds):
            self._send_metrics_once()
        self._send_metrics_once()

    def _send_metrics_once(self) -> None:
        try:
            self._metrics.export(
                metrics_data(self._families(), self._resource, started_ns=self._started_ns, now_ns=time.time_ns())
            )
        except Exception:
            log.exception("metrics not sent")


class _Counting(SpanExporter):
    """Another exporter, with the spans counted that it was given and that it lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.taken = 0
        self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            if result is not SpanExportResult.SUCCESS:
                self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)
