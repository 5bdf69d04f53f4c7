"""Typed differences between two normalised outcomes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comparators.contents import compare_contents, only_written_otherwise
from comparators.normalise import error_identity, error_text, placeholders
from comparators.redact import sample
from comparators.rules import Field, Rows, Rule, Shape
from comparators.screenshots import compare_screenshots
from comparators.text import compare_text
from crossfade.comparison import Change, Difference, Severity
from crossfade.results import SAMPLE_LIMIT

DIFFERENCES = 40  # kept of one comparison; kinds of difference, not places, so few pairs have as many
UNLISTED = Field()
_SEVERITIES = list(Severity)


def normalised(rule: Rule, plain: Mapping[str, Any]) -> dict[str, Any]:
    """An outcome in the one form that both sides share. Doing it twice is doing it once."""
    status, names = plain.get("status", 0), plain.get("names") or {}
    failed = not 200 <= status < 300
    value = {} if failed else _shaped(rule.shape, plain.get("value") or {}, names)
    # Samples are for showing only: equal contents may have been sampled to different lengths.
    samples = dict(plain.get("samples") or {})
    for name, inner in value.items():
        if rule.shape.fields.get(name, UNLISTED).form == "digest" and isinstance(inner, Mapping) and "sample" in inner:
            samples[name] = inner["sample"]
            value[name] = {key: part for key, part in inner.items() if key != "sample"}
    return {
        "status": status,
        "fate": plain.get("fate", ""),
        "code": error_identity(str(plain.get("code", "")), status) if failed else "",
        "message": error_text(placeholders(str(plain.get("message", "")), names)) if failed else "",
        "value": value,
        "samples": samples,
    }


def alike(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether two normalised outcomes agree."""
    old, new = {**old, "samples": {}}, {**new, "samples": {}}
    # An error body left empty is a habit of some daemons, not a difference in what happened.
    if not old["message"] or not new["message"]:
        old, new = {**old, "message": ""}, {**new, "message": ""}
    return old == new


def differences(rule: Rule, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Everything that differs between two normalised outcomes, worst first, once per kind of difference."""
    kinds: dict[tuple[str, Change, Severity], Difference] = {}
    for difference in _found(rule, old, new):
        kinds.setdefault((difference.path, difference.change, difference.severity), difference)
    ordered = sorted(kinds.values(), key=lambda each: (_SEVERITIES.index(each.severity), each.path, each.change))
    return tuple(ordered[:DIFFERENCES])


def _found(rule: Rule, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    contract, cosmetic = Severity.CONTRACT, Severity.COSMETIC
    if old["status"] != new["status"]:
        yield _difference("status", Change.VALUE, contract, old["status"], new["status"])
        if old["status"] // 100 != new["status"] // 100:
            return  # one did it and the other did not: whatever else differs follows from that
    elif old["fate"] != new["fate"]:
        yield _difference("fate", Change.VALUE, cosmetic, old["fate"], new["fate"])
    if old["code"] != new["code"] and old["status"] == new["status"]:
        yield _difference("code", Change.VALUE, contract, old["code"], new["code"])
    if old["message"] != new["message"] and old["message"] and new["message"]:
        yield _difference("message", Change.VALUE, cosmetic, old["message"], new["message"])
    for name, field in sorted(rule.shape.fields.items()):
        if field.form == "digest" and (name in old["value"] or name in new["value"]):
            yield from _of_digests(name, field, old, new)
    yield from _of_values(rule.shape, old["value"], new["value"])


def _of_values(shape: Shape, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    apart = {name for name, field in shape.fields.items() if field.form in ("text", "digest")}
    for name in sorted(apart):
        if shape.fields[name].form == "text" and old.get(name) != new.get(name):
            yield from _of_bytes(name, shape.fields[name], old.get(name), new.get(name))
    rest_old = {name: value for name, value in old.items() if name not in apart}
    rest_new = {name: value for name, value in new.items() if name not in apart}
    if rest_old != rest_new:
        yield from _of_trees(shape, *_unequal(rest_old, rest_new))


def _unequal(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two trees without the branches that are equal: deepdiff does not short-cut equality, and takes 0.2 ms a row."""
    left, right = dict(old), dict(new)
    for key in old.keys() & new.keys():
        one, other = old[key], new[key]
        if one == other:
            del left[key], right[key]
        elif isinstance(one, Mapping) and isinstance(other, Mapping):
            left[key], right[key] = _unequal(one, other)
    return left, right


# Bytes: outputs by stream and line, contents by digest.


def _of_bytes(name: str, field: Field, old: Any, new: Any) -> Iterator[Difference]:
    path, severity = field.label or name, field.severity or Severity.COSMETIC
    streams_old, streams_new = _streams(old), _streams(new)
    if streams_old is None or streams_new is None:
        yield _difference(path, Change.TYPE, Severity.CONTRACT, old, new)
        return
    for stream in sorted(streams_old.keys() | streams_new.keys()):
        one, other = streams_old.get(stream, b""), streams_new.get(stream, b"")
        written = only_written_otherwise(one, other) if one != other else ()
        for change in written or compare_text(one, other):
            least = max(severity, change.severity, key=_SEVERITIES.index)
            yield _difference(path, change.change, least, change.old, change.new)
        for each in compare_screenshots(one, other):
            least = max(severity, each.severity, key=_SEVERITIES.index)
            yield _difference(each.place, each.change, least, each.old, each.new)


def _streams(output: Any) -> Mapping[str, bytes] | None:
    return output if isinstance(output, Mapping) else {"": output} if isinstance(output, bytes) else None


def _of_digests(name: str, field: Field, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    one, other = old["value"].get(name), new["value"].get(name)
    path, severity = field.label or name, field.severity or Severity.COSMETIC
    if one == other:
        return
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        yield _difference(path, Change.TYPE, Severity.CONTRACT, one, other)
        return
    before, after = bytes(old["samples"].get(name, b"")), bytes(new["samples"].get(name, b""))
    whole = max(one["size"], other["size"]) <= SAMPLE_LIMIT
    if whole and before != after and (found := compare_contents(before, after)):
        for each in found:
            least = max(severity, each.severity, key=_SEVERITIES.index)
            yield _difference(f"{path} {each.place}".rstrip(), each.change, least, each.old, each.new)
        return
    at = next((at for at, (here, there) in enumerate(zip(before, after, strict=False)) if here != there), None)
    if one["size"] != other["size"]:
        yield _difference(path, Change.SIZE, severity, f"{one['size']} bytes", f"{other['size']} bytes")
    if one["size"] == other["size"] or at is not None:
        yield _difference(path, Change.VALUE, severity, _around(before, at), _around(after, at))


def _around(content: bytes, at: int | None) -> str:
    if at is None:
        return "past the sample"
    start = content.rfind(b"\n", 0, at) + 1
    end = content.find(b"\n", at)
    return f"byte {at}: " + content[max(start, at - 80) : len(content) if end < 0 else end].decode(errors="replace")


# Everything else: trees of dicts, in which lists have become dicts by key.


def _of_trees(shape: Shape, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    from deepdiff import DeepDiff  # 0.4 s to import, and a process whose answers agree never needs it

    # No max_diffs: when it is reached the result is empty, which looks like a match (qlustered/deepdiff#276).
    # No lists are left at this point, so neither ignore_order's square nor an inserted head's cascade can happen.
    tree = DeepDiff(old, new, view="tree", ignore_numeric_type_changes=True, threshold_to_diff_deeper=0)
    for report, change in _CHANGES.items():
        # Deepdiff walks sets: without an order of our own, which of many places is shown would be chance.
        places = [(found.path(output_format="list"), found) for found in tree.get(report, ())]
        for keys, found in sorted(places, key=lambda place: [str(key) for key in place[0]]):
            path, field = _place(shape, keys)
            severity = field.severity or Severity.COSMETIC
            here = found.t1 if change is not Change.EXTRA else None
            there = found.t2 if change is not Change.MISSING else None
            if field.settles and (here is None or there is None):
                severity = Severity.COSMETIC
            elif change is Change.TYPE and severity is not Severity.COSMETIC:
                severity = Severity.CONTRACT
            shown = keys[-1] if field.rows else None
            yield _difference(path, change, severity, _shown(shown, here), _shown(shown, there))


_CHANGES = {
    "dictionary_item_removed": Change.MISSING,
    "dictionary_item_added": Change.EXTRA,
    "type_changes": Change.TYPE,
    "values_changed": Change.VALUE,
}


def _place(shape: Shape, keys: Sequence[Any]) -> tuple[str, Field]:
    """The name of a place without the keys that differ from call to call, and the field it is in."""
    names: list[str] = []
    field = UNLISTED
    waiting = list(keys)
    while waiting:
        name = waiting.pop(0)
        field = shape.fields.get(name, UNLISTED)
        if field.rows and waiting:
            names.append(field.rows.label)
            waiting.pop(0)
            shape = field.rows.shape
            if waiting:
                continue
            break
        names.append(field.label or str(name))
        if waiting:
            names.append("*")
        break
    return ".".join(names), field


def _shown(key: Any, value: Any) -> Any:
    if value is None and key is not None:
        return ""
    return f"{_readable(key)}: {value}" if key is not None else value


def _readable(key: Any) -> str:
    return str(key).replace("\0", " ")


def _difference(path: str, change: Change, severity: Severity, old: Any, new: Any) -> Difference:
    shown_old, shown_new = ("" if value is None else sample(value) for value in (old, new))
    return Difference(path=path, change=change, severity=severity, old=shown_old, new=shown_new)


# Normalising a value by its shape.


def _shaped(shape: Shape, value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    for rule in shape.whole:
        value = rule(value)
    shaped: dict[str, Any] = {}
    for name, inner in value.items():
        field = shape.fields.get(name, UNLISTED)
        if field.severity is not None:
            shaped[name] = _field(field, inner, names)
    return shaped


def _field(field: Field, value: Any, names: Mapping[str, str]) -> Any:
    if field.rows is not None:
        return _keyed(field.rows, value, names)
    if field.split is not None:
        value = field.split(value)
    if field.form == "text" and isinstance(value, Mapping):
        streams = {stream: _leaf(field, inner, names) for stream, inner in value.items()}
        return {stream: inner for stream, inner in streams.items() if inner != b""}
    value = _leaf(field, value, names)
    return value if field.form == "digest" else _unlisted(value)


def _leaf(field: Field, value: Any, names: Mapping[str, str]) -> Any:
    for rule in field.normalise:
        value = rule(value)
    return placeholders(value, names)


def _keyed(rows: Rows, value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return value
    for rule in rows.whole:
        value = rule(list(value))
    shaped = [_shaped(rows.shape, row if isinstance(row, Mapping) else {"value": row}, names) for row in value]
    keyed: dict[str, Any] = {}
    seen: Counter[str] = Counter()
    # Rows of one key are numbered in an order of their own: the order they were sent in is chance.
    for row in sorted(shaped, key=repr):
        key = "\0".join(str(row.get(name, "")) for name in rows.key)
        seen[key] += 1
        keyed[key if seen[key] == 1 else f"{key}\0#{seen[key]}"] = row
    return keyed


def _unlisted(value: Any) -> Any:
    """Lists as dicts by position: deepdiff must never see a list."""
    if isinstance(value, Mapping):
        return {key: _unlisted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return {f"[{at}]": _unlisted(inner) for at, inner in enumerate(value)}
    return value
