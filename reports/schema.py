"""The shape of report.json, as JSON Schema, from the values it is made of."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from reports.as_json import SCHEMA
from reports.model import DECISIONS, Cost, ReportData, ToolReport

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}
# What as_json leaves out and adds.
_LEFT_OUT: Mapping[type, tuple[str, ...]] = {ToolReport: ("said",)}
_ADDED: Mapping[type, Mapping[str, type]] = {
    ReportData: {"schema": str, "headline": str},
    ToolReport: {"next_step": str, "effective_share": float},
    Cost: {"amount": float},
}


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a report; nothing may be in one that is not in it."""
    found: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA}
    found |= _object(ReportData)
    found["properties"]["schema"] = {"const": SCHEMA}
    found["properties"]["tools"]["items"]["properties"]["decision"] = {"enum": list(DECISIONS)}
    return found


def _object(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    names = [each.name for each in dataclasses.fields(kind) if each.name not in _LEFT_OUT.get(kind, ())]
    shapes = {name: _shape(hints[name]) for name in names}
    shapes |= {name: _shape(each) for name, each in _ADDED.get(kind, {}).items()}
    return {"type": "object", "properties": shapes, "required": sorted(shapes), "additionalProperties": False}


def _shape(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _object(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_shape(each) for each in arguments]}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _shape(arguments[0])}
    if origin is tuple:
        return {"type": "array", "prefixItems": [_shape(each) for each in arguments], "items": False}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _shape(arguments[1])}
    raise TypeError(f"no JSON for {hint}")
