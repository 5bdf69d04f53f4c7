"""Artifacts: the charts that code prints among its output, a line each, which the newest SDKs get apart from it."""

import json
from typing import Any

_MARK = b"dtn_artifact_k39fd2:"


def split(output: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    """The output without its charts, and the charts. A marked line that cannot be read stays where it is."""
    if _MARK not in output:
        return output, []
    kept: list[bytes] = []
    charts: list[dict[str, Any]] = []
    for line in output.split(b"\n"):
        chart = _chart(line)
        if chart is None:
            kept.append(line)
        else:
            charts.append(chart)
    return b"\n".join(kept), charts


def _chart(line: bytes) -> dict[str, Any] | None:
    if not line.startswith(_MARK):
        return None
    try:
        artifact = json.loads(line[len(_MARK) :])
    except ValueError:
        return None
    value = artifact.get("value") if isinstance(artifact, dict) and artifact.get("type") == "chart" else None
    return value if isinstance(value, dict) else None
