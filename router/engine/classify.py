"""Which tool a call belongs to: asked of the policies, with what the request tells."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from crossfade.decision import Decision
from crossfade.stage import Origin, Stage
from policies.classification import classify as classified
from router.engine.call import Call


def classify(call: Call) -> None:
    """Note the call's tool, and a decision that leaves it with old until a twin says otherwise."""
    arguments = _arguments(call)
    found = classified(
        operation=call.operation,
        header=_text(call, b"x-crossfade-tool"),
        baggage=_text(call, b"baggage"),
        text=str(arguments.get("command") or arguments.get("code") or ""),
        path=str(arguments.get("path") or arguments.get("source") or ""),
        moved_to=str(arguments.get("destination") or ""),
        session=str(arguments.get("session") or arguments.get("pty") or ""),
    )
    call.classified_by = found.by
    reason = "" if call.twin is not None else _why_old(call)
    call.decision = Decision(
        tool=found.tool, stage=Stage.OFF, wish=Origin.OLD, answering=Origin.OLD, shadow=None, reason=reason
    )


def _arguments(call: Call) -> Mapping[str, Any]:
    """What the call asks for. A call that is only passed on is not decoded: its address tells."""
    if call.operations:
        return call.operations[0].arguments
    if call.route is None:
        return {}
    if not call.operation.startswith("fs.") or not call.query:
        return call.route.captures
    # As the front decodes it: the last of duplicates counts.
    return dict(parse_qsl(call.query.decode("latin-1"), errors="surrogateescape")) | dict(call.route.captures)


def _text(call: Call, name: bytes) -> str | None:
    value = call.fields.get(name)
    return None if value is None else value.decode("latin-1")


def _why_old(call: Call) -> str:
    if call.operation == "unknown":
        return "not a call we know: passed on to old"
    if not call.sandbox:
        return "not about one sandbox: old answers"
    return "only on old: made before crossfade, or its organisation is not in mirror.eligible_orgs"
