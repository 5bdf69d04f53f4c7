"""The one class that the rest of the router knows."""

import logging
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from crossfade.record import Record
from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamRequest
from router.settings import TelemetrySettings
from router.telemetry.aggregates import Aggregates
from router.telemetry.exposition import Exposition
from router.telemetry.families import Family, Kind, Labels

if TYPE_CHECKING:
    from router.telemetry.otlp import Otlp

log = logging.getLogger("crossfade.telemetry")
Read = Callable[[], Mapping[Labels, float] | float]
_MOST_GAUGE_SERIES = 200


class Telemetry:
    """Counts calls, and tells Prometheus and, where an endpoint is set, an OpenTelemetry collector.

    `observe`, `count`, `timed` and `awaited_shadow` cost microseconds and are for the loop's thread; the others
    are for any.
    """

    def __init__(self, settings: TelemetrySettings, *, export_seconds: float = 15.0) -> None:
        self._aggregates = Aggregates()
        self._gauges: dict[str, tuple[str, Read]] = {}
        self._broken: set[str] = set()
        self._version = _version()
        self._exposition = Exposition(self.families)
        self._otlp = self._sender(settings, export_seconds) if settings.otlp_endpoint else None

    def observe(self, record: Record) -> None:
        """Count a finished call, and queue its span. Never blocks."""
        self._aggregates.observe(record)
        if self._otlp is not None:
            self._otlp.offer(record)

    def count(self, origin: Origin, purpose: Purpose) -> None:
        """Count a request to an origin."""
        self._aggregates.count(origin, purpose)

    def timed(self, request: UpstreamRequest, status: int, seconds: float, error: str) -> None:
        """Count a request to an origin that was answered (`status`) or not (`error`); what TimedUpstream tells."""
        self._aggregates.timed(request, status, seconds, error)

    def awaited_shadow(self) -> None:
        """Count a call of an unsplit sandbox that waited for its follower: a defect."""
        self._aggregates.awaited_shadow()

    def gauge(self, name: str, help: str, read: Read) -> None:
        """Show what `read` gives, one number or one per labels. It is called on any thread, and must be quick.

        The name is Prometheus' (crossfade_twins); over OTLP it has a dot behind the namespace, as all of ours.
        """
        if name in self._gauges:
            raise ValueError(f"gauge '{name}' is registered already; give this one another name")
        self._gauges[name] = (help, read)

    def families(self) -> list[Family]:
        """Everything there is to tell, read now."""
        build: Labels = (("version", self._version), ("python", platform.python_version()))
        found = self._aggregates.families()
        found.append(Family(name="crossfade.build_info", help="This program.", kind=Kind.GAUGE, points={build: 1}))
        dropped = self._otlp.dropped if self._otlp else 0
        text = "Spans that were not delivered: the queue was full, or the collector refused them."
        found.append(Family(name="crossfade.spans_dropped", help=text, kind=Kind.COUNTER, points={(): dropped}))
        for name, (help, read) in list(self._gauges.items()):
            if (points := self._gauge_points(name, read)) is not None:
                dotted = name.replace("crossfade_", "crossfade.", 1)
                found.append(Family(name=dotted, help=help, kind=Kind.GAUGE, points=points))
        return found

    def counted(self) -> list[Family]:
        """What calls add up to, without gauges."""
        return self._aggregates.families()

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return self._exposition.text()

    def close(self) -> None:
        """Send what is left, for some seconds at most."""
        if self._otlp is not None:
            self._otlp.close()

    def _sender(self, settings: TelemetrySettings, export_seconds: float) -> "Otlp":
        # Here and not above: half a second and 20 MB that nobody pays who exports nothing.
        from router.telemetry.otlp import Otlp

        return Otlp(
            endpoint=settings.otlp_endpoint,
            service_name=settings.service_name,
            service_version=self._version,
            sample=settings.sample,
            families=self.families,
            export_seconds=export_seconds,
        )

    def _gauge_points(self, name: str, read: Read) -> dict[Labels, float] | None:
        """None if it cannot be read: one broken gauge must not hide the others."""
        try:
            value = read()
            if isinstance(value, Mapping):
                return dict(list(value.items())[:_MOST_GAUGE_SERIES])
            return {(): float(value)}
        except Exception:
            if name not in self._broken:
                self._broken.add(name)
                log.warning("gauge cannot be read", extra={"gauge": name}, exc_info=True)
            return None


def _version() -> str:
    try:
        return version("crossfade")
    except PackageNotFoundError:
        return "unknown"
