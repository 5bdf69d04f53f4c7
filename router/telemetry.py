"""OpenTelemetry spans and metrics, Prometheus."""
