"""Differences and faults on request: wrong answers, so that a comparison has something to find.

Only answers change, never state. Requests made for anything but a client's call or its mirror (X-Crossfade-Purpose) are
answered truly. One operation of an adapter may be several requests, so an adapter says which operation a request is
part of (X-Crossfade-Operation: fs.delete); without that, what the request itself looks like decides.
Switched at run time, from this machine only: POST /_crossfade/inject {"kinds": [{"kind": "file-byte", "sandbox": ""}],
"delay_seconds": 0.5, "hang": false, "fail": 0}; a name left out stays as it is, GET shows what is set.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossfade import CrossfadeError
from router.front.e2b.differences import KINDS, Kind, Point
from router.front.e2b.messages import Request


class UnknownInjection(CrossfadeError):
    """A kind, a selector or a switch that nobody knows."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A kind, for every sandbox or for some: by id, or by a metadata key and value."""

    kind: str
    sandbox: str = ""
    metadata: tuple[str, str] | None = None

    def meets(self, sandbox: str, metadata: Mapping[str, str]) -> bool:
        """Whether it is meant for this sandbox."""
        if self.metadata is not None:
            key, value = self.metadata
            return metadata.get(key) == value
        return self.sandbox in ("", sandbox)

    @property
    def text(self) -> str:
        """As `--inject` takes it."""
        selector = "=".join(self.metadata) if self.metadata else self.sandbox
        return f"{self.kind}:{selector}" if selector else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What applies to one request."""

    kinds: tuple[Kind, ...] = ()

    def at(self, point: Point, answer: Any) -> Any:
        """The answer as it is to be given at this point."""
        for kind in self.kinds:
            if point in kind.changes:
                answer = kind.changes[point](answer)
        return answer


NO_CHANGES = Changes()


@dataclass(slots=True)
class Injector:
    """What to do wrongly at present. `delay_seconds`, `hang` and `fail` hit every request, whatever its purpose."""

    injections: Sequence[Injection] = ()
    delay_seconds: float = 0.0
    hang: bool = False  # accept requests and never answer
    fail: int = 0  # answer everything with this status: 429 or 500..599; 0: do not
    counts: dict[str, int] = field(default_factory=dict)  # answers changed, by kind

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Injector":
        """From `KIND[:SANDBOX_ID_OR_METADATA=VALUE]`. Raises UnknownInjection."""
        return cls([_injection(*text.partition(":")[::2]) for text in texts])

    def set(self, wanted: Mapping[str, Any]) -> None:
        """Change what `wanted` names, leave the rest: kinds, delay_seconds, hang, fail. Raises UnknownInjection."""
        if unknown := wanted.keys() - {"kinds", "delay_seconds", "hang", "fail"}:
            raise UnknownInjection(f"unknown switch '{min(unknown)}'; known: delay_seconds, fail, hang, kinds")
        # All are checked before any is set: a refused request changes nothing.
        injections = [_from_json(one) for one in wanted["kinds"]] if "kinds" in wanted else self.injections
        delay, hang, fail = (wanted.get(name, getattr(self, name)) for name in ("delay_seconds", "hang", "fail"))
        if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= 3600:
            raise UnknownInjection(f"delay_seconds must be a number from 0 to 3600, not {delay!r}")
        if not isinstance(hang, bool):
            raise UnknownInjection(f"hang must be true or false, not {hang!r}")
        if fail not in (0, None, False, 429) and not (isinstance(fail, int) and 500 <= fail <= 599):
            raise UnknownInjection(f"fail must be 0, 429 or 500 to 599, not {fail!r}")
        self.injections, self.delay_seconds, self.hang, self.fail = injections, float(delay), hang, int(fail or 0)

    def state(self) -> dict[str, Any]:
        """What is set now, as `set` takes it, and the kinds there are."""
        return {
            "kinds": [_to_json(one) for one in self.injections],
            "delay_seconds": self.delay_seconds,
            "hang": self.hang,
            "fail": self.fail,
            "counts": dict(self.counts),
            "known": {kind.name: kind.says for kind in KINDS.values()},
        }

    def changes(self, request: Request, operation: str, sandbox: str, metadata: Mapping[str, str]) -> Changes:
        """What to change in the answer to this request, which is part of `operation`."""
        if not self.injections or request.headers.get("x-crossfade-purpose", "mirror") != "mirror":
            return NO_CHANGES
        kinds = [
            kind
            for kind in KINDS.values()
            if kind.operation == operation
            and any(one.kind == kind.name and one.meets(sandbox, metadata) for one in self.injections)
        ]
        for kind in kinds:
            self.counts[kind.name] = self.counts.get(kind.name, 0) + 1
        return Changes(kinds=tuple(kinds)) if kinds else NO_CHANGES


def _injection(kind: str, selector: str) -> Injection:
    if kind not in KINDS:
        raise UnknownInjection(f"unknown kind '{kind}'; known: {', '.join(KINDS)}")
    key, equals, value = selector.partition("=")
    return Injection(kind=kind, metadata=(key, value)) if equals else Injection(kind=kind, sandbox=selector)


def _from_json(one: object) -> Injection:
    if not isinstance(one, dict) or one.keys() - {"kind", "sandbox"} or not isinstance(one.get("sandbox") or "", str):
        raise UnknownInjection('each of kinds is {"kind": ..., "sandbox": ...}; sandbox is an id or KEY=VALUE')
    return _injection(str(one.get("kind", "")), one.get("sandbox") or "")


def _to_json(injection: Injection) -> dict[str, str]:
    kind, _, selector = injection.text.partition(":")
    return {"kind": kind, "sandbox": selector} if selector else {"kind": kind}
