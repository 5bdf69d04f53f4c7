"""The span of a call: names of attributes, and what they hold. No payloads, no keys."""

from collections.abc import Sequence

from crossfade.record import Record

Attribute = str | int | float | bool | Sequence[str]


def name(record: Record) -> str:
    """As OpenTelemetry names server spans: method and route."""
    return record.route or record.operation


def attributes(record: Record) -> dict[str, Attribute]:
    """The stable HTTP attributes, then ours. What does not apply to this call is left out."""
    method, _, template = record.route.partition(" ")
    found: dict[str, Attribute | None] = {
        "http.request.method": method or None,
        "http.route": template or None,
        "http.response.status_code": record.status or None,
        "error.type": str(record.status) if failed(record) else None,
        "crossfade.call": record.id,
        "crossfade.operation": record.operation,
        "crossfade.effect": record.effect,
        "crossfade.tool": record.tool,
        "crossfade.classified_by": record.classified_by,
        "crossfade.sandbox": record.sandbox or None,
        "crossfade.stage": record.stage,
        "crossfade.wish": record.wish,
        "crossfade.answering": record.answering,
        "crossfade.reason": record.reason or None,
        "crossfade.bucket": record.bucket if record.bucket >= 0 else None,
        "crossfade.flag_version": record.flag_version,
        "crossfade.fate": record.fate,
        "crossfade.bytes_in": record.bytes_in,
        "crossfade.bytes_out": record.bytes_out,
        "crossfade.ttfb_seconds": record.ttfb,
        "crossfade.origin_seconds": record.origin_seconds,
        "crossfade.validation_seconds": record.validation_seconds or None,
        "crossfade.mirrored": record.mirrored,
        "crossfade.dropped": record.dropped or None,
        "crossfade.matched": record.matched,
        "crossfade.severity": record.severity or None,
        "crossfade.signatures": record.signatures or None,
    }
    if record.mirrored:
        found["crossfade.shadow.status"] = record.shadow_status
        found["crossfade.shadow.fate"] = record.shadow_fate
        found["crossfade.shadow.seconds"] = record.shadow_seconds
    return {key: value for key, value in found.items() if value is not None}


def failed(record: Record) -> bool:
    """An error of the server: a refusal (4xx) is an answer like any other."""
    return record.status >= 500


def times(record: Record) -> tuple[int, int]:
    """Start and end, Unix nanoseconds."""
    start = int(record.at * 1e9)
    return start, start + int(record.seconds * 1e9)
