"""What operators watch: metrics for Prometheus, spans and metrics over OTLP.

aggregates.py counts each record, families.py is what was counted as values, exposition.py writes them for Prometheus,
otlp.py (loaded only when an endpoint is set) sends them and spans.py's spans, requests.py times requests to origins,
telemetry.py is the one class for users.
"""

from router.telemetry.requests import TimedUpstream
from router.telemetry.telemetry import Telemetry

__all__ = ["Telemetry", "TimedUpstream"]
