"""Flag JSON and subjects, as the SDK takes them."""

from collections.abc import Mapping
from typing import Any

from ldclient import Context
from ldclient.versioned_data_kind import FEATURES, VersionedDataKind

from crossfade.decision import Subject

Json = Mapping[str, Any]


def decodable(kind: VersionedDataKind, items: Mapping[str, Any]) -> dict[str, Json]:
    """Those that the SDK can evaluate: one that it cannot would keep it from taking all others."""
    good: dict[str, Json] = {}
    for key, item in items.items():
        if why_not(kind, item) is None:
            good[key] = dict(item)
    return good


def why_not(kind: VersionedDataKind, item: object) -> Exception | None:
    """Why the SDK cannot evaluate it; None when it can."""
    try:
        kind.decode(dict(item))  # type: ignore[call-overload]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return error
    return None


def why_no_flag(flag: object) -> Exception | None:
    """Why the SDK cannot evaluate this flag; None: it can."""
    return why_not(FEATURES, flag)


def context(subject: Subject) -> Context:
    """The sandbox, with its bucket for rules of an account, and its organisation where it is known."""
    sandbox = Context.builder(subject.routing_key).kind("sandbox").set("bucket", subject.bucket)
    if subject.account:
        sandbox.set("account", subject.account)
    if not subject.organization:
        return sandbox.build()
    return Context.create_multi(sandbox.build(), Context.create(subject.organization, "org"))
