"""How big a pair may be before anything walks it by recursion."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on one pair; past any of them it is not compared in detail."""

    size_bytes: int = 4 * 1024 * 1024
    nodes: int = 100_000
    depth: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Size of plain data. Counting stops at the first cap passed, so a measure over a cap is a lower bound."""

    size_bytes: int
    nodes: int
    depth: int

    def over(self, limits: Limits) -> str:
        """Why it is too much, in words; empty when it is not."""
        if self.depth > limits.depth:
            return f"nested deeper than {limits.depth} levels"
        if self.nodes > limits.nodes:
            return f"more than {limits.nodes} values"
        if self.size_bytes > limits.size_bytes:
            return f"larger than {limits.size_bytes} bytes"
        return ""


def measure(value: Any, limits: Limits) -> Measure:
    """Walk plain data without recursion: it may be nested as deep as its sender liked."""
    size_bytes = deepest = 0
    nodes = 1
    waiting: list[tuple[Any, int]] = [([value], -1)]
    while waiting and size_bytes <= limits.size_bytes and nodes <= limits.nodes and deepest <= limits.depth:
        container, depth = waiting.pop()
        depth += 1
        deepest = max(deepest, depth)
        nodes += len(container)
        if isinstance(container, dict):
            size_bytes += sum(len(key) if isinstance(key, str | bytes) else 8 for key in container)
            container = container.values()
        for inner in container:
            if isinstance(inner, str | bytes):
                size_bytes += len(inner)
            elif isinstance(inner, dict | list | tuple):
                waiting.append((inner, depth))
            else:
                size_bytes += 8
    return Measure(size_bytes=size_bytes, nodes=nodes, depth=deepest)
