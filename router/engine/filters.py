"""What a list of sandboxes is asked for: filters and orders of Daytona's lists, applied to objects kept by us."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Described = Mapping[str, Any]  # a sandbox as Daytona's API shows it
Test = Callable[[Described, str], bool]

_FIELDS = {"memoryGib": "memory", "diskGib": "disk", "lastActivityAt": "updatedAt", "region": "target"}
_NUMBERS = ("cpu", "memory", "disk")


@dataclass(frozen=True, slots=True)
class Order:
    """An order of sandboxes in which each has a place of its own."""

    field: str
    falling: bool

    def of(self, sandbox: Described) -> tuple[Any, str]:
        """Where it stands."""
        name = _FIELDS.get(self.field, self.field)
        value = sandbox.get(name)
        return (float(value or 0) if name in _NUMBERS else str(value or "")), str(sandbox.get("id"))

    def comes_after(self, sandbox: Described, place: tuple[Any, str]) -> bool:
        """Whether it stands behind this place; a place in another order is before all of them."""
        own = self.of(sandbox)
        if type(own[0]) is not type(place[0]):
            return True
        return own < place if self.falling else own > place


def order(asked: Mapping[str, str]) -> Order:
    """The order asked for; the newest first where none is."""
    return Order(asked.get("sort") or "createdAt", asked.get("order") != "asc")


def wanted(sandbox: Described, asked: Sequence[tuple[str, str]]) -> bool:
    """Whether every filter lets it through. What asks for something that only Daytona has lets none through."""
    chosen: dict[str, list[str]] = {}
    for name, value in asked:
        if name in _ONE_OF and value:
            chosen.setdefault(name, []).extend(value.split(","))
    if any(str(sandbox.get(_ONE_OF[name])) not in values for name, values in chosen.items()):
        return False
    return all(_TESTS[name](sandbox, value) for name, value in asked if name in _TESTS and value)


def _labels(sandbox: Described, text: str) -> bool:
    try:
        labels = json.loads(text)
    except ValueError:
        return False
    if labels is None:  # as blocking SDKs up to 0.115 say "any"
        return True
    wished = {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {"": ""}
    return wished.items() <= dict(sandbox.get("labels") or {}).items()


def _begins(field: str) -> Test:
    return lambda sandbox, text: str(sandbox.get(field, "")).lower().startswith(text.lower())


def _bounded(field: str, *, below: bool) -> Test:
    def test(sandbox: Described, text: str) -> bool:
        try:
            bound, value = float(text), float(sandbox.get(field) or 0)
        except ValueError:
            return False
        return value <= bound if below else value >= bound

    return test


def _dated(field: str, *, before: bool) -> Test:
    def test(sandbox: Described, text: str) -> bool:
        try:
            bound, value = _moment(text), _moment(str(sandbox.get(field) or ""))
        except ValueError:
            return False
        return value < bound if before else value > bound

    return test


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace(" ", "+"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is(field: str) -> Test:
    return lambda sandbox, text: bool(sandbox.get(field)) is (text.lower() == "true")


def _unknown(_sandbox: Described, _text: str) -> bool:
    return False


_ONE_OF = {"states": "state", "snapshots": "snapshot", "regions": "target", "regionIds": "target"}
_TESTS: Mapping[str, Test] = {
    "labels": _labels,
    "id": _begins("id"),
    "name": _begins("name"),
    "minCpu": _bounded("cpu", below=False),
    "maxCpu": _bounded("cpu", below=True),
    "minMemoryGiB": _bounded("memory", below=False),
    "maxMemoryGiB": _bounded("memory", below=True),
    "minDiskGiB": _bounded("disk", below=False),
    "maxDiskGiB": _bounded("disk", below=True),
    "isPublic": _is("public"),
    "isRecoverable": _is("recoverable"),
    "createdAtAfter": _dated("createdAt", before=False),
    "createdAtBefore": _dated("createdAt", before=True),
    "lastEventAfter": _dated("updatedAt", before=False),
    "lastEventBefore": _dated("updatedAt", before=True),
    "sandboxClasses": _unknown,
    "autoDestroyAtAfter": _unknown,
    "autoDestroyAtBefore": _unknown,
}
