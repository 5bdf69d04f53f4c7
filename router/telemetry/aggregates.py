"""Counting calls: a few dictionary look-ups per record, read out whole when somebody asks."""

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar

from crossfade.comparison import Severity
from crossfade.record import Record
from crossfade.stage import TOOLS, Origin, Stage
from crossfade.upstream import Purpose, UpstreamRequest
from router.telemetry.families import Distribution, Family, Kind, Labels
from router.telemetry.histogram import CALL_BOUNDS, HTTP_BOUNDS, Histogram

K = TypeVar("K")
OTHER = "other"
_ORIGINS = frozenset(Origin)
_ANSWERING = frozenset((*Origin, "router"))
_STAGES = frozenset(Stage)
_SEVERITIES = frozenset(Severity)
_TOOLS = frozenset(TOOLS)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"))
_RESULTS = ("match", *Severity, "limited")
# Labels come from closed sets, but for these two, which are closed in practice and capped in case they are not.
_MOST_HTTP_SERIES = 1000
_MOST_REASONS = 50


class Aggregates:
    """What the records of this process add up to. One thread writes (the loop's); any thread reads."""

    def __init__(self) -> None:
        self._calls: defaultdict[tuple[str, str, str, str], int] = defaultdict(int)
        self._mirrored: defaultdict[str, int] = defaultdict(int)
        self._dropped: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._reasons: set[str] = set()
        # From zero: increase() does not see a counter that is 1 when it is first shown, and one difference is an alert.
        self._comparisons = {(tool, str(result)): 0 for tool in TOOLS for result in _RESULTS}
        self._upstream = {(origin, purpose): 0 for origin in Origin for purpose in Purpose}
        self._http: dict[tuple[str, int], Histogram] = {}
        self._http_rest = Histogram(HTTP_BOUNDS)
        self._requests: dict[tuple[Origin, Purpose, str, int, str], Histogram] = {}
        self._requests_rest = Histogram(HTTP_BOUNDS)
        self._durations: dict[tuple[str, str], Histogram] = {}
        self._shadows: dict[str, Histogram] = {}
        self._validations = Histogram(CALL_BOUNDS)
        self._awaited_shadow = 0

    def observe(self, record: Record) -> None:
        """Count one finished call."""
        tool = record.tool if record.tool in _TOOLS else OTHER
        answering = record.answering if record.answering in _ANSWERING else OTHER
        stage = record.stage if record.stage in _STAGES else OTHER
        self._calls[tool, stage, answering, record.wish if record.wish in _ORIGINS else OTHER] += 1
        (self._http.get((record.route, record.status)) or self._http_series(record)).add(record.seconds)
        (self._durations.get((tool, answering)) or _series(self._durations, (tool, answering))).add(record.seconds)
        if record.validation_seconds > 0:
            self._validations.add(record.validation_seconds)
        if record.mirrored:
            self._mirrored[tool] += 1
            if record.shadow_seconds > 0:
                (self._shadows.get(tool) or _series(self._shadows, tool)).add(record.shadow_seconds)
        if record.dropped:
            self._dropped[tool, self._reason(record.dropped)] += 1
        if record.matched is not None:
            self._comparisons[tool, _result(record)] += 1

    def count(self, origin: Origin, purpose: Purpose) -> None:
        """One request to an origin."""
        self._upstream[origin, purpose] += 1

    def timed(self, request: UpstreamRequest, status: int, seconds: float, error: str) -> None:
        """One request to an origin, answered or failed."""
        key = (request.origin, request.purpose, request.method, status, error)
        (self._requests.get(key) or self._request_series(key)).add(seconds)

    def awaited_shadow(self) -> None:
        """A call of an unsplit sandbox waited for its follower: what must never happen."""
        self._awaited_shadow += 1

    def families(self) -> list[Family]:
        """Everything counted so far."""
        return [
            _histogram("http.server.request.duration", "Calls of clients, arrival to last byte.", self._http_points()),
            _histogram(
                "http.client.request.duration",
                "Requests to origins, to the head of the answer.",
                self._request_points(),
            ),
            _counter("crossfade.calls", "Calls of clients.", _labelled(self._calls, *_CALL_LABELS)),
            _histogram(
                "crossfade.call.duration",
                "Calls of clients by tool, arrival to last byte.",
                _read(self._durations, "tool", "answering"),
            ),
            _counter(
                "crossfade.upstream_requests",
                "Requests to an origin, by why they were sent.",
                _labelled(self._upstream, "origin", "purpose"),
            ),
            _counter("crossfade.mirrored", "Calls sent to the other origin too.", _labelled(self._mirrored, "tool")),
            _counter(
                "crossfade.dropped",
                "Calls due for comparison that were not compared.",
                _labelled(self._dropped, "tool", "reason"),
            ),
            _counter(
                "crossfade.comparisons",
                "Compared calls by the worst difference; limited: they differ, and it is not known how.",
                _labelled(self._comparisons, "tool", "result"),
            ),
            _histogram(
                "crossfade.shadow.duration", "The other origin's time for a call.", _read(self._shadows, "tool")
            ),
            _histogram(
                "crossfade.validation.duration",
                "Waiting for the seat's half of a call of a split sandbox.",
                {(): self._validations.read()},
            ),
            _counter(
                "crossfade.awaited_shadow_calls",
                "Calls of unsplit sandboxes that waited for the follower. Anything but 0 is a defect.",
                {(): self._awaited_shadow},
            ),
        ]

    def _http_series(self, record: Record) -> Histogram:
        """The series of a route and status that are new, or the one for the rest."""
        if len(self._http) >= _MOST_HTTP_SERIES:
            return self._http_rest
        return self._http.setdefault((record.route, record.status), Histogram(HTTP_BOUNDS))

    def _request_series(self, key: tuple[Origin, Purpose, str, int, str]) -> Histogram:
        if len(self._requests) >= _MOST_HTTP_SERIES:
            return self._requests_rest
        return self._requests.setdefault(key, Histogram(HTTP_BOUNDS))

    def _request_points(self) -> dict[Labels, Distribution]:
        # The convention wants server.address; E2B's holds the sandbox's id, so the origin stands for it.
        found: dict[Labels, Distribution] = {}
        for (origin, purpose, method, status, error), series in list(self._requests.items()):
            labels = (
                ("http.request.method", _method(method)),
                *((("http.response.status_code", str(status)),) if status else ()),
                *_error_type(error or (str(status) if status >= 400 else "")),
                ("origin", str(origin)),
                ("purpose", str(purpose)),
            )
            found[labels] = _added(found.get(labels), series.read())
        if any(self._requests_rest.counts):
            found[(("http.request.method", "_OTHER"), ("origin", OTHER), ("purpose", OTHER))] = (
                self._requests_rest.read()
            )
        return found

    def _http_points(self) -> dict[Labels, Distribution]:
        found: dict[Labels, Distribution] = {}
        for (route, status), series in list(self._http.items()):
            method, _, template = route.partition(" ")
            labels = _http_labels(_method(method), template, str(status))
            if status >= 500:
                labels += _error_type(str(status))
            found[labels] = _added(found.get(labels), series.read())
        if any(self._http_rest.counts):
            found[_http_labels("_OTHER", OTHER, OTHER)] = self._http_rest.read()
        return found

    def _reason(self, text: str) -> str:
        """What comes before the colon: behind it stand details, without end."""
        reason = text.partition(":")[0].strip()[:80]
        if reason in self._reasons:
            return reason
        if len(self._reasons) >= _MOST_REASONS:
            return OTHER
        self._reasons.add(reason)
        return reason


_CALL_LABELS = ("tool", "stage", "answering", "wish")


def _result(record: Record) -> str:
    if record.matched:
        return "match"
    if not record.differences:
        return "limited"
    return str(record.severity) if record.severity in _SEVERITIES else str(Severity.CONTENT)


def _method(method: str) -> str:
    return method if method in _METHODS else "_OTHER"


def _error_type(error: str) -> Labels:
    return (("error.type", error),) if error else ()


def _http_labels(method: str, template: str, status: str) -> Labels:
    return (("http.request.method", method), ("http.route", template), ("http.response.status_code", status))


def _series(found: dict[K, Histogram], key: K) -> Histogram:
    return found.setdefault(key, Histogram(CALL_BOUNDS))


def _labelled(counts: Mapping[K, int], *names: str) -> dict[Labels, float]:
    # list() first: it copies in one step, and the loop may add a key meanwhile.
    return {_labels(names, key): count for key, count in list(counts.items())}


def _read(found: Mapping[K, Histogram], *names: str) -> dict[Labels, Distribution]:
    return {_labels(names, key): series.read() for key, series in list(found.items())}


def _labels(names: tuple[str, ...], key: object) -> Labels:
    values = key if isinstance(key, tuple) else (key,)
    return tuple((name, str(value)) for name, value in zip(names, values, strict=True))


def _added(one: Distribution | None, other: Distribution) -> Distribution:
    if one is None:
        return other
    counts = tuple(first + second for first, second in zip(one.counts, other.counts, strict=True))
    return Distribution(other.bounds, counts, one.total + other.total)


def _counter(name: str, text: str, points: Mapping[Labels, float]) -> Family:
    return Family(name=name, help=text, kind=Kind.COUNTER, points=dict(points))


def _histogram(name: str, text: str, points: Mapping[Labels, Distribution]) -> Family:
    return Family(name=name, help=text, kind=Kind.HISTOGRAM, points=dict(points), unit="s")
