"""The text that Prometheus reads."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from router.telemetry.families import Distribution, Family, Kind, Labels

_TYPES = {Kind.COUNTER: "counter", Kind.GAUGE: "gauge", Kind.HISTOGRAM: "histogram"}
_UNITS = {"s": "seconds"}


class Exposition:
    """Writes families in Prometheus' text format, named by OpenTelemetry's rule: dots become underscores."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        # A registry of our own: the global one would add what the process exports by accident.
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(families))

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Families(Collector):
    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families():
            yield _metric(family)

    def describe(self) -> list[Metric]:
        """Nothing: registering must not read gauges whose owners are not built yet."""
        return []


def _metric(family: Family) -> Metric:
    name = "_".join(part for part in (family.name.replace(".", "_"), _UNITS.get(family.unit, family.unit)) if part)
    metric = Metric(name, family.help, _TYPES[family.kind])
    for labels, value in family.points.items():
        if isinstance(value, Distribution):
            _add_distribution(metric, labels, value)
        else:
            metric.add_sample(f"{name}_total" if family.kind is Kind.COUNTER else name, _plain(labels), value)
    return metric


def _add_distribution(metric: Metric, labels: Labels, value: Distribution) -> None:
    plain = _plain(labels)
    for bound, count in zip((*value.bounds, float("inf")), value.cumulative(), strict=True):
        edge = floatToGoString(bound)  # type: ignore[no-untyped-call]  # the library's own spelling of le
        metric.add_sample(f"{metric.name}_bucket", {**plain, "le": edge}, count)
    metric.add_sample(f"{metric.name}_count", plain, value.count)
    metric.add_sample(f"{metric.name}_sum", plain, value.total)


def _plain(labels: Labels) -> dict[str, str]:
    return {name.replace(".", "_"): value for name, value in labels}
